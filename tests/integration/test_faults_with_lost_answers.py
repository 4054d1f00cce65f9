"""The work was done and its answer lost: what the next try is told must not be taken for somebody else's doing."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faulty_jobs import attempt, codes_by_key, through
from server_jobs import ServerJob, client_of, publish, put_objects

from airflow_s3batch.core.errors import TooManyFailuresError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations import CopyObject, DeleteObject, Operation, PutObjectTagging, RewriteObject
from airflow_s3batch.testing import (
    CutAnswer,
    ErrorAnswer,
    ErrorIn200,
    Fault,
    FaultProxy,
    InternalError,
    KeyErrors,
    NoAnswer,
    ResetAfter,
    SentTwice,
    Server,
    every,
    is_api,
    is_below,
    is_try,
)
from airflow_s3batch.testing.fault_exchange import ProxiedExchange

if TYPE_CHECKING:
    from server_users import BucketFactory

ROWS = 24

_numbers = itertools.count(1)


@pytest.fixture
def job(seaweedfs: Server, shared_buckets: tuple[str, str], tmp_path: Path) -> ServerJob:
    """A job of `ROWS` objects."""
    return made(seaweedfs, *shared_buckets, tmp_path)


def made(server: Server, data: str, ops: str, folder: Path) -> ServerJob:
    number = next(_numbers)
    objects = put_objects(server, data, [f"{number}/{n:03d}" for n in range(ROWS)])
    return publish(server, f"s3://{ops}/jobs/{number}", objects, folder, range_rows=7)


def listed(server: Server, job: ServerJob) -> set[str]:
    bucket, prefix = job.objects[0].bucket, job.objects[0].key[:-3]
    reply = client_of(server).list_objects_v2(Bucket=bucket, Prefix=prefix)
    return {entry["Key"] for entry in reply.get("Contents", ())}


ALL_OVER = {
    "cut": CutAnswer(),
    "empty": ErrorAnswer(200),
    "empty-done": ErrorAnswer(200, executed=True),
    "error-200": ErrorIn200(),
    "error-200-done": ErrorIn200(executed=True),
    "error-500-done": InternalError(executed=True),
    "keys-busy": KeyErrors("SlowDown"),
    "keys-failed": KeyErrors("InternalError"),
    "keys-failed-done": KeyErrors("InternalError", keys="[02468]$", executed=True),
    "reset": ResetAfter(),
    "silence-done": NoAnswer(executed=True),
    "twice": SentTwice(),
}


@pytest.mark.parametrize("fault", ALL_OVER.values(), ids=ALL_OVER)
def test_a_bulk_delete_whose_answer_is_lost_or_wrong_is_a_success(
    seaweedfs: Server, proxy: FaultProxy, job: ServerJob, fault: Fault
) -> None:
    """No object is reported as vanished that the lost request deleted."""
    in_data = every(is_api("DeleteObjects"), lambda request: request.bucket == job.objects[0].bucket)
    injection = proxy.inject(fault, when=in_data, count=1)
    assert attempt(through(proxy, job), DeleteObject()) is None
    assert injection.happened == 1
    assert Counter(codes_by_key(job).values()) == Counter({"": ROWS})
    assert listed(seaweedfs, job) == set()


def test_keys_that_a_bulk_delete_refuses_are_their_own_rows(
    seaweedfs: Server, proxy: FaultProxy, job: ServerJob
) -> None:
    proxy.inject(
        KeyErrors("AccessDenied"),
        when=every(is_api("DeleteObjects"), lambda request: request.bucket == job.objects[0].bucket),
    )
    assert isinstance(attempt(through(proxy, job), DeleteObject()), TooManyFailuresError)
    assert Counter(codes_by_key(job).values()) == Counter({"AccessDenied": ROWS})
    assert len(listed(seaweedfs, job)) == ROWS


@pytest.mark.parametrize(
    "operation", [RewriteObject("SSE-S3"), RewriteObject("SSE-KMS", kms_key_id="job-key")], ids=["s3", "kms"]
)
def test_a_rewrite_is_not_taken_for_a_foreign_change_when_its_answer_is_lost(
    seaweedfs: Server, proxy: FaultProxy, job: ServerJob, operation: Operation
) -> None:
    """Our own copy has changed what the conditions of the next try compare."""
    place = is_below(job.objects[0].bucket, job.objects[0].key[:-3])
    lost = proxy.inject(ResetAfter(), when=every(is_api("CopyObject"), place, is_try(1)))
    assert attempt(through(proxy, job), operation) is None
    assert lost.happened == ROWS
    assert Counter(codes_by_key(job).values()) == Counter({"": ROWS})
    shown = [client_of(seaweedfs).get_object(Bucket=obj.bucket, Key=obj.key) for obj in job.objects]
    assert [reply["Body"].read().decode() for reply in shown] == [obj.key for obj in job.objects]
    assert all("ServerSideEncryption" in reply for reply in shown)


@dataclass(frozen=True)
class WrittenMeanwhile(Fault):
    """Somebody else writes the object, after the request was executed or instead of it; the connection is reset."""

    client: object
    executed: bool

    async def act(self, exchange: ProxiedExchange) -> None:
        if self.executed:
            await exchange.execute()
        await asyncio.to_thread(self._write, exchange.request.bucket, exchange.request.key)
        exchange.reset()

    def _write(self, bucket: str, key: str) -> None:
        self.client.put_object(Bucket=bucket, Key=key, Body=b"written by somebody else")  # type: ignore[attr-defined]


@pytest.mark.parametrize("executed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "operation", [DeleteObject(), RewriteObject("SSE-KMS", kms_key_id="job-key")], ids=["delete", "rewrite"]
)
def test_a_foreign_body_survives_the_next_try(
    seaweedfs: Server, proxy: FaultProxy, job: ServerJob, operation: Operation, executed: bool
) -> None:
    """It came between a try and the next one; the row says that the object has changed."""
    key = job.objects[5].key
    meanwhile = WrittenMeanwhile(client_of(seaweedfs), executed)
    where = every(is_api("CopyObject", "DeleteObject"), is_try(1), lambda request: request.key == key)
    written = proxy.inject(meanwhile, when=where)
    if isinstance(operation, DeleteObject):  # the bulk request deletes nothing, so that each is deleted on its own
        conflict = KeyErrors("ConditionalRequestConflict")
        proxy.inject(conflict, when=every(is_api("DeleteObjects"), lambda r: r.bucket == job.objects[0].bucket))
    assert isinstance(attempt(through(proxy, job), operation), TooManyFailuresError)
    assert written.happened == 1
    assert {k: code for k, code in codes_by_key(job).items() if code} == {key: "PreconditionFailed"}
    body_now = client_of(seaweedfs).get_object(Bucket=job.objects[5].bucket, Key=key)["Body"].read()
    assert body_now == b"written by somebody else"


@pytest.mark.parametrize("names_versions", [False, True], ids=["current", "named"])
def test_a_delete_in_a_versioned_bucket_happens_once(
    seaweedfs: Server, proxy: FaultProxy, bucket: BucketFactory, tmp_path: Path, names_versions: bool
) -> None:
    """One delete marker, and not one for each try; or exactly the named version."""
    data, ops, client = bucket(seaweedfs, "versioned"), bucket(seaweedfs, "ops"), client_of(seaweedfs)
    client.put_bucket_versioning(Bucket=data, VersioningConfiguration={"Status": "Enabled"})
    replies = {f"v/{n}\x85": client.put_object(Bucket=data, Key=f"v/{n}\x85", Body=b"one") for n in range(5)}
    objects = [
        S3Object(data, key, reply["VersionId"] if names_versions else None, 3, reply["ETag"].strip('"'))
        for key, reply in replies.items()
    ]
    job = publish(seaweedfs, f"s3://{ops}/jobs/versions", objects, tmp_path, range_rows=2)
    lost = proxy.inject(ResetAfter(), when=every(is_api("DeleteObject"), is_below(data, "v/"), is_try(1)))
    assert attempt(through(proxy, job), DeleteObject()) is None
    assert lost.happened == 5
    assert set(codes_by_key(job).values()) == {""}
    found = client.list_object_versions(Bucket=data, Prefix="v/")
    assert (len(found.get("Versions", ())), len(found.get("DeleteMarkers", ()))) == (
        (0, 0) if names_versions else (5, 5)
    )


@pytest.mark.parametrize("operation", ["tag", "copy"])
def test_effects_that_may_happen_twice_are_told_once(
    ministack: Server, bucket: BucketFactory, tmp_path: Path, operation: str
) -> None:
    """On a store of another make; every answer to a first try is lost."""
    with FaultProxy(ministack) as proxy:
        data, ops, target = (bucket(ministack, name) for name in ("data", "ops", "copies"))
        job = made(ministack, data, ops, tmp_path)
        proxy.inject(ResetAfter(), when=every(is_api("PutObjectTagging", "CopyObject"), is_try(1)))
        chosen: Operation = PutObjectTagging({"by": "job"}) if operation == "tag" else CopyObject(target)
        assert attempt(through(proxy, job), chosen) is None
        assert Counter(codes_by_key(job).values()) == Counter({"": ROWS})
        client = client_of(ministack)
        if operation == "copy":
            listing = client.list_objects_v2(Bucket=target)["Contents"]
            assert {entry["Key"] for entry in listing} >= {obj.key for obj in job.objects}
        else:
            shown = [client.get_object_tagging(Bucket=data, Key=obj.key)["TagSet"] for obj in job.objects]
            assert shown == [[{"Key": "by", "Value": "job"}]] * ROWS
