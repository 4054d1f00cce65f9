"""
What a second look at an object can tell of an operation that was done to it: the codes, and what they are told from.

A look sends requests that read, and nothing else. That an object is not as it was left has one of two kinds of codes.
Either the store shows that it was written or deleted since, by somebody else: `CHANGED_SINCE`, `DELETED_SINCE`. Or it
does not, and the code says in what the object differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.operations.probing import HEAD
from airflow_s3batch.operations.requests import Request, Response, Steps

CHANGED_SINCE = "ChangedSince"
DELETED_SINCE = "DeletedSince"
DIFFERENCES: Mapping[str, str] = {
    CHANGED_SINCE: "it is not as it was left, and was written after the operation was done to it",
    DELETED_SINCE: "it is gone, although the operation succeeded: somebody, or a lifecycle rule, deleted it",
    "TagsDiffer": "it has other tags",
    "AclDiffers": "it has another access control list",
    "EncryptionDiffers": "it has another encryption, or another key",
    "StorageClassDiffers": "it has another storage class, and no lifecycle rule could have brought it there",
    "MetadataDiffers": "it has other metadata, content headers or another redirect",
    "ChecksumDiffers": "its checksum is another one, or there is none of the kind",
    "CopyDiffers": "the copy is of another body",
    "CopyMissing": "there is no copy",
    "RetentionDiffers": "it is retained in another mode, until another time, or not at all",
    "LegalHoldDiffers": "its legal hold is another one",
    "NotRestored": "it is archived, and no restore is under way",
    "StillThere": "it was to be deleted and is still there",
}
"""What each code of a difference means. Any other code means that the object could not be looked at."""

AS_LEFT = SUCCESS._replace(message="as it should be")
_LEEWAY_S = 2.0  # both times are rounded to seconds
_GONE = 404


class Done(NamedTuple):
    """
    What is known of an operation that was done to an object.

    Attributes:
        began: time of the first request of the object's row range, by the worker's clock; *ended* of its last outcome.
        elapsed_s: returns the seconds since *ended*.
        message: of the outcome; empty unless the operation says that it `reads_messages`.
        is_pinned: what was worked on had the manifest's version or ETag; without it, it was what was current.
    """

    began: datetime
    ended: datetime
    elapsed_s: Callable[[], float]
    message: str = ""
    is_pinned: bool = False


def differs(code: str, why: str) -> Outcome:
    """Return the outcome of an object that is not as it was left; *code* is one of `DIFFERENCES`."""
    if code not in DIFFERENCES:
        raise KeyError(code)
    return Outcome(200, code, why)


def gone(response: Response, code: str = DELETED_SINCE) -> Outcome:
    """Return what it means that *response* shows no object: *code* if it is gone, else that it can't be looked at."""
    if response.status != _GONE:
        return response.outcome()
    is_marked = response.headers.get("x-amz-delete-marker") == "true"
    return Outcome(_GONE, DELETED_SINCE if is_marked else code, f"not there: {response.error_code}")


def is_written_since(head: Response, done: Done) -> bool:
    """Return whether *head* shows an object that was written after the operation was done, by the store's own clock."""
    try:
        now, written = (parsedate_to_datetime(head.headers.get(name, "")) for name in ("date", "last-modified"))
    except (TypeError, ValueError):
        return False
    return (now - written).total_seconds() < done.elapsed_s() - _LEEWAY_S


def judged(wrong: Outcome | None, head: Response, done: Done) -> Outcome:
    """Return the outcome of an object that *head* shows: *wrong*, unless that is somebody else's later doing."""
    if wrong is None:
        return AS_LEFT
    if wrong.error_code in DIFFERENCES and is_written_since(head, done):
        when = head.headers.get("last-modified", "")
        return differs(CHANGED_SINCE, f"written since, on {when}: {wrong.message}")
    return wrong


def explained(obj: S3Object, wrong: Outcome | None, done: Done) -> Steps[Outcome]:
    """Do as `judged`, with a look at *obj* where there is something to judge."""
    if wrong is None or wrong.error_code not in DIFFERENCES or wrong.error_code == DELETED_SINCE:
        return wrong or AS_LEFT
    head = yield Request(HEAD, obj.bucket, obj.key, obj.version_id)
    return judged(wrong, head, done) if head.is_success else gone(head)
