"""What has to be known of an object before it can be copied in parts, and what its copy then has to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations.bodies.content import content_of, is_readable
from airflow_s3batch.operations.bodies.multipart import PartsCopy, checksum_headers, copy_in_parts
from airflow_s3batch.operations.bodies.skipping import IGNORED, REFUSED
from airflow_s3batch.operations.bodies.sources import (
    HEAD_SOURCE,
    HEAD_WITH_CHECKSUM,
    SOURCE_TAGGING,
    Headers,
    copy_source,
    e_tag_in,
)
from airflow_s3batch.operations.copies.source_conditions import unfulfilled
from airflow_s3batch.operations.locks.lock_choice import LockChoice
from airflow_s3batch.operations.requests import Request, Response, RunContext, Steps
from airflow_s3batch.operations.tags.tag_sets import tags_of

if TYPE_CHECKING:
    from airflow_s3batch.operations.copies.copying import CopyObject


def large_copy(
    copy: CopyObject,
    obj: S3Object,
    target: str,
    conditions: Headers,
    on_target: Headers,
    context: RunContext,
    first: Response | None,
) -> Steps[Response]:
    """
    Copy *obj* in parts if it is as large as that; return the response that decides.

    *first* is what one request for all of it was answered, if it was tried.
    """
    head = yield Request(HEAD_WITH_CHECKSUM, obj.bucket, obj.key, obj.version_id, copy.payer)
    length = head.headers.get("content-length", "")
    if not head.is_success or not length.isdigit():
        return first or _failure(head, head.status, head.error_code or "InvalidResponse", head.message)
    if int(length) <= copy.multipart_threshold_bytes:
        if first is not None:
            return first
        headers = (("x-amz-copy-source", copy_source(obj)), *copy._more, *conditions, *on_target)  # noqa: SLF001
        return (yield Request(copy._long_call, str(copy.target_bucket), target, None, headers))  # noqa: SLF001
    if refused := _refusal(copy, head, conditions, context):
        return refused
    tags = copy.tags
    if tags is None:
        found = yield from read_tags(Request(SOURCE_TAGGING, obj.bucket, obj.key, obj.version_id, copy.payer))
        if isinstance(found, Response):
            return found
        tags = found
    plan = PartsCopy(
        pinned(obj, head),
        head.headers,
        str(copy.target_bucket),
        target,
        create_headers=_kept(copy, head),
        tags={name: str(value) for name, value in tags.items()},
        tags_after=context.capabilities.findings.get("parts_tags") == IGNORED,
        complete_headers=on_target,
        wanted_bytes=copy.multipart_threshold_bytes,
        is_verified=context.capabilities.is_aws,
        look_again=None
        if context.capabilities.is_aws
        else Request(HEAD_SOURCE, obj.bucket, obj.key, obj.version_id, copy.payer),
    )
    return (yield from copy_in_parts(plan, copy._calls))  # noqa: SLF001


def pinned(obj: S3Object, head: Response) -> S3Object:
    """Return *obj* with the version that *head* shows, so that a newer one does not end a long copy."""
    shown = head.headers.get("x-amz-version-id", "null")
    return obj if obj.version_id is not None or shown == "null" else obj._replace(version_id=shown)


def read_tags(request: Request) -> Steps[dict[str, str] | Response]:
    """Return the tags that *request*, a GetObjectTagging, tells, or the failure to read them."""
    response = yield request
    if response.status == 501 or response.error_code == "NoSuchTagSet":
        return {}
    tags = tags_of(response.body) if response.is_success else None
    if tags is None:
        why = f"its tags can't be read, so they could not be kept: {response.message}"
        return _failure(response, response.status, response.error_code or "InvalidResponse", why)
    return tags


def _kept(copy: CopyObject, head: Response) -> Headers:
    content = () if copy.metadata is not None else tuple(content_of(head.headers).items())
    algorithm = str(copy.checksum_algorithm) if copy.checksum_algorithm else None
    return (*content, *checksum_headers(head.headers, algorithm), *LockChoice.of(copy).headers())


def _refusal(copy: CopyObject, head: Response, conditions: Headers, context: RunContext) -> Response | None:
    """Return why the object that *head* shows is not copied in parts."""
    e_tag = e_tag_in(head.headers)
    if context.capabilities.findings.get("parts") == REFUSED:
        why = f"the store can't copy in parts, and {head.headers['content-length']} bytes are too many for one request"
        return _failure(head, 400, "EntityTooLarge", why)
    if not e_tag:
        why = "the store shows no ETag, so a change between two parts could not be seen"
        return _failure(head, 400, "InvalidRequest", why)
    if why := unfulfilled(conditions, head.headers):
        return _failure(head, 412, "PreconditionFailed", f"the object does not fulfil the conditions: {why}")
    if copy.annotation_directive == "COPY":
        why = "annotations can't be copied in parts; leave annotation_directive out to do without them"
        return _failure(head, 400, "InvalidRequest", why)
    if copy.metadata is None and not is_readable(head.headers):
        return _failure(head, 400, "InvalidRequest", "its metadata can't be read in full, so it could not be kept")
    return None


def _failure(response: Response, status: int, code: str, message: str) -> Response:
    return response._replace(status=status, body=b"", error_code=code, message=message)
