"""Jobs on a real scheduler whose workers, whose last words or whose scheduler get lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import pytest
from real_jobs import DONE

from demo.processes import end

if TYPE_CHECKING:
    from real_jobs import RealJob

NewJob = Callable[..., "RealJob"]
UNTOUCHED = {"state": "not touched again"}
ALL_GREEN = {"job.manifest": "success", "job.run": ["success"] * 2, "job.report": "success"}


def kill_worker(task: int) -> None:
    """Kill the executor's process that supervises *task*."""
    worker = psutil.Process(task).parent()
    assert "airflow worker" in " ".join(worker.cmdline())
    worker.kill()


def test_a_lost_worker_is_missed_and_its_task_finished_by_a_retry(
    new_job: NewJob, request: pytest.FixtureRequest
) -> None:
    """
    One worker dies together with its task, another alone, and its task lives on: nobody tells Airflow.

    It misses the signs of life of both, and retries, whether the survivor is still at work or not.
    """
    job = new_job("lost_workers", objects=1_600, objects_per_shard=800, max_concurrency=1, retry_delay_s=1)
    job.start()
    task = job.pid_after_commit(0)
    kill_worker(task)
    os.kill(task, signal.SIGKILL)
    survivor = job.pid_after_commit(1)
    request.addfinalizer(lambda: end([survivor], grace_s=0))
    kill_worker(survivor)

    committed = job.committed(0)
    assert 0 < len(committed) < 800
    job.tag(committed, UNTOUCHED)
    assert job.end(), job.states()
    assert job.states() == ALL_GREEN
    assert job.log("job.run", 2, 1)
    assert f"{800 - len(committed)} of 800 objects to do" in job.log("job.run", 2, 0)
    assert job.tags() == {key: UNTOUCHED if key in committed else DONE for key in job.keys}
    job.check_report()


def test_a_task_lost_between_its_last_commit_and_its_result_is_not_done_again(new_job: NewJob) -> None:
    """Killed when everything was recorded, before Airflow has the counts: the retry only tells them."""
    job = new_job("lost_result", objects=200, objects_per_shard=100, retry_delay_s=1, holds_first_try=True)
    job.start()
    job.wait_for(job.held.exists, "the first try to be done")
    committed, files = job.committed(0), job.files("", within="shard-00000/commits/")
    assert len(committed) == 100
    job.tag(committed, UNTOUCHED)
    os.kill(int(job.held.read_text()), signal.SIGKILL)

    assert job.end(), job.states()
    assert job.states() == ALL_GREEN
    assert "nothing is left to do" in job.log("job.run", 2, 0)
    counts = job.stack.api.xcom(job.name, job.run_id, "job.run", map_index=0)
    assert (counts["objects"], counts["succeeded"], counts["failed"], counts["requests"]) == (100, 100, 0, 0)
    assert job.files("", within="shard-00000/commits/") == files
    assert job.tags() == {key: UNTOUCHED if key in committed else DONE for key in job.keys}
    job.check_report()


def test_a_scheduler_that_is_killed_in_the_middle_of_a_run_does_not_spoil_it(
    new_job: NewJob, request: pytest.FixtureRequest
) -> None:
    """The next scheduler gives up the tasks of the dead one, and starts them again though they still run."""
    job = new_job(
        "lost_scheduler",
        objects=800,
        objects_per_shard=400,
        max_requests_per_s=60,
        retry_delay_s=1,
        holds_first_try=True,
    )
    job.start()
    tasks = {job.pid(shard) for shard in range(2)}
    left = job.stack.kill("scheduler")
    request.addfinalizer(lambda: end(left, grace_s=0))
    assert tasks < set(left)
    job.wait_for(lambda: job.stack.api.health()["scheduler"] == "unhealthy", "Airflow to miss the scheduler")
    job.stack.start("scheduler")

    assert job.end(), job.states()
    assert job.states() == ALL_GREEN
    assert job.log("job.run", 2, 0)
    assert job.tags() == dict.fromkeys(job.keys, DONE)
    job.check_report()
