"""Whole jobs with AWS's own service as Dag runs: what is done, what is resumed, and what is told."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from managed_lake import KEYS, Crash, ManagedLake, managed_lake

from airflow_s3batch.core.news import PROGRESS_KEY, ProgressNews
from airflow_s3batch.operators import managed_arguments
from airflow_s3batch.triggers.job_watch import JobWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dag_runs import DagFolder

    from airflow_s3batch.testing import Server

pytestmark = pytest.mark.integration

TAGGED = {"checked": "yes"}

DAG = """
from airflow.sdk import dag
from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import *

@dag(dag_id={name!r}, schedule=None, default_args={{"retries": 0}})
def job_under_test():
    s3_batch_job("job", **{{**{arguments!r}, "operation": {operation}}})

job_under_test()
"""


@pytest.fixture
def lake(signing_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedLake]:
    with managed_lake(signing_server, monkeypatch) as lake:
        yield lake


def source(lake: ManagedLake, *, operation: str = "PutObjectTagging({'checked': 'yes'})", **arguments: Any) -> str:
    """Return a Dag file with one job over *lake*."""
    defaults = {
        "where": "TRUE",
        "inventory": lake.inventory,
        "job_url": lake.job_url,
        "engine": "managed",
        "role_arn": lake.role,
        "account_id": lake.aws.account_id,
        "poll_interval_s": 0.2,
        "objects_per_shard": 10,
        "deferrable": False,
    }
    given = {**defaults, **arguments}
    name = f"job_{lake.bucket[5:]}"
    return DAG.format(name=name, arguments={k: v for k, v in given.items() if v is not None}, operation=operation)


def as_is(report: Any) -> set[tuple[str, str, str]]:
    """Return what a completion report says of each object."""
    return set(zip(report["key"], report["task_status"], report["error_code"].fillna(""), strict=True))


@pytest.mark.parametrize("deferrable", [False, True])
def test_job_from_inventory_to_report(dags: DagFolder, lake: ManagedLake, deferrable: bool) -> None:
    """AWS does the work; manifest, report and summary are as ever."""
    lake.deliver(lake.put(KEYS).values())
    run = dags.run(source(lake, deferrable=deferrable))
    assert run.states == {"job.manifest": "success", "job.run": ["success"], "job.report": "success"}
    assert run.is_green
    assert run.labels == [f"{lake.bucket} · 30 objects"]
    assert all(lake.tags(key) == TAGGED for key in KEYS)
    (job,) = lake.jobs
    assert (job["Status"], job["ProgressSummary"]["NumberOfTasksSucceeded"]) == ("Complete", len(KEYS))
    result = run.xcom("job.report")
    assert as_is(lake.report(result["report_url"])) == {(key, "succeeded", "") for key in KEYS}
    assert lake.json(result["summary_url"])["succeeded"] == len(KEYS)
    assert run.xcom("job.run", "s3_batch_job", 0)["job_id"] == job["JobId"]
    news = ProgressNews.from_json(run.xcom("job.run", PROGRESS_KEY, 0))
    assert news is not None
    assert (news.engine, news.bucket, news.state, news.rows, news.done) == ("managed", lake.bucket, "ended", 30, 30)
    assert (news.aws_job or {})["id"] == job["JobId"]
    assert len(news.history) > 1, "what was told while the job ran is part of it"


def test_both_engines_tell_the_same(dags: DagFolder, lake: ManagedLake) -> None:
    """One word changed, the same input: the same rows with the same status."""
    rows = lake.put(KEYS)
    lake.deliver(rows.values())
    lake.client.delete_object(Bucket=lake.bucket, Key=KEYS[7])
    told = []
    for changes in ({}, {"engine": "worker", **dict.fromkeys(managed_arguments.SETTINGS + managed_arguments.WAITING)}):
        run = dags.run(source(lake, **changes))
        assert run.is_green, run.states
        told.append(as_is(lake.report(run.xcom("job.report")["report_url"])))
    assert told[0] == told[1]
    assert (KEYS[7], "failed", "NoSuchKey") in told[0]


def test_clearing_what_failed_makes_a_job_for_the_rest_only(dags: DagFolder, lake: ManagedLake) -> None:
    """The run is red, the cause is mended, the task is cleared, and AWS is given one object."""
    lake.deliver(lake.put(KEYS).values())
    missing = KEYS[7]
    lake.client.delete_object(Bucket=lake.bucket, Key=missing)
    run = dags.run(source(lake, tolerate=[]))
    assert run.states == {"job.manifest": "success", "job.run": ["failed"], "job.report": "failed"}
    assert not run.is_green

    lake.put([missing])
    done = [key for key in KEYS if key != missing]
    lake.tags_with(done, "by somebody else")
    run.clear("job.run", "job.report", only_failed=True)
    assert run.is_green, run.states
    assert lake.tags(missing) == TAGGED
    assert all(lake.tags(key) == {"checked": "by somebody else"} for key in done)
    assert [job["ProgressSummary"]["TotalNumberOfTasks"] for job in lake.jobs] == [30, 1]
    report = lake.report(run.xcom("job.report")["report_url"])
    assert as_is(report) == {(key, "succeeded", "") for key in KEYS}
    run.clear("job.run", "job.report")
    assert run.is_green, run.states
    assert len(lake.jobs) == 2, "nothing is left to do"


def test_several_buckets_are_several_jobs(dags: DagFolder, lake: ManagedLake) -> None:
    """AWS takes one bucket per job; one report tells of all."""
    rows = [{"bucket": lake.bucket, **row} for row in lake.put(KEYS).values()]
    lake.client.put_object(Bucket=lake.target, Key="other.csv", Body=b"x")
    lake.deliver([*rows, {**rows[0], "bucket": lake.target, "key": "other.csv"}])
    run = dags.run(source(lake))
    assert run.is_green, run.states
    assert run.labels == [f"{lake.bucket} · 30 objects", f"{lake.target} · 1 objects"]
    assert sorted(job["ProgressSummary"]["TotalNumberOfTasks"] for job in lake.jobs) == [1, 30]
    assert run.xcom("job.report")["objects"] == 31


def test_zero_matches_are_a_normal_end(dags: DagFolder, lake: ManagedLake) -> None:
    """No job is made; the report is there, and empty."""
    lake.deliver(lake.put(KEYS[:3]).values())
    run = dags.run(source(lake, where="key = 'nothing like that'"))
    assert run.is_green, run.states
    assert run.xcom("job.manifest") == []
    assert run.xcom("job.report")["objects"] == 0
    assert lake.jobs == []


@pytest.mark.parametrize("forgets", [False, True])
def test_crash_between_the_job_and_its_recording_makes_no_second_job(
    dags: DagFolder, lake: ManagedLake, monkeypatch: pytest.MonkeyPatch, forgets: bool
) -> None:
    """The next attempt finds the job, even where AWS has forgotten the token."""
    from airflow_s3batch.managed import new_job

    lake.deliver(lake.put(KEYS).values())
    write_job = new_job.write_job

    def die(*_: Any, **__: Any) -> None:
        raise Crash

    monkeypatch.setattr(new_job, "write_job", die)
    run = dags.run(source(lake))
    assert run.states["job.run"] == ["failed"]
    assert len(lake.jobs) == 1
    if forgets:
        lake.aws.forget_tokens()
    monkeypatch.setattr(new_job, "write_job", write_job)
    run.clear("job.run", "job.report", only_failed=True)
    assert run.is_green, run.states
    assert len(lake.jobs) == 1
    assert as_is(lake.report(run.xcom("job.report")["report_url"])) == {(key, "succeeded", "") for key in KEYS}


def test_job_that_still_runs_is_attached_again(
    dags: DagFolder, lake: ManagedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker died while it waited; the job did not."""
    from airflow_s3batch.operators.bucket_job import BucketJob

    lake.deliver(lake.put(KEYS).values())
    lake.aws.hold("Active", after_tasks=5)
    wait = BucketJob.wait

    def die(*_: Any) -> None:
        raise Crash

    monkeypatch.setattr(BucketJob, "wait", die)
    run = dags.run(source(lake))
    assert run.states["job.run"] == ["failed"]
    monkeypatch.setattr(BucketJob, "wait", wait)
    lake.aws.release()
    run.clear("job.run", "job.report", only_failed=True)
    assert run.is_green, run.states
    assert len(lake.jobs) == 1


def while_running(lake: ManagedLake, status: str, then: Callable[[str], None]) -> threading.Thread:
    """Do *then* with the id of the job that comes, once that is in *status*."""

    def watch() -> None:
        job_id = next(iter(wait_for_jobs(lake)))
        lake.aws.wait(job_id, status)
        then(job_id)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def wait_for_jobs(lake: ManagedLake) -> list[str]:
    """Return the ids of the jobs, of which there will be one within a minute."""
    pause = threading.Event()
    for _ in range(600):
        if found := [job["JobId"] for job in lake.jobs]:
            return found
        pause.wait(0.1)
    raise TimeoutError("no job was made within 60 s")


@pytest.mark.parametrize("deferrable", [False, True])
def test_confirmation_is_waited_for_and_explained(
    dags: DagFolder,
    lake: ManagedLake,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    deferrable: bool,
) -> None:
    """Nothing happens to the objects until somebody acts; the log says how to."""
    lake.deliver(lake.put(KEYS).values())
    before: list[Any] = []
    is_seen, look = threading.Event(), JobWatch.look

    def seen(watch: JobWatch) -> Any:
        progress = look(watch)
        if progress is not None and progress.status == "Suspended":
            is_seen.set()
        return progress

    monkeypatch.setattr(JobWatch, "look", seen)

    def confirm(job_id: str) -> None:
        assert is_seen.wait(60.0)
        before.append(lake.tags(KEYS[0]))
        lake.aws.client().update_job_status(AccountId=lake.aws.account_id, JobId=job_id, RequestedJobStatus="Ready")

    thread = while_running(lake, "Suspended", confirm)
    run = dags.run(source(lake, confirmation_required=True, deferrable=deferrable, poll_interval_s=0.5))
    thread.join()
    assert run.is_green, run.states
    assert before == [{}]
    assert all(lake.tags(key) == TAGGED for key in KEYS)
    assert "--requested-job-status Ready" in capsys.readouterr().out


def test_job_that_somebody_cancels_is_red_and_a_clear_does_the_rest(
    dags: DagFolder, lake: ManagedLake, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was done counts; what was not is told as such."""
    lake.deliver(lake.put(KEYS).values())
    lake.aws.hold("Active", after_tasks=5)

    def cancel(job_id: str) -> None:
        lake.aws.wait_for_tasks(job_id, 5)
        lake.aws.client().update_job_status(
            AccountId=lake.aws.account_id,
            JobId=job_id,
            RequestedJobStatus="Cancelled",
            StatusUpdateReason="costs too much",
        )

    thread = while_running(lake, "Active", cancel)
    run = dags.run(source(lake))
    thread.join()
    assert run.states["job.run"] == ["failed"]
    result = run.xcom("job.report")
    assert "costs too much" in capsys.readouterr().out
    assert result is None, "a report that is red returns nothing"
    lake.aws.calm()
    done = [key for key in KEYS if lake.tags(key)]
    assert 0 < len(done) < len(KEYS)
    lake.tags_with(done, "by somebody else")
    run.clear("job.run", "job.report", only_failed=True)
    assert run.is_green, run.states
    assert all(lake.tags(key) == ({"checked": "by somebody else"} if key in done else TAGGED) for key in KEYS)


def test_killed_task_cancels_its_job_and_the_next_attempt_goes_on(
    dags: DagFolder, lake: ManagedLake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear is enough: the cancelled job is accounted for, and the rest gets a job of its own."""
    from airflow_s3batch.operators.bucket_job import BucketJob

    lake.deliver(lake.put(KEYS).values())
    lake.aws.hold("Active", after_tasks=5)
    look = BucketJob.look

    def look_and_be_killed(self: BucketJob, current: Any) -> Any:
        progress = look(self, current)
        if progress and progress.status == "Active" and progress.done >= 5:
            self.stop(cancels=True)  # as `on_kill` does
        return progress

    monkeypatch.setattr(BucketJob, "look", look_and_be_killed)
    run = dags.run(source(lake))
    assert run.states["job.run"] == ["failed"]
    assert "was cancelled with this task" in capsys.readouterr().out
    lake.aws.calm()
    monkeypatch.setattr(BucketJob, "look", look)
    run.clear("job.run", "job.report", only_failed=True)
    assert run.is_green, run.states
    assert [job["Status"] for job in lake.jobs] == ["Cancelled", "Complete"]
    assert sum(job["ProgressSummary"]["NumberOfTasksSucceeded"] for job in lake.jobs) == len(KEYS)
    assert as_is(lake.report(run.xcom("job.report")["report_url"])) == {(key, "succeeded", "") for key in KEYS}


def test_report_that_comes_late_is_waited_for(
    dags: DagFolder, lake: ManagedLake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The job is over, its report is not there; no retry is used up by that."""
    from airflow_s3batch.operators import bucket_job

    monkeypatch.setattr(bucket_job, "REPORT_INTERVAL_S", 0.5)
    lake.deliver(lake.put(KEYS).values())
    lake.aws.hold("Report")
    thread = while_running(lake, "Complete", lambda _: threading.Timer(2, lake.aws.release).start())
    run = dags.run(source(lake))
    thread.join()
    assert run.is_green, run.states
    assert "its report is not there yet" in capsys.readouterr().out


def test_role_of_another_account_is_told_before_anything_is_made(
    dags: DagFolder, lake: ManagedLake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it comes out of a template, by the task."""
    lake.deliver(lake.put(KEYS[:3]).values())
    run = dags.run(source(lake, role_arn="{{ 'arn:aws:iam::000000000000:role/batch' }}"))
    assert run.states["job.run"] == ["failed"]
    assert "is not a role of account" in capsys.readouterr().out
    assert lake.jobs == []


def test_sensor_waits_for_a_job_that_somebody_else_made(
    dags: DagFolder, lake: ManagedLake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Deferred meanwhile; what failed in it makes the task red."""
    rows = lake.put(KEYS)
    lake.deliver(rows.values())
    lake.client.delete_object(Bucket=lake.bucket, Key=KEYS[7])
    assert dags.run(source(lake)).is_green
    (job,) = lake.jobs
    text = f"""
from airflow.sdk import dag
from airflow_s3batch import S3BatchJobSensor

@dag(dag_id="sensor_{lake.bucket[5:]}", schedule=None, default_args={{"retries": 0}})
def sensors():
    common = dict(job_id={job["JobId"]!r}, account_id={lake.aws.account_id!r}, poke_interval=0.2, timeout=60)
    S3BatchJobSensor(task_id="bears_it", deferrable=True, allowed_failures=1, **common)
    S3BatchJobSensor(task_id="does_not", **common)

sensors()
"""
    run = dags.run(text)
    assert run.states == {"bears_it": "success", "does_not": "failed"}
    counts = {"job_id": job["JobId"], "job_status": "Complete", "total": 30, "succeeded": 29, "failed": 1}
    assert run.xcom("bears_it") == counts
    assert "30/30 (100 %), 1 failed. Its completion report says what failed" in capsys.readouterr().out


def test_example_waits_for_confirmation_and_tags_what_is_old_and_big(
    dags: DagFolder, lake: ManagedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands in the folder of examples; only the pause between two looks is shorter."""
    from datetime import UTC, datetime, timedelta
    from pathlib import Path

    for name, value in (
        ("INVENTORY", lake.inventory),
        ("JOB_URL", lake.job_url),
        ("ROLE_ARN", lake.role),
        ("ACCOUNT_ID", lake.aws.account_id),
    ):
        monkeypatch.setenv(f"AIRFLOW_VAR_S3BATCH_{name}", value)
    rows = lake.put(["old/big.bin", "old/small.bin", "new/big.bin"])
    for key in ("old/big.bin", "new/big.bin"):
        rows[key]["size"] = 2_000_000
    for key in ("old/big.bin", "old/small.bin"):
        rows[key]["last_modified_date"] = datetime.now(UTC) - timedelta(days=100)
    lake.deliver(rows.values())

    def confirm(job_id: str) -> None:
        control = lake.aws.client()
        control.update_job_status(AccountId=lake.aws.account_id, JobId=job_id, RequestedJobStatus="Ready")

    thread = while_running(lake, "Suspended", confirm)
    text = (Path(__file__).parents[2] / "dags" / "managed_tagging.py").read_text()
    run = dags.run(text.replace("deferrable=True,", "deferrable=True, poll_interval_s=0.5,"))
    thread.join()
    assert run.is_green, run.states
    assert lake.tags("old/big.bin") == {"archive": "yes"}
    assert lake.tags("old/small.bin") == lake.tags("new/big.bin") == {}
    (job,) = lake.jobs
    tags = lake.aws.client().get_job_tagging(AccountId=lake.aws.account_id, JobId=job["JobId"])["Tags"]
    assert tags == [{"Key": "team", "Value": "lake"}]
