"""What restores, retention and legal holds do to objects on real servers, read back with boto3."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from server_jobs import access_of, client_of, failures_of, outcomes_of, publish, put_objects

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine import Policy, run_batch
from airflow_s3batch.operations import Column, Operation, PutObjectLegalHold, PutObjectRetention, RestoreObject
from airflow_s3batch.reports.restores.restores import RestoreWatch
from airflow_s3batch.testing import MemoryStorage, Server

if TYPE_CHECKING:
    from pathlib import Path

    from server_users import BucketFactory

UNTIL = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)


@pytest.fixture(params=["seaweedfs", "ministack"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def locked(server: Server, bucket: BucketFactory) -> str:
    """A bucket with Object Lock and versioning."""
    made: str = bucket(server, "locked", ObjectLockEnabledForBucket=True)
    return made


def put_versions(server: Server, bucket: str, key: str) -> list[S3Object]:
    """Store *key* twice; return both versions, oldest first."""
    replies = [client_of(server).put_object(Bucket=bucket, Key=key, Body=body) for body in (b"1", b"2")]
    return [S3Object(bucket, key, reply["VersionId"], 1) for reply in replies]


def retention(server: Server, obj: S3Object) -> dict[str, Any] | None:
    client, version = client_of(server), {"VersionId": obj.version_id} if obj.version_id else {}
    try:
        shown: dict[str, Any] = client.get_object_retention(Bucket=obj.bucket, Key=obj.key, **version)["Retention"]
    except client.exceptions.ClientError:
        return None
    return shown


def hold(server: Server, obj: S3Object) -> str:
    client, version = client_of(server), {"VersionId": obj.version_id} if obj.version_id else {}
    try:
        shown = client.get_object_legal_hold(Bucket=obj.bucket, Key=obj.key, **version)
    except client.exceptions.ClientError:
        return "OFF"
    return str(shown["LegalHold"]["Status"])


def leftovers(server: Server, bucket: str) -> list[str]:
    """Return the keys of all versions and markers that a trial has left in *bucket*."""
    listing = client_of(server).list_object_versions(Bucket=bucket)
    entries = [*listing.get("Versions", ()), *listing.get("DeleteMarkers", ())]
    return [entry["Key"] for entry in entries if entry["Key"].startswith(".s3batch-scratch")]


def test_retention_is_on_the_version_that_is_named(server: Server, locked: str) -> None:
    """Or on the current one; a trial leaves nothing behind."""
    old, new = put_versions(server, locked, "a b")
    assert failures_of(server, [old], PutObjectRetention("GOVERNANCE", UNTIL)) == {}
    shown = retention(server, old)
    assert shown is not None
    assert (shown["Mode"], shown["RetainUntilDate"].astimezone(UTC)) == ("GOVERNANCE", UNTIL)
    assert retention(server, new) is None
    by_column = PutObjectRetention(Column("mode"), Column("until"))
    row = new._replace(version_id=None, columns={"mode": "GOVERNANCE", "until": UNTIL.isoformat()})
    gone = row._replace(key="gone")
    assert failures_of(server, [row, gone], by_column) == {"gone": "NoSuchKey"}
    assert retention(server, new) is not None
    assert leftovers(server, locked) == []


def test_governance_is_shortened_with_bypass_only(server: Server, locked: str) -> None:
    """The refusal is told as it is."""
    (obj, _) = put_versions(server, locked, "k")
    later, sooner = UNTIL + timedelta(days=1), UNTIL
    assert failures_of(server, [obj], PutObjectRetention("GOVERNANCE", later)) == {}
    assert failures_of(server, [obj], PutObjectRetention("GOVERNANCE", sooner)) == {"k": "AccessDenied"}
    assert failures_of(server, [obj], PutObjectRetention("GOVERNANCE", sooner, bypass_governance_retention=True)) == {}
    shown = retention(server, obj)
    assert shown is not None
    assert shown["RetainUntilDate"].astimezone(UTC) == sooner


def test_days_retain_until_the_end_of_a_day(server: Server, locked: str) -> None:
    """At least so many days."""
    obj = put_versions(server, locked, "k")[1]
    before = datetime.now(UTC)
    assert failures_of(server, [obj], PutObjectRetention("GOVERNANCE", days=3)) == {}
    shown = retention(server, obj)
    assert shown is not None
    until = shown["RetainUntilDate"].astimezone(UTC)
    assert before + timedelta(days=3) <= until <= before + timedelta(days=4, minutes=1)
    assert (until.hour, until.minute, until.second) == (0, 0, 0)


def test_removal_is_refused_where_the_store_can_not(server: Server, locked: str) -> None:
    """Neither server knows it: found out on a scratch object, and the object keeps its retention."""
    (obj, _) = put_versions(server, locked, "k")
    assert failures_of(server, [obj], PutObjectRetention("GOVERNANCE", UNTIL)) == {}
    with pytest.raises(CapabilityError, match="tried on a scratch object"):
        failures_of(server, [obj], PutObjectRetention(remove=True, bypass_governance_retention=True))
    assert retention(server, obj) is not None
    assert leftovers(server, locked) == []


def test_legal_hold_is_put_and_lifted(server: Server, locked: str) -> None:
    """By value, and per object by column."""
    old, new = put_versions(server, locked, "k")
    assert failures_of(server, [old], PutObjectLegalHold("ON")) == {}
    assert [hold(server, obj) for obj in (old, new)] == ["ON", "OFF"]
    rows = [old._replace(columns={"held": "OFF"}), new._replace(columns={"held": "ON"})]
    assert failures_of(server, rows, PutObjectLegalHold(Column("held"))) == {}
    assert [hold(server, obj) for obj in (old, new)] == ["OFF", "ON"]
    assert failures_of(server, [new], PutObjectLegalHold("OFF")) == {}
    assert leftovers(server, locked) == []


@pytest.mark.parametrize("operation", [PutObjectRetention("GOVERNANCE", days=1), PutObjectLegalHold("ON")])
def test_bucket_without_object_lock_is_refused(server: Server, bucket: BucketFactory, operation: Operation) -> None:
    """Before anything is tried."""
    name = bucket(server)
    objects = put_objects(server, name, ["k"])
    with pytest.raises(CapabilityError, match="no Object Lock"):
        failures_of(server, objects, operation)


@pytest.mark.parametrize("operation", [PutObjectRetention("GOVERNANCE", days=1), PutObjectLegalHold("ON")])
def test_store_that_would_overwrite_the_object_is_refused(
    rclone: Server, bucket: BucketFactory, operation: Operation
) -> None:
    """It takes the request for a plain write; the user's object keeps its body."""
    name = bucket(rclone)
    objects = put_objects(rclone, name, ["k"])
    with pytest.raises(CapabilityError):
        failures_of(rclone, objects, operation)
    assert client_of(rclone).get_object(Bucket=name, Key="k")["Body"].read() == b"k"


def test_archived_objects_are_restored_and_the_rest_is_told(ministack: Server, bucket: BucketFactory) -> None:
    """By class; an object that is not archived is readable as it is."""
    name = bucket(ministack)
    classes = ["GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING", "STANDARD"]
    cold, deep, tiered, plain = (
        put_objects(ministack, name, [storage_class], StorageClass=storage_class)[0] for storage_class in classes
    )
    gone = S3Object(name, "gone")
    found = outcomes_of(ministack, [cold, deep, tiered, plain, gone], RestoreObject(days=1))
    told = {key: (outcome.http_status, outcome.error_code) for (key, _), outcome in found.items()}
    assert told == {
        "GLACIER": (200, ""),
        "DEEP_ARCHIVE": (200, ""),
        "INTELLIGENT_TIERING": (200, ""),
        "STANDARD": (200, ""),
        "gone": (404, "NoSuchKey"),
    }
    client = client_of(ministack)
    for key in ("GLACIER", "DEEP_ARCHIVE"):
        assert "ongoing-request" in client.head_object(Bucket=name, Key=key)["Restore"]
    again = outcomes_of(ministack, [cold], RestoreObject(days=1))
    assert {outcome.error_code for outcome in again.values()} <= {"RestoreAlreadyInProgress", ""}


def test_store_without_restores_is_refused(seaweedfs: Server, bucket: BucketFactory) -> None:
    """On a scratch object, which is gone afterwards."""
    name = bucket(seaweedfs)
    objects = put_objects(seaweedfs, name, ["k"], StorageClass="GLACIER")
    with pytest.raises(CapabilityError, match="MethodNotAllowed"):
        run_batch(
            objects,
            RestoreObject(days=1),
            session=access_of(seaweedfs).session,
            endpoint_url=seaweedfs.endpoint_url,
        )
    listed = client_of(seaweedfs).list_objects_v2(Bucket=name).get("Contents", ())
    assert [entry["Key"] for entry in listed] == ["k"]


def test_restores_are_seen_to_end_on_a_real_server(ministack: Server, bucket: BucketFactory, tmp_path: Path) -> None:
    """It takes MiniStack two seconds; a replay of the job takes its own restores for done."""
    name = bucket(ministack)
    objects = put_objects(ministack, name, [f"k{n}" for n in range(20)], StorageClass="GLACIER")
    storage = MemoryStorage()
    job = publish(ministack, f"s3://{name}/job", objects, tmp_path, range_rows=7, storage=storage)
    job.attempt(RestoreObject(days=1), shares_store=False)
    deadline = time.monotonic() + 60
    while True:
        watch = RestoreWatch(
            storage, access_of(ministack), job.manifest.job_url, "group.run", Policy(max_concurrency=4)
        )
        watch.look(60)
        if watch.is_done or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert watch.is_done
    assert watch.state.readable == 20
    assert client_of(ministack).get_object(Bucket=name, Key="k3")["Body"].read() == b"k3"
