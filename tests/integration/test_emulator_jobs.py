"""What jobs of the emulator read and write on real servers: inventories, generated manifests, reports, events."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from emulated_jobs import EmulatedJobs, Ended
from server_users import READER, BucketFactory

from airflow_s3batch.testing import S3BatchEmulator, Server, write_inventory
from airflow_s3batch.testing.emulator.events import to_event_bridge

NOW = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)
TAG = {"S3PutObjectTagging": {"TagSet": [{"Key": "done", "Value": "yes"}]}}
# The rule that AWS documents for S3's own jobs, but for the source.
RULE = {
    "source": ["emulated.s3"],
    "detail-type": ["AWS Service Event via CloudTrail"],
    "detail": {"eventSource": ["s3.amazonaws.com"], "eventName": ["JobCreated", "JobStatusChanged"]},
}


@pytest.fixture(scope="module", params=("seaweedfs", "ministack"))
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def emulator(server: Server) -> Iterator[S3BatchEmulator]:
    with S3BatchEmulator(server, rows_per_file=250) as running:
        yield running


@pytest.fixture
def jobs(server: Server, emulator: S3BatchEmulator, bucket: BucketFactory) -> EmulatedJobs:
    return EmulatedJobs(server, emulator, bucket(server, "ops"))


def test_an_inventory_is_worked_on_in_its_own_spelling(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    """Keys of inventories are form-encoded, and so are those of the report."""
    lake = bucket(jobs.server, "lake")
    keys = ["a b.txt", "c+d.txt", "ü/e.txt"]
    jobs.put(lake, keys)
    url = write_inventory(jobs.s3, f"s3://{jobs.ops}/inventory", lake, [{"key": key} for key in keys], created=NOW)
    place = url.removeprefix(f"s3://{jobs.ops}/")
    manifest = {
        "Spec": {"Format": "S3InventoryReport_CSV_20161130"},
        "Location": {
            "ObjectArn": f"arn:aws:s3:::{jobs.ops}/{place}",
            "ETag": jobs.s3.head_object(Bucket=jobs.ops, Key=place)["ETag"],
        },
    }
    ended = jobs.run(lake, [], TAG, Manifest=manifest)
    assert ended.counts == (3, 3, 0)
    assert {row.key for row in ended.rows.values()} == {"a+b.txt", "c%2Bd.txt", "%C3%BC/e.txt"}
    assert [jobs.tags(lake, key) for key in keys] == [{"done": "yes"}] * 3


def generated(jobs: EmulatedJobs, lake: str, wanted: dict[str, Any], **output: Any) -> Ended:
    generator = {"SourceBucket": f"arn:aws:s3:::{lake}", "EnableManifestOutput": False, "Filter": wanted, **output}
    return jobs.run(lake, [], TAG, Manifest=None, ManifestGenerator={"S3JobManifestGenerator": generator})


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, {"a/1.csv", "a/2.txt", "b/big.csv"}),
        ({"KeyNameConstraint": {"MatchAnyPrefix": ["a/"]}}, {"a/1.csv", "a/2.txt"}),
        ({"KeyNameConstraint": {"MatchAnyPrefix": ["a/"], "MatchAnySuffix": [".csv"]}}, {"a/1.csv"}),
        ({"KeyNameConstraint": {"MatchAnySubstring": ["ig"]}}, {"b/big.csv"}),
        ({"ObjectSizeGreaterThanBytes": 4}, {"b/big.csv"}),
        ({"ObjectSizeLessThanBytes": 5}, {"a/1.csv", "a/2.txt"}),
        ({"MatchAnyStorageClass": ["STANDARD"]}, {"a/1.csv", "a/2.txt", "b/big.csv"}),
        ({"CreatedAfter": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, {"a/1.csv", "a/2.txt", "b/big.csv"}),
        ({"ObjectReplicationStatuses": ["NONE"]}, {"a/1.csv", "a/2.txt", "b/big.csv"}),
    ],
)
def test_generated_manifests_hold_what_passes_all_filters(
    jobs: EmulatedJobs, bucket: BucketFactory, wanted: dict[str, Any], expected: set[str]
) -> None:
    lake = bucket(jobs.server, "lake")
    jobs.put(lake, ["a/1.csv", "a/2.txt"])
    jobs.s3.put_object(Bucket=lake, Key="b/big.csv", Body=b"bigger")
    ended = generated(jobs, lake, wanted)
    assert ended.job["Status"] == "Complete"
    assert set(ended.rows) == expected


@pytest.mark.parametrize(
    "wanted",
    [
        {"CreatedBefore": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)},
        {"MatchAnyStorageClass": ["GLACIER"]},
        {"EligibleForReplication": True},
        {"ObjectReplicationStatuses": ["COMPLETED"]},
        {"MatchAnyObjectEncryption": [{"SSEC": {}}]},
    ],
)
def test_a_filter_that_nothing_passes_fails_the_job(
    jobs: EmulatedJobs, bucket: BucketFactory, wanted: dict[str, Any]
) -> None:
    """In AWS's words."""
    lake = bucket(jobs.server, "lake")
    jobs.put(lake, ["a"])
    ended = generated(jobs, lake, wanted)
    reasons = [reason["FailureReason"] for reason in ended.job["FailureReasons"]]
    assert reasons == ["Manifest generation found no keys matching the filter criteria"]
    assert jobs.tags(lake, "a") == {}


def test_encryption_is_filtered_by(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    lake = bucket(jobs.server, "lake")
    jobs.put(lake, ["sse"], ServerSideEncryption="AES256")
    assert set(generated(jobs, lake, {"MatchAnyObjectEncryption": [{"SSES3": {}}]}).rows) == {"sse"}


def test_a_generated_manifest_is_written_and_told(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    """Of a bucket with versions, it names the current ones; the report spells keys as it does."""
    lake = bucket(jobs.server, "lake")
    jobs.s3.put_bucket_versioning(Bucket=lake, VersioningConfiguration={"Status": "Enabled"})
    jobs.put(lake, ["a b"])
    version = jobs.put(lake, ["a b"])["a b"]
    jobs.put(lake, ["gone"])
    jobs.s3.delete_object(Bucket=lake, Key="gone")
    place = {
        "Bucket": f"arn:aws:s3:::{jobs.ops}",
        "ManifestFormat": "S3InventoryReport_CSV_20211130",
        "ManifestPrefix": "generated",
    }
    ended = generated(jobs, lake, {}, EnableManifestOutput=True, ManifestOutputLocation=place)
    assert list(ended.rows) == [f"a b\t{version}"]
    assert [row.key for row in ended.rows.values()] == ["a+b"]
    told = ended.job["GeneratedManifestDescriptor"]
    assert told["Format"] == "S3InventoryReport_CSV_20211130"
    key = told["Location"]["ObjectArn"].removeprefix(f"arn:aws:s3:::{jobs.ops}/")
    assert key.startswith("generated/")
    assert jobs.s3.head_object(Bucket=jobs.ops, Key=key)["ETag"].strip('"') == told["Location"]["ETag"]


def test_hundreds_of_tasks_are_counted_and_reported_in_several_files(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    lake = bucket(jobs.server, "lake")
    keys = [f"k{number:04}" for number in range(600)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: jobs.s3.put_object(Bucket=lake, Key=key, Body=b""), keys))
    ended = jobs.run(lake, [*keys, "gone"], TAG)
    assert ended.counts == (601, 600, 1)
    assert set(ended.rows) == {*keys, "gone"}
    files = jobs.s3.list_objects_v2(Bucket=jobs.ops, Prefix=f"reports/job-{ended.job['JobId']}/results/")
    assert files["KeyCount"] == 3 + 1


def test_a_job_whose_objects_are_mostly_gone_fails_at_the_threshold(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    """And reports those that were invoked."""
    lake = bucket(jobs.server, "lake")
    jobs.put(lake, ["a"])
    ended = jobs.run(lake, ["a", *(f"gone-{number}" for number in range(5_000))], TAG)
    assert ended.job["Status"] == "Failed"
    total, succeeded, failed = ended.counts
    assert total == 5_001
    assert 1_000 <= succeeded + failed < 2_000
    assert len(ended.rows) == succeeded + failed


def test_jobs_of_many_clients_run_side_by_side(jobs: EmulatedJobs, bucket: BucketFactory) -> None:
    lakes = [bucket(jobs.server, "lake") for _ in range(6)]
    for lake in lakes:
        jobs.put(lake, ["a", "b"])
    ids = [jobs.create(lake, ["a", "b"], TAG) for lake in lakes]
    with ThreadPoolExecutor(6) as pool:
        ended = list(pool.map(jobs.emulator.wait, ids))
    assert [job["Status"] for job in ended] == ["Complete"] * 6
    assert [jobs.tags(lake, "b") for lake in lakes] == [{"done": "yes"}] * 6


def test_what_the_store_refuses_is_told_in_aws_s_words(seaweedfs: Server, bucket: BucketFactory) -> None:
    """A role that may only read can't write the report."""
    lake, ops = bucket(seaweedfs, "lake"), bucket(seaweedfs, "ops")
    with S3BatchEmulator(seaweedfs.as_identity(READER.name)) as refused:
        others = EmulatedJobs(seaweedfs, refused, ops)
        ended = others.run(lake, ["gone"], {"S3ReplicateObject": {}})
        assert ended.job["Status"] == "Failed"
        assert [reason["FailureReason"] for reason in ended.job["FailureReasons"]] == [
            "The job report could not be written to your report bucket. Please check your permissions."
        ]
    with S3BatchEmulator(seaweedfs.as_identity("stranger")) as refused:
        others = EmulatedJobs(seaweedfs, refused, ops)
        ended = others.run(lake, ["gone"], TAG)
        reasons = [reason["FailureReason"] for reason in ended.job["FailureReasons"]]
        assert reasons == ["Reading the manifest is forbidden: AccessDenied"]


def test_a_rule_for_s3_s_jobs_hears_of_each_change(ministack: Server, bucket: BucketFactory) -> None:
    """With AWS's own pattern but for the source, through a real EventBridge to a queue."""

    def client(service: str) -> Any:
        return ministack.session().client(service, endpoint_url=ministack.endpoint_url)

    queues, events = client("sqs"), client("events")
    queue = queues.create_queue(QueueName="emulated-job-events")["QueueUrl"]
    attributes = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    events.put_rule(Name="emulated-jobs", EventPattern=json.dumps(RULE))
    events.put_targets(Rule="emulated-jobs", Targets=[{"Id": "queue", "Arn": attributes["QueueArn"]}])
    lake = bucket(ministack, "lake")
    with S3BatchEmulator(ministack, on_event=to_event_bridge(events)) as emulator:
        jobs = EmulatedJobs(ministack, emulator, bucket(ministack, "ops"))
        jobs.put(lake, ["a"])
        job_id = jobs.run(lake, ["a"], TAG).job["JobId"]
        emulator.flush_events()

    statuses = {"New", "Preparing", "Ready", "Active", "Completing", "Complete"}
    heard: list[dict[str, Any]] = []
    while len(heard) < len(statuses):  # the bus hands events on in its own time
        messages = queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=10).get("Messages")
        if not messages:
            break
        heard += [json.loads(message["Body"])["detail"]["serviceEventDetails"] for message in messages]
        for message in messages:
            queues.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert {detail["jobId"] for detail in heard} == {job_id}
    assert {detail["status"] for detail in heard} == statuses
