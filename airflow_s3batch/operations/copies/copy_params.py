"""What the fields of a copy say together: what is wrong with them, and the parameters and headers they become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args
from urllib.parse import urlencode

from airflow_s3batch.operations.acls.acl import CANNED_ACLS, grant_params, grant_problems
from airflow_s3batch.operations.bodies.content import ContentChoice
from airflow_s3batch.operations.bodies.encryption import EncryptionChoice
from airflow_s3batch.operations.bodies.multipart import LEAST_PART_BYTES
from airflow_s3batch.operations.bodies.skipping import SkipExisting
from airflow_s3batch.operations.copies.target_keys import target_key_problems
from airflow_s3batch.operations.fields import Column, choice_problems, text_problems
from airflow_s3batch.operations.locks.lock_choice import LockChoice
from airflow_s3batch.operations.moments import moment_problems
from airflow_s3batch.operations.tags.tagging import tag_problems
from airflow_s3batch.operations.types import MOST_COPY_BYTES, ChecksumAlgorithm, StorageClass

_DIRECTIVES = ("COPY", "EXCLUDE")


def copy_problems(copy: Any) -> list[str]:
    """Return what is wrong with the fields of *copy*, a `CopyObject`, a clause each."""
    return [
        *_target_problems(copy),
        *_text_problems(copy),
        *choice_problems(get_args(StorageClass), storage_class=copy.storage_class),
        *choice_problems(get_args(ChecksumAlgorithm), checksum_algorithm=copy.checksum_algorithm),
        *choice_problems(get_args(SkipExisting), skip_existing=copy.skip_existing),
        *choice_problems(_DIRECTIVES, annotation_directive=copy.annotation_directive),
        *EncryptionChoice.of(copy).problems(),
        *_acl_problems(copy),
        *_content_problems(copy),
        *_tags_problems(copy.tags),
        *LockChoice.of(copy).problems(),
        *moment_problems(
            copy_source_if_modified_since=copy.copy_source_if_modified_since,
            copy_source_if_unmodified_since=copy.copy_source_if_unmodified_since,
        ),
        *threshold_problems(copy.multipart_threshold_bytes),
    ]


def _target_problems(copy: Any) -> Iterator[str]:
    found = text_problems(target_bucket=copy.target_bucket, target_key_prefix=copy.target_key_prefix)
    yield from found
    if found:
        return
    if not copy.target_bucket:
        yield f"target_bucket={copy.target_bucket!r}: expected the name of a bucket"
    elif "/" in str(copy.target_bucket) and not str(copy.target_bucket).startswith("arn:"):
        yield f"target_bucket={copy.target_bucket!r}: expected a bucket's name; use target_key_prefix"
    yield from target_key_problems(copy.target_key, copy.target_key_prefix)


def _text_problems(copy: Any) -> Iterator[str]:
    yield from text_problems(
        copy_source_if_match=copy.copy_source_if_match,
        copy_source_if_none_match=copy.copy_source_if_none_match,
        website_redirect_location=copy.website_redirect_location,
    )
    if not isinstance(copy.requester_pays, (bool, Column)):
        yield f"requester_pays={copy.requester_pays!r}: expected True or False"


def _acl_problems(copy: Any) -> list[str]:
    found = choice_problems(CANNED_ACLS, canned_acl=copy.canned_acl)
    if copy.grants is None:
        return found
    if copy.canned_acl is not None:
        found.append("give canned_acl or grants, not both")
    return [*found, *grant_problems(copy.grants)]


def _content_problems(copy: Any) -> Iterator[str]:
    choice = ContentChoice.of(copy)
    yield from choice.problems()
    if choice.has_headers and copy.metadata is None:
        yield "content headers replace the source's metadata as well: give metadata= too, {} for none"


def _tags_problems(tags: Any) -> list[str]:
    if tags is None:
        return []
    return tag_problems(tags) if isinstance(tags, Mapping) else [f"tags={tags!r}: expected texts by name"]


def threshold_problems(threshold: Any) -> list[str]:
    """Return what is wrong with ``multipart_threshold_bytes``."""
    is_number = isinstance(threshold, int) and not isinstance(threshold, bool)
    if is_number and LEAST_PART_BYTES <= threshold <= MOST_COPY_BYTES:
        return []
    return [f"multipart_threshold_bytes={threshold!r}: expected {LEAST_PART_BYTES:,} to {MOST_COPY_BYTES:,}"]


def copy_params(copy: Any) -> dict[str, Any]:
    """Return CopyObject's parameters for the fields of *copy* that all objects share."""
    params: dict[str, Any] = dict(EncryptionChoice.of(copy).copy_params())
    named = {
        "StorageClass": copy.storage_class,
        "ACL": copy.canned_acl,
        "ChecksumAlgorithm": copy.checksum_algorithm,
        "WebsiteRedirectLocation": copy.website_redirect_location,
        "RequestPayer": "requester" if copy.requester_pays else None,
    }
    params.update((name, value) for name, value in named.items() if value is not None)
    if copy.grants:
        params.update(grant_params(copy.grants))
    if copy.metadata is not None:
        params.update(MetadataDirective="REPLACE", **ContentChoice.of(copy).params())
    if copy.tags is not None:
        params.update(TaggingDirective="REPLACE", Tagging=urlencode(copy.tags))
    return {**params, **LockChoice.of(copy).params()}


def copy_headers(copy: Any) -> tuple[tuple[str, str], ...]:
    """Return the headers of a copy that botocore does not know in all versions."""
    directive = copy.annotation_directive
    annotations = (("x-amz-object-annotation-directive", directive),) if directive else ()
    return (*annotations, *LockChoice.of(copy).headers())
