"""What the operations on Object Lock share: which buckets have it, and how a store is tried without leaving a lock."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations.probing import GET, SCRATCH_BODY
from airflow_s3batch.operations.requests import BucketFacts, Call, Request, Response, Steps

PROBE_LOCK = timedelta(minutes=1)
_PUT = Call("PutObject", wants_headers=True)
_CONFIRM = " If you know that the store keeps locks, confirmed=True goes on without a trial"
_DELETE = Call("DeleteObject", {"BypassGovernanceRetention": True})


def lock_problems(facts: BucketFacts) -> list[str]:
    """Return why objects can't be locked in a bucket that is set up like this, a clause each; unknown is no reason."""
    found = []
    if facts.object_lock == "Off":
        found.append("it has no Object Lock; turn that on in the bucket's properties first")
    if facts.versioning in ("Off", "Suspended"):
        found.append("its versioning is not enabled, and locks are on versions")
    return found


def tried_on_scratch(
    operation: str, scratch: S3Object, sample: S3Object, locks: Callable[[S3Object, Response], Steps[str]]
) -> Steps[None]:
    """
    Put an object into *sample*'s bucket, which alone is known to have Object Lock, try *locks* on it, and delete it.

    *locks* is given the object, with its version, and the answer to the PUT; it returns what the store did wrong, or
    nothing. A governance lock does not outlive the delete, which bypasses it.

    Raises:
        CapabilityError: the store does not do what the operation needs; says so if the object could not be deleted.
    """
    obj = sample_place(scratch, sample)
    put = yield Request(_PUT, obj.bucket, obj.key, body=SCRATCH_BODY)
    if not put.is_success:
        raise CapabilityError(
            f"{operation}: can't write s3://{obj.bucket}/{obj.key} to try locks on: {put.error_code} ({put.message}). "
            f"No object of the manifest was touched.{_CONFIRM}"
        )
    obj = obj._replace(version_id=put.headers.get("x-amz-version-id"))
    wrong = yield from locks(obj, put)
    gone = yield Request(_DELETE, obj.bucket, obj.key, obj.version_id)
    left = ""
    if not gone.is_success and gone.status != 404:
        left = f" s3://{obj.bucket}/{obj.key} could not be deleted ({gone.error_code}): delete it by hand in a minute."
    if wrong or left:
        raise CapabilityError(
            f"{operation}: tried on a scratch object, this store {wrong or 'keeps locks that bypass should lift'}. No "
            f"object of the manifest was touched.{left}{_CONFIRM}"
        )


def sample_place(scratch: S3Object, sample: S3Object) -> S3Object:
    """Return an object for the trial, in *sample*'s bucket: beside *scratch* if that is there, else in a folder."""
    if scratch.bucket == sample.bucket:
        return S3Object(scratch.bucket, f"{scratch.key}-other")
    return S3Object(sample.bucket, f".s3batch-scratch/{'/'.join(scratch.key.split('/')[-2:])}")


def body_problem(obj: S3Object) -> Steps[str]:
    """Return what a store did wrong that took the request for a write of the object itself; else nothing."""
    shown = yield Request(GET, obj.bucket, obj.key)
    if not shown.is_success:
        return f"destroys the object: reading it afterwards gives {shown.error_code}"
    return "" if shown.body == SCRATCH_BODY else "overwrites the object's body: it takes the request for a plain write"


def soon_by_store(put: Response, now: datetime) -> datetime:
    """Return the time a minute from now by the clock of the store that answered *put*, or by *now* if it tells none."""
    with contextlib.suppress(TypeError, ValueError):
        now = parsedate_to_datetime(put.headers.get("date", ""))
    return now.replace(microsecond=0) + PROBE_LOCK
