"""
Null versions in buckets whose versioning is suspended: whatever is written or deleted there takes the null one's place.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectsfromVersioningSuspendedBuckets.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/AddingObjectstoVersionSuspendedBuckets.html
"""

from __future__ import annotations

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.probing import HEAD
from airflow_s3batch.operations.requests import Request, Response, RunContext, Steps

_WHY = (
    "its bucket's versioning is suspended, and its null version, an older body that was not asked for, would be lost: "
    "enable versioning for the job, or deal with the null versions first"
)
_NONE_THERE = frozenset({404, 405})
"""Statuses of a HEAD: there is no null version, or it is a delete marker."""


def is_suspended(obj: S3Object, context: RunContext) -> bool:
    """Return whether versioning is known to be suspended where *obj* is."""
    return context.capabilities.bucket(obj.bucket).versioning == "Suspended"


def null_version_loss(obj: S3Object, current: Response, context: RunContext) -> Steps[Outcome | None]:
    """
    Return why the key of *obj* is left alone, of which HeadObject's answer *current* shows what is current.

    Where that is no null version, S3 keeps it, and removes the null one that may lie below.
    """
    if not is_suspended(obj, context):
        return None
    if current.is_success and current.headers.get("x-amz-version-id", "null") == "null":
        return None
    below = yield Request(HEAD, obj.bucket, obj.key, "null")
    if below.is_success:
        return Outcome(400, "InvalidRequest", _WHY)
    return None if below.status in _NONE_THERE else below.outcome()
