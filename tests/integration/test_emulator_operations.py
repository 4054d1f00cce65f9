"""Each operation of S3 Batch Operations, created with boto3 and executed by the emulator on real servers."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Iterator

import pytest
from emulated_jobs import EmulatedJobs
from server_jobs import allow_acls
from server_users import BucketFactory

from airflow_s3batch.testing import S3BatchEmulator, Server

SERVERS = ("seaweedfs", "ministack")
KEYS = ["a.txt", "with space/ü+%20.txt", "deep/er/[x] 'y'.csv"]
LAMBDA = """
def handler(event, context):
    task = event["tasks"][0]
    code = "PermanentFailure" if task["s3Key"] == "bad" else "Succeeded"
    told = event["job"]["id"] + " " + event["job"]["userArguments"]["word"] + " " + task["s3Key"]
    return {
        "invocationSchemaVersion": event["invocationSchemaVersion"],
        "treatMissingKeysAs": "PermanentFailure",
        "invocationId": event["invocationId"],
        "results": [{"taskId": task["taskId"], "resultCode": code, "resultString": told}],
    }
"""


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def emulator(server: Server) -> Iterator[S3BatchEmulator]:
    with S3BatchEmulator(server) as running:
        yield running


@pytest.fixture
def jobs(server: Server, emulator: S3BatchEmulator, bucket: BucketFactory) -> EmulatedJobs:
    return EmulatedJobs(server, emulator, bucket(server, "ops"))


def in_future(**duration: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(**duration)


def test_tagging_replaces_tags_and_reports_each_object(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    """An object that is gone fails alone, with the store's own code."""
    lake = bucket(jobs.server, "lake")
    jobs.put(lake, KEYS, Tagging="old=1")
    ended = jobs.run(lake, [*KEYS, "gone"], {"S3PutObjectTagging": {"TagSet": [{"Key": "new", "Value": "2"}]}})
    assert ended.counts == (4, 3, 1)
    assert [jobs.tags(lake, key) for key in KEYS] == [{"new": "2"}] * 3
    assert {key: row.error_code for key, row in ended.rows.items()} == {**dict.fromkeys(KEYS, ""), "gone": "NoSuchKey"}
    assert ended.rows["gone"].http_status == 404


def test_untagging_removes_all_tags(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    lake = bucket(jobs.server, "lake")
    jobs.put(lake, KEYS, Tagging="old=1")
    assert jobs.run(lake, KEYS, {"S3DeleteObjectTagging": {}}).counts == (3, 3, 0)
    assert [jobs.tags(lake, key) for key in KEYS] == [{}] * 3


def test_versions_are_worked_on_by_their_ids(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    lake = bucket(jobs.server, "lake")
    jobs.s3.put_bucket_versioning(Bucket=lake, VersioningConfiguration={"Status": "Enabled"})
    old, new = jobs.put(lake, ["a"])["a"], jobs.put(lake, ["a"])["a"]
    ended = jobs.run(lake, [f"a\t{old}"], {"S3PutObjectTagging": {"TagSet": [{"Key": "old", "Value": ""}]}})
    assert list(ended.rows) == [f"a\t{old}"]
    assert (jobs.tags(lake, "a", VersionId=old), jobs.tags(lake, "a", VersionId=new)) == ({"old": ""}, {})


def test_copies_lie_in_the_target_with_what_was_asked_for(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    lake, target = bucket(jobs.server, "lake"), bucket(jobs.server, "target")
    jobs.put(lake, KEYS, Tagging="old=1", Metadata={"a": "b"})
    form = {
        "TargetResource": f"arn:aws:s3:::{target}",
        "TargetKeyPrefix": "copies",
        "MetadataDirective": "REPLACE",
        "NewObjectMetadata": {"ContentType": "text/x-copy", "UserMetadata": {"c": "d"}},
        "NewObjectTagging": [{"Key": "new", "Value": "2"}],
    }
    ended = jobs.run(lake, KEYS, {"S3PutObjectCopy": form})
    assert ended.counts == (3, 3, 0), ended
    for key in KEYS:
        head = jobs.s3.head_object(Bucket=target, Key=f"copies/{key}")
        assert (head["ContentType"], head["Metadata"]) == ("text/x-copy", {"c": "d"})
        assert jobs.tags(target, f"copies/{key}") == {"new": "2"}


def test_acls_are_replaced(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    lake = bucket(jobs.server, "lake")
    allow_acls(jobs.s3, lake)
    jobs.put(lake, ["a"])
    form = {"AccessControlPolicy": {"CannedAccessControlList": "public-read"}}
    assert jobs.run(lake, ["a"], {"S3PutObjectAcl": form}).counts == (1, 1, 0)
    grants = jobs.s3.get_object_acl(Bucket=lake, Key="a")["Grants"]
    assert "READ" in [grant["Permission"] for grant in grants if grant["Grantee"].get("URI", "").endswith("AllUsers")]


def test_retention_and_legal_hold_are_set(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    lake = bucket(jobs.server, "lake", ObjectLockEnabledForBucket=True)
    jobs.put(lake, ["a"])
    until = in_future(days=1)
    retention = {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": until}}
    assert jobs.run(lake, ["a"], {"S3PutObjectRetention": retention}).counts == (1, 1, 0)
    assert jobs.run(lake, ["a"], {"S3PutObjectLegalHold": {"LegalHold": {"Status": "ON"}}}).counts == (1, 1, 0)
    head = jobs.s3.head_object(Bucket=lake, Key="a")
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", until)
    assert head["ObjectLockLegalHoldStatus"] == "ON"


def test_a_lock_on_a_bucket_that_has_none_fails_each_task(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    lake = bucket(jobs.server, "lake")
    jobs.put(lake, ["a"])
    ended = jobs.run(lake, ["a"], {"S3PutObjectLegalHold": {"LegalHold": {"Status": "ON"}}})
    assert ended.counts == (1, 0, 1)
    assert ended.rows["a"].error_code == "InvalidRequest"


def test_checksums_come_in_the_report_as_json(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    lake = bucket(jobs.server, "lake")
    jobs.put(lake, KEYS)
    form = {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"}
    ended = jobs.run(lake, KEYS, {"S3ComputeObjectChecksum": form})
    assert ended.counts == (3, 3, 0)
    digest = hashlib.sha256(b"body").digest()
    for row in ended.rows.values():
        told = json.loads(row.message)
        assert (told["checksum_hex"].lower(), told["checksumAlgorithm"]) == (digest.hex(), "SHA256")
        assert base64.b64decode(told["checksum_base64"]) == digest


def test_replication_without_rules_fails_each_task(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    lake = bucket(jobs.server, "lake")
    jobs.put(lake, KEYS)
    ended = jobs.run(lake, KEYS, {"S3ReplicateObject": {}})
    assert ended.counts == (3, 0, 3)
    assert {row.error_code for row in ended.rows.values()} == {"SrcBucketReplicationConfigMissing"}


@pytest.mark.parametrize("server", ["ministack"], indirect=True)
def test_functions_are_invoked_for_each_object(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    """With the job's id, and what they say is in the report. SeaweedFS has no Lambda beside it."""
    lake = bucket(jobs.server, "lake")
    jobs.put(lake, ["good", "bad"])
    form = {
        "FunctionArn": jobs.lambda_function(LAMBDA),
        "InvocationSchemaVersion": "2.0",
        "UserArguments": {"word": "hello"},
    }
    ended = jobs.run(lake, ["good", "bad"], {"LambdaInvoke": form})
    assert ended.counts == (2, 1, 1), ended
    assert ended.rows["good"].message == f"{ended.job['JobId']} hello good"
    assert (ended.rows["bad"].error_code, ended.rows["bad"].http_status) == ("PermanentFailure", 200)


def test_a_store_without_restores_fails_the_job_and_says_so(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    """Where the store has them, the restore is under way afterwards."""
    lake = bucket(jobs.server, "lake")
    jobs.put(lake, ["cold"], StorageClass="GLACIER")
    ended = jobs.run(lake, ["cold"], {"S3InitiateRestoreObject": {"ExpirationInDays": 2, "GlacierJobTier": "BULK"}})
    if ended.job["Status"] == "Failed":
        assert "restore_object" in ended.job["FailureReasons"][0]["FailureReason"]
        assert ended.rows == {}
    else:
        assert ended.counts == (1, 1, 0)
        assert "ongoing-request" in jobs.s3.head_object(Bucket=lake, Key="cold")["Restore"]
