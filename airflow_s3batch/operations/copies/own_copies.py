"""Whether what stands at the target of a move is the copy that an earlier try, or attempt, has made of that object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.bodies.content import ContentChoice
from airflow_s3batch.operations.bodies.sameness import has_same_body, has_same_metadata
from airflow_s3batch.operations.bodies.sources import HEAD_WITH_CHECKSUM, SOURCE_TAGGING
from airflow_s3batch.operations.copies.traces import is_made_by_earlier_attempt, is_made_since
from airflow_s3batch.operations.requests import Request, Response, RunContext, Steps
from airflow_s3batch.operations.tags.tag_sets import GET_TAGS, tags_differ, tags_shown

if TYPE_CHECKING:
    from airflow_s3batch.operations.copies.copying import CopyObject

_TAG_COUNT = "x-amz-tagging-count"

Seen = tuple[Response, Response, Response]
"""The HEAD of the object, the refusal to copy it, and the HEAD of what stands at the target."""


def is_own_copy(copy: CopyObject, obj: S3Object, seen: Seen, context: RunContext) -> Steps[bool]:
    """
    Return whether what stands at the target is a copy of *obj* that *copy* has made before.

    Another object's copy may have the same body, so time, metadata, content headers and tags have to agree, too.
    """
    head, refused, there = seen
    is_by_us = refused.is_retried and is_made_since(head, there)
    if not is_by_us and not (context.is_replay and is_made_by_earlier_attempt(there, context)):
        return False
    if not _has_its_metadata(copy, head, there) or not (yield from _has_its_tags(copy, obj, seen, context)):
        return False
    if has_same_body(head.headers, there.headers):
        return True
    checked = yield Request(HEAD_WITH_CHECKSUM, obj.bucket, obj.key, obj.version_id, copy.payer)
    return checked.is_success and has_same_body(checked.headers, there.headers)


def _has_its_metadata(copy: CopyObject, head: Response, there: Response) -> bool:
    if copy.metadata is None:
        return has_same_metadata(head.headers, there.headers)
    return not ContentChoice.of(copy).differs_from(there.headers)


def _has_its_tags(copy: CopyObject, obj: S3Object, seen: Seen, context: RunContext) -> Steps[bool]:
    """Return whether the target has the tags of a copy of *obj*; also where they may not be read."""
    wanted: Mapping[str, Any] | Outcome = copy.tags or {}
    if copy.tags is None:
        if context.capabilities.is_aws and not any(_TAG_COUNT in head.headers for head in (seen[0], seen[2])):
            return True  # there are none; other stores may not count them
        wanted = tags_shown((yield Request(SOURCE_TAGGING, obj.bucket, obj.key, obj.version_id, copy.payer)))
    shown = tags_shown((yield Request(GET_TAGS, str(copy.target_bucket), copy.key_for(obj))))
    if isinstance(wanted, Outcome) or isinstance(shown, Outcome):
        return True
    return tags_differ(wanted, shown) is None
