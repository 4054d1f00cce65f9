"""The managed engine against real stores: the emulator runs AWS's jobs, its report becomes ours."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server_jobs import STRICT, TASK, ServerJob, access_of, client_of, publish, put_objects, tags
from server_users import BucketFactory

from airflow_s3batch import testing
from airflow_s3batch.core.errors import ArgumentError, InfrastructureError, JobChangedError, TooManyFailuresError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import Policy
from airflow_s3batch.engine.checks.rehearsal import rehearse
from airflow_s3batch.managed import (
    CANCELLED_BY_TASK,
    BucketRef,
    ManagedSettings,
    Round,
    S3JobControl,
    begin_round,
    bucket_refs,
    harvest,
    job_progress,
)
from airflow_s3batch.operations import CopyObject, Operation, PutObjectTagging
from airflow_s3batch.testing.emulator import S3BatchEmulator

TAGGING = PutObjectTagging({"quarantine": "true"})
NASTY = ["a b", "a+b", "a%20b", "com,ma", 'q"uote', "é/ü", "🦆", "x=1&y=2", "#frag", "per%cent"]
PLAIN = [f"data/{number:03d}" for number in range(25)]


class ManagedRun:
    """A job on a server, and AWS S3 Batch Operations in front of it."""

    def __init__(self, aws: S3BatchEmulator, job: ServerJob) -> None:
        self.aws = aws
        self.job = job
        self.control = S3JobControl(aws.access())
        self.settings = ManagedSettings(aws.account_id, aws.region, f"arn:aws:iam::{aws.account_id}:role/batch")
        self.tries = 0

    def refs(self) -> list[BucketRef]:
        return bucket_refs(self.job.manifest, self.job.storage)

    def begin(self, ref: BucketRef | None = None, operation: Operation = TAGGING, **more: Any) -> Round | None:
        self.tries += 1
        arguments: dict[str, Any] = {"settings": self.settings, "policy": STRICT, **more}
        return begin_round(
            ref or self.refs()[0],
            operation,
            storage=self.job.storage,
            control=self.control,
            task_id=TASK,
            try_number=self.tries,
            **arguments,
        )

    def begun(self, ref: BucketRef | None = None, operation: Operation = TAGGING, **more: Any) -> Round:
        found = self.begin(ref, operation, **more)
        assert found is not None
        return found

    def ended(self, ref: BucketRef | None = None, operation: Operation = TAGGING, **more: Any) -> Round:
        """Begin a round and wait until its job is over and has its report."""
        found = self.begun(ref, operation, **more)
        self.wait(found)
        return found

    def wait(self, found: Round) -> None:
        self.aws.wait(found.job_id)
        if job_progress(self.control, found.account_id, found.job_id).done:
            self.aws.wait_for_report(found.job_id)

    def harvest(self, found: Round) -> Any:
        return harvest(found, storage=self.job.storage, control=self.control, policy=STRICT)

    def told(self) -> Counter[tuple[str, str, str, str]]:
        """Return the completion report's rows, read with nothing of the package."""
        return counted(self.job)

    def jobs(self) -> list[str]:
        return [job["JobId"] for job in self.control.list(self.aws.account_id)]


def counted(job: ServerJob) -> Counter[tuple[str, str, str, str]]:
    return Counter((row.bucket, row.key, row.version_id, row.error_code) for row in job.report_rows())


@pytest.fixture(params=["seaweedfs", "ministack"])
def server(request: pytest.FixtureRequest) -> testing.Server:
    found: testing.Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def aws(server: testing.Server) -> Iterator[S3BatchEmulator]:
    with S3BatchEmulator(server) as running:
        yield running


@pytest.fixture
def run(server: testing.Server, aws: S3BatchEmulator, bucket: BucketFactory, tmp_path: Path) -> ManagedRun:
    """A job over plain and nasty keys, and one object that is gone since."""
    lake, ops = bucket(server, "lake"), bucket(server, "ops")
    objects = [*put_objects(server, lake, [*PLAIN, *NASTY]), S3Object(lake, "gone", size=4)]
    return ManagedRun(aws, publish(server, f"s3://{ops}/jobs/one", objects, tmp_path, range_rows=5, shards=2))


def test_a_job_runs_some_fail_and_a_clear_runs_only_the_rest(run: ManagedRun) -> None:
    """The missing object fails; once it is there, the second job is about it alone, and the report is whole."""
    lake = run.job.objects[0].bucket
    first = run.ended()
    with pytest.raises(TooManyFailuresError, match=rf"1 of 36 objects failed \(NoSuchKey 1\). First: s3://{lake}/gone"):
        run.harvest(first)
    assert tags(run.job.server, run.job.objects[-2]) == {"quarantine": "true"}
    put_objects(run.job.server, lake, ["gone"])
    second = run.ended()
    assert second.rows == 1
    summary = run.harvest(second)
    assert (summary.succeeded, summary.earlier) == (1, 35)
    assert run.told() == {(lake, obj.key, "", ""): 1 for obj in run.job.objects}
    assert run.begin() is None
    assert run.jobs() == [second.job_id, first.job_id] or run.jobs() == [first.job_id, second.job_id]


def test_both_engines_tell_the_same(run: ManagedRun, tmp_path: Path, bucket: BucketFactory) -> None:
    """Bucket, key, version and code of each row are those of the worker engine's report."""
    with pytest.raises(TooManyFailuresError):
        run.harvest(run.ended())
    job = run.job
    ops = bucket(job.server, "ops")
    (tmp_path / "worker").mkdir()
    other = publish(job.server, f"s3://{ops}/jobs/two", job.objects, tmp_path / "worker", range_rows=5, shards=2)
    for shard in range(2):
        with contextlib.suppress(TooManyFailuresError):
            other.attempt(TAGGING, shard=shard, policy=STRICT)
    assert run.told() == counted(other)


def test_the_engine_can_be_changed_between_two_attempts(run: ManagedRun) -> None:
    """What AWS's job left undone the workers do, and nothing else; one report over both."""
    lake = run.job.objects[0].bucket
    with pytest.raises(TooManyFailuresError):
        run.harvest(run.ended())
    put_objects(run.job.server, lake, ["gone"])
    done = [run.job.attempt(TAGGING, shard=shard, policy=STRICT, try_number=2) for shard in range(2)]
    assert [summary.objects for summary in done] == [0, 1]
    assert run.begin() is None
    assert run.told() == {(lake, obj.key, "", ""): 1 for obj in run.job.objects}


@pytest.mark.parametrize("server", ["seaweedfs"], indirect=True)
def test_what_workers_have_rehearsed_aws_does_not_do_again(run: ManagedRun) -> None:
    """Each row is in the report once."""
    job = run.job
    rehearsal = rehearse(
        str(job.manifest.job_url),
        TAGGING,
        10,
        access=access_of(job.server),
        storage=job.storage,
        task_id=TASK,
        try_number=3,
        policy=Policy(allowed_failures=1),
    )
    found = run.ended()
    assert found.rows == job.manifest.rows - rehearsal.tally.succeeded
    with pytest.raises(TooManyFailuresError):
        run.harvest(found)
    lake = job.objects[0].bucket
    assert run.told() == {(lake, obj.key, "", "NoSuchKey" if obj.key == "gone" else ""): 1 for obj in job.objects}
    newest = max(key for key, _ in job.files(".json") if "/attempt-" in key)
    assert newest.partition("-")[2].startswith("00000/attempt-0004-"), "AWS's outcomes are newer than the rehearsal's"


@pytest.mark.parametrize("server", ["seaweedfs"], indirect=True)
@pytest.mark.parametrize("resume", [True, False])
def test_nothing_is_rehearsed_while_aws_is_at_work(run: ManagedRun, *, resume: bool) -> None:
    """Starting over, too, waits until it is known what AWS has done."""
    run.aws.hold("Active", after_tasks=3)
    run.begun()
    job = run.job
    with pytest.raises(JobChangedError, match="two engines might work on them"):
        rehearse(
            str(job.manifest.job_url),
            TAGGING,
            10,
            access=access_of(job.server),
            storage=job.storage,
            task_id=TASK,
            resume=resume,
        )


def test_lost_answers_make_no_second_job(run: ManagedRun) -> None:
    """CreateJob was executed, every answer lost, the token forgotten: the next attempt finds the job by its mark."""
    run.aws.lose_answer("CreateJob", times=8)
    with pytest.raises(InfrastructureError):
        run.begin()
    run.aws.forget_tokens()
    run.aws.calm()
    found = run.begun()
    assert run.jobs() == [found.job_id]


def test_a_job_that_its_task_cancelled_goes_on_with_the_rest(run: ManagedRun) -> None:
    """Cancelled amid its tasks: what was done counts, the next attempt does the others."""
    run.aws.hold("Active", after_tasks=10)
    first = run.begun()
    run.aws.wait_for_tasks(first.job_id, 10)
    run.control.cancel(first.account_id, first.job_id, CANCELLED_BY_TASK)
    run.aws.release()
    run.wait(first)
    done = job_progress(run.control, first.account_id, first.job_id).succeeded
    second = run.ended()
    assert (second.number, second.rows) == (2, 36 - done)
    with pytest.raises(TooManyFailuresError, match="NoSuchKey 1"):
        run.harvest(second)
    assert sum(run.told().values()) == 36


def test_rows_that_the_report_lacks_stay_without_an_outcome(run: ManagedRun) -> None:
    """They are NotAttempted, and the next job's."""
    run.aws.omit_from_reports(lambda task: task.spelled_key.startswith("data/00"))
    first = run.ended()
    with pytest.raises(TooManyFailuresError, match="NotAttempted 10"):
        run.harvest(first)
    assert Counter(code for *_, code in run.told().elements()) == {"": 25, "NotAttempted": 10, "NoSuchKey": 1}
    run.aws.calm()
    assert run.begun().rows == 11


def test_a_late_report_is_waited_for(run: ManagedRun) -> None:
    """The job is over before its report is there."""
    run.aws.hold("Report")
    found = run.begun()
    run.aws.wait(found.job_id)
    with pytest.raises(InfrastructureError, match="not there yet"):
        run.harvest(found)
    run.aws.release()
    run.aws.wait_for_report(found.job_id)
    with pytest.raises(TooManyFailuresError, match="NoSuchKey 1"):
        run.harvest(found)


def test_failures_only_make_a_whole_report(run: ManagedRun) -> None:
    """AWS lists one row, ours has them all."""
    found = run.ended(settings=run.settings._replace(report_scope="FailedTasksOnly"))
    with pytest.raises(TooManyFailuresError, match="1 of 36"):
        run.harvest(found)
    assert Counter(code for *_, code in run.told().elements()) == {"": 35, "NoSuchKey": 1}


def test_a_job_waits_for_its_confirmation(run: ManagedRun) -> None:
    """It is Suspended, has done nothing, and runs once confirmed; priority and tags can be changed meanwhile."""
    found = run.begun(settings=run.settings._replace(confirmation_required=True, tags={"team": "a"}))
    run.aws.wait(found.job_id, "Suspended")
    progress = job_progress(run.control, found.account_id, found.job_id)
    assert progress.waits_for_confirmation
    assert "waits to be confirmed" in progress.sentence()
    assert run.control.tags(found.account_id, found.job_id) == {"team": "a"}
    run.control.set_tags(found.account_id, found.job_id, {"team": "b"})
    assert run.control.tags(found.account_id, found.job_id) == {"team": "b"}
    assert run.control.set_priority(found.account_id, found.job_id, 77) == 77
    assert run.begin() == found
    run.control.confirm(found.account_id, found.job_id, "looks right")
    run.wait(found)
    with pytest.raises(TooManyFailuresError, match="1 of 36"):
        run.harvest(found)


def test_versions_and_buckets_are_jobs_of_their_own(
    server: testing.Server, aws: S3BatchEmulator, bucket: BucketFactory, tmp_path: Path
) -> None:
    """A bucket with rows of both kinds and another bucket: three jobs, one report; each version has its own tags."""
    lake, pond, ops = bucket(server, "lake"), bucket(server, "pond"), bucket(server, "ops")
    client = client_of(server)
    client.put_bucket_versioning(Bucket=lake, VersioningConfiguration={"Status": "Enabled"})
    versions = [client.put_object(Bucket=lake, Key="v", Body=body)["VersionId"] for body in (b"1", b"2")]
    objects = [
        S3Object(lake, "v", versions[0], 1),
        *put_objects(server, lake, ["plain"]),
        *put_objects(server, pond, ["other"]),
    ]
    run = ManagedRun(aws, publish(server, f"s3://{ops}/jobs/three", objects, tmp_path, range_rows=2))
    refs = run.refs()
    assert [(ref.bucket, ref.has_versions) for ref in refs] == [(lake, False), (lake, True), (pond, False)]
    for ref in refs:
        run.harvest(run.ended(ref))
    assert run.told() == {(obj.bucket, obj.key, obj.version_id or "", ""): 1 for obj in objects}
    assert tags(server, objects[0]) == {"quarantine": "true"}
    assert tags(server, S3Object(lake, "v", versions[1])) == {}


def test_a_request_that_aws_refuses_is_told(run: ManagedRun) -> None:
    """The emulator's word on a bad request comes through; mended, the same round goes on."""
    run.aws.fail("CreateJob", status=400, code="InvalidRequest", message="Request invalid")
    with pytest.raises(ArgumentError, match="Request invalid"):
        run.begin()
    run.aws.calm()
    assert run.begun().number == 1


def test_a_copy_goes_where_it_should(run: ManagedRun, bucket: BucketFactory) -> None:
    """Another operation end to end: the copies are there, under nasty keys too."""
    target = bucket(run.job.server, "copies")
    found = run.ended(operation=CopyObject(target))
    with pytest.raises(TooManyFailuresError, match="NoSuchKey 1"):
        run.harvest(found)
    pages = client_of(run.job.server).get_paginator("list_objects_v2").paginate(Bucket=target)
    assert sorted(entry["Key"] for page in pages for entry in page["Contents"]) == sorted([*PLAIN, *NASTY])
    assert S3Url.parse(found.ref.job_url).bucket != target
