"""Rewrites in parts, of objects that are too large for one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations.bodies.multipart import PartsCopy, checksum_headers, copy_in_parts
from airflow_s3batch.operations.bodies.skipping import HONOURED, IGNORED, REFUSED
from airflow_s3batch.operations.bodies.sources import Headers, e_tag_in
from airflow_s3batch.operations.copies.large_copies import read_tags
from airflow_s3batch.operations.requests import Call, Request, Response, RunContext, Steps

if TYPE_CHECKING:
    from airflow_s3batch.operations.rewrites.rewriting import RewriteObject

_CHECKED_HEAD = Call("HeadObject", {"ChecksumMode": "ENABLED"}, wants_headers=True)
_GET_TAGGING = Call("GetObjectTagging")


def large_rewrite(
    rewrite: RewriteObject, obj: S3Object, head: Response, acl: Headers, context: RunContext
) -> Steps[Response]:
    """Copy *obj*, which *head* shows, onto itself in parts; return the response that decides."""
    finding = context.capabilities.findings.get("parts", HONOURED)
    if finding == REFUSED or (finding == IGNORED and not rewrite.allow_unconditional):
        what = "copy in parts" if finding == REFUSED else "complete an upload under If-Match"
        why = f"the store can't {what}, and {head.headers['content-length']} bytes are too many for one request"
        return head._replace(status=400, error_code="EntityTooLarge", message=why)
    checked = yield Request(_CHECKED_HEAD, obj.bucket, obj.key)
    if not checked.is_success:
        return checked
    if e_tag_in(checked.headers) != e_tag_in(head.headers):
        return checked._replace(status=412, error_code="PreconditionFailed", message="the object has changed; kept")
    tags = yield from read_tags(Request(_GET_TAGGING, obj.bucket, obj.key))
    if isinstance(tags, Response):
        return tags
    algorithm = str(rewrite.checksum_algorithm) if rewrite.checksum_algorithm else None
    create = (
        *rewrite.content.applied_to(head.headers).items(),
        *rewrite.kept(head),
        *acl,
        *checksum_headers(checked.headers, algorithm),
    )
    plan = PartsCopy(
        obj._replace(version_id=None),
        checked.headers,
        obj.bucket,
        obj.key,
        create_headers=create,
        tags=tags,
        tags_after=context.capabilities.findings.get("parts_tags") == IGNORED,
        complete_headers=(("if-match", head.headers["etag"]),),
        wanted_bytes=rewrite.multipart_threshold_bytes,
        is_verified=context.capabilities.is_aws,
        look_again=None if context.capabilities.is_aws else Request(_CHECKED_HEAD, obj.bucket, obj.key),
    )
    return (yield from copy_in_parts(plan, rewrite._calls))  # noqa: SLF001
