"""What a copy of an object onto itself loses unless it is read and sent again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.acls.grants import grant_headers
from airflow_s3batch.operations.bodies.content import is_readable
from airflow_s3batch.operations.bodies.encryption import shown_encryption
from airflow_s3batch.operations.bodies.sameness import changed_message
from airflow_s3batch.operations.bodies.sources import Headers
from airflow_s3batch.operations.requests import Call, Capabilities, Request, Response, Steps

NOT_CURRENT = "NotCurrentVersion"
GET_ACL = Call("GetObjectAcl")
_STORAGE_CLASS = "x-amz-storage-class"
_RETENTION = ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date")
_KEPT = (
    _STORAGE_CLASS,
    "x-amz-website-redirect-location",
    *_RETENTION,
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-event-hold",
    "x-amz-object-lock-event-hold-duration-days",
    "x-amz-object-lock-event-hold-duration-years",
)


def kept_headers(head: Mapping[str, str], *, changes_class: bool, changes_encryption: bool) -> Headers:
    """
    Return the headers that give a copy what HeadObject's headers *head* show, but for what is to be changed.

    A retention that has run out is left out: it can't be set anew.
    """
    names = [name for name in _KEPT if name in head and not (changes_class and name == _STORAGE_CLASS)]
    until, now = _moment(head.get(_RETENTION[1], "")), _moment(head.get("date", ""))
    if until is not None and now is not None and until <= now:
        names = [name for name in names if name not in _RETENTION]
    encryption = () if changes_encryption else shown_encryption(head)
    return (*((name, head[name]) for name in names), *encryption)


def shown_lock(head: Mapping[str, str]) -> list[str]:
    """Return the names of the lock settings among HeadObject's headers *head*."""
    return [name for name in _KEPT if name.startswith("x-amz-object-lock-") and head.get(name) not in (None, "OFF")]


def acl_headers(obj: S3Object, capabilities: Capabilities) -> Steps[Headers | Outcome]:
    """Return the headers that give the copy the ACL of *obj*, or the outcome if it can't be read."""
    if capabilities.bucket(obj.bucket).ownership == "BucketOwnerEnforced":
        return ()
    response = yield Request(GET_ACL, obj.bucket, obj.key)
    if response.status in (405, 501):
        return ()
    if not response.is_success:
        return Outcome(
            response.status, response.error_code, f"its ACL can't be read, so it could not be kept: {response.message}"
        )
    headers = grant_headers(response.body)
    if headers and capabilities.findings.get("grants", "honoured") != "honoured":
        return Outcome(400, "AccessControlListNotSupported", "the store drops ACLs on copies, so its own would be lost")
    return (
        Outcome(0, "InvalidResponse", "its ACL can't be read, so it could not be kept") if headers is None else headers
    )


def refusal(obj: S3Object, head: Response) -> Outcome | None:
    """Return why *obj*, which *head* shows, is not rewritten; ``None`` if it may be."""
    version_id = head.headers.get("x-amz-version-id", "null")
    if obj.version_id is not None and obj.version_id != version_id:
        return Outcome(400, NOT_CURRENT, f"version {version_id} is current now; rewriting would bury it")
    e_tag = head.headers.get("etag", "").strip('"')
    if not e_tag:
        return Outcome(400, "InvalidRequest", "the store shows no ETag, so a newer body could not be told apart")
    if obj.e_tag is not None and obj.e_tag != e_tag:
        return Outcome(412, "PreconditionFailed", changed_message(obj.e_tag, e_tag))
    if not is_readable(head.headers):
        return Outcome(400, "InvalidRequest", "its metadata can't be read in full, so it could not be kept")
    return None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
