"""Whether an object that stands elsewhere is what a job made of an object that is gone."""

from __future__ import annotations

import math
from email.utils import parsedate_to_datetime

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations.requests import Response, RunContext

_LEEWAY_S = 2.0  # both times are rounded to seconds
_ROUNDING_S = 1.0  # and less than that is lost of what lies between the two


def is_made_of(obj: S3Object, head: Response, context: RunContext) -> bool:
    """
    Return whether HeadObject's answer *head* shows a copy of *obj* that was made since the job began.

    The manifest's ETag settles whether it is a copy; where a copy gets another one (multipart, KMS), the size has to
    agree. What stood there before the job began, or can't be compared, is not taken for its copy.
    """
    if not head.is_success or not is_made_since_job_began(head, context):
        return False
    seen, length = head.headers.get("etag", "").strip('"'), head.headers.get("content-length", "")
    if obj.size is not None and length != str(obj.size):
        return False
    return seen == obj.e_tag if obj.size is None else _may_differ(obj.e_tag, seen, head) or seen == obj.e_tag


def _may_differ(was: str | None, seen: str, head: Response) -> bool:
    """Return whether ETags *was* and *seen* of the same body can differ: one of them is no MD5 of it, or unknown."""
    is_kms = head.headers.get("x-amz-server-side-encryption", "AES256") != "AES256"
    return was is None or is_kms or "-" in was or "-" in seen


def is_made_since_job_began(head: Response, context: RunContext) -> bool:
    """Return whether *head* shows an object that was written since the first attempt began, by the store's clock."""
    return _age_s(head) < context.elapsed_s() + _LEEWAY_S


def is_made_by_earlier_attempt(head: Response, context: RunContext) -> bool:
    """Return whether *head* shows an object that was written since the job began, and before this attempt did."""
    return is_made_since_job_began(head, context) and _age_s(head) > context.attempt_s() - _ROUNDING_S


def is_made_since(begun: Response, head: Response) -> bool:
    """Return whether HeadObject's answer *head* shows an object written after the answer *begun*, by their clock."""
    try:
        then = parsedate_to_datetime(begun.headers.get("date", ""))
        written = parsedate_to_datetime(head.headers.get("last-modified", ""))
    except (TypeError, ValueError):
        return False
    return (then - written).total_seconds() <= _LEEWAY_S


def _age_s(head: Response) -> float:
    """Return how long ago the object that *head* shows was written, by the store's clock; infinity if untold."""
    try:
        now, written = (parsedate_to_datetime(head.headers.get(name, "")) for name in ("date", "last-modified"))
    except (TypeError, ValueError):
        return math.inf
    return (now - written).total_seconds()
