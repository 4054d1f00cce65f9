"""Jobs on a real scheduler: to the end, after a kill, after an edit, after the cause of failures was removed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from real_jobs import DONE

from demo.world import forbid_tagging

if TYPE_CHECKING:
    from real_jobs import RealJob

NewJob = Callable[..., "RealJob"]
UNTOUCHED = {"state": "not touched again"}


def start_and_signal(job: RealJob, number: signal.Signals) -> None:
    """Start the job and send a signal to the process of its first shard, as soon as that has committed something."""
    job.start()
    job.wait_for(lambda: job.files(".commit.json", within="shard-00000"), "a committed range of the first shard")
    (announced,) = job.files(".json", within="shard-00000/attempt-")
    os.kill(job.json(announced)["pid"], number)


def test_an_edited_operation_is_not_resumed(new_job: NewJob) -> None:
    """A job runs to its end; cleared after the operation was edited, it stops with a sentence, and the run is red."""
    job = new_job("edited_job", objects=300, objects_per_shard=100)
    job.start()
    assert job.end(), job.states()
    assert job.states() == {"job.manifest": "success", "job.run": ["success"] * 3, "job.report": "success"}
    assert all(tags == DONE for tags in job.tags().values())
    report = job.report()
    assert sorted(report["key"]) == sorted(job.keys)
    assert set(report["task_status"]) == {"succeeded"}
    for index in range(3):
        told = job.stack.api.xcom(job.name, job.run_id, "job.run", "s3batch_progress", map_index=index)
        assert (told["state"], told["done"], told["rows"]) == ("ended", 100, 100)

    job.write_dag(tag="edited")
    assert job.clear(task_ids=["job.run"], only_failed=False) == 4
    assert not job.end(), job.states()
    assert job.states()["job.run"] == ["failed"] * 3
    assert "the operation was edited since" in job.log("job.report", 2)
    for index in range(3):
        log = job.log("job.run", 2, index)
        assert "the operation was edited since this job began" in log
        assert "AirflowFailException" in log
    assert all(tags == DONE for tags in job.tags().values())


def test_a_killed_task_is_finished_by_its_retry_without_touching_a_committed_object_again(new_job: NewJob) -> None:
    """SIGKILL in mid-shard: Airflow retries, and what was committed before stays as somebody else has left it."""
    job = new_job("killed_job", objects=3_000, objects_per_shard=1_500, max_concurrency=1)
    start_and_signal(job, signal.SIGKILL)
    job.wait_for(lambda: job.states()["job.run"][0] == "up_for_retry", "Airflow to see that the task is dead")

    commits = [job.json(key) for key in job.files(".commit.json", within="shard-00000")]
    committed = {key for commit in commits for key in job.succeeded_in(commit)}
    assert 0 < len(committed) < 1_500
    job.tag(committed, UNTOUCHED)
    marked = datetime.now(UTC)

    assert job.end(), job.states()
    (retry,) = job.files(".json", within="shard-00000/attempt-0002")
    assert datetime.fromisoformat(job.json(retry)["started"]) > marked, "the retry came before the marks"
    assert f"{1_500 - len(committed):,} of 1,500 objects to do" in job.log("job.run", 2, 0)
    assert job.tags() == {key: UNTOUCHED if key in committed else DONE for key in job.keys}
    report = job.report()
    assert sorted(report["key"]) == sorted(job.keys)
    assert set(report["task_status"]) == {"succeeded"}


def test_a_terminated_task_commits_what_it_has_done_and_is_retried(new_job: NewJob) -> None:
    """SIGTERM, as of a worker that drains: an orderly end within Airflow's five seconds, then the rest."""
    job = new_job("terminated_job", objects=3_000, objects_per_shard=1_500, max_concurrency=1)
    start_and_signal(job, signal.SIGTERM)
    job.wait_for(lambda: job.files(".json", within="shard-00000/summary-0001"), "the attempt's own last word")
    (summary,) = job.files(".json", within="shard-00000/summary-0001")
    told = job.json(summary)
    assert told["stopped"] == "the task was asked to stop"
    done = [key for name in job.files(".commit.json", within="shard-00000") for key in job.succeeded_in(job.json(name))]
    assert told["tally"]["succeeded"] == len(done) < 1_500

    assert job.end(), job.states()
    assert f"{1_500 - len(done):,} of 1,500 objects to do" in job.log("job.run", 2, 0)
    assert all(tags == DONE for tags in job.tags().values())
    assert sorted(job.report()["key"]) == sorted(job.keys)


def test_clearing_failed_tasks_runs_only_the_failed_objects_and_then_the_job_is_green(new_job: NewJob) -> None:
    """Objects that a bucket policy refuses make the run red; once it is gone, only they are worked on."""
    job = new_job("refused_job", objects=300, objects_per_shard=100, key="part {0:03d}/ü+.bin")
    forbid_tagging(job.client, job.bucket, "part 00*")
    refused = {key for key in job.keys if key.startswith("part 00")}
    job.start()
    assert not job.end()
    states = job.states()
    assert states["job.report"] == "failed"
    assert "failed" in states["job.run"]
    report = job.report().set_index("key")
    assert set(report.index[report["error_code"] == "AccessDenied"]) == refused
    failed = states["job.run"].count("failed")

    job.tag(set(job.keys) - refused, UNTOUCHED)
    job.client.delete_bucket_policy(Bucket=job.bucket)
    assert job.clear() == failed + 1
    assert job.end(), job.states()
    assert job.states() == {"job.manifest": "success", "job.run": ["success"] * 3, "job.report": "success"}
    assert job.tags() == {key: DONE if key in refused else UNTOUCHED for key in job.keys}
    report = job.report()
    assert sorted(report["key"]) == sorted(job.keys)
    assert set(report["task_status"]) == {"succeeded"}
