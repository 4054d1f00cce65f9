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


def test_a_lost_worker_is_missed_and_its_task_finished_by_a_retry(
    new_job: NewJob, request: pytest.FixtureRequest
) -> None:
    """
    One worker dies together with its task, another alone, and its task lives on: nobody reports their end.

    Airflow misses the signs of life of both, and retries while the survivor may still be at work.
    """
    job = new_job("lost_workers", objects=1_200, objects_per_shard=600, max_requests_per_s=60, retry_delay_s=1)
    job.start()
    task, survivor = job.pid(0), job.pid(1)
    request.addfinalizer(lambda: end([survivor], grace_s=0))
    workers = [psutil.Process(pid).parent() for pid in (task, survivor)]
    for worker in workers:
        assert worker.name().startswith("airflow worker"), worker
        worker.kill()
    os.kill(task, signal.SIGKILL)

    committed = job.committed(0)
    assert 0 < len(committed) < 600
    job.tag(committed, UNTOUCHED)
    assert job.end(), job.states()
    assert job.states() == ALL_GREEN
    for shard in range(2):
        assert job.files(".json", within=f"shard-{shard:05d}/attempt-0002")
    assert f"{600 - len(committed):,} of 600 objects to do" in job.log("job.run", 2, 0)
    assert job.tags() == {key: UNTOUCHED if key in committed else DONE for key in job.keys}
    job.check_report()


def test_a_task_lost_between_its_last_commit_and_its_result_is_not_done_again(new_job: NewJob) -> None:
    """Killed when everything was recorded, before Airflow has the counts: the retry only tells them."""
    job = new_job("lost_result", objects=200, objects_per_shard=100, retry_delay_s=1, holds_first_try=True)
    job.start()
    job.wait_for(job.held.exists, "the first try to be done")
    assert job.committed(0) == set(job.keys[:100])
    files = job.files("", within="shard-00000/commits/")
    job.tag(job.keys[:100], UNTOUCHED)
    os.kill(job.pid(0), signal.SIGKILL)

    assert job.end(), job.states()
    assert job.states() == ALL_GREEN
    assert "0 of 100 objects to do" in job.log("job.run", 2, 0)
    assert job.files("", within="shard-00000/commits/") == files
    assert job.tags() == {key: UNTOUCHED if key in job.keys[:100] else DONE for key in job.keys}
    job.check_report()


def test_a_scheduler_that_is_killed_in_the_middle_of_a_run_does_not_spoil_it(
    new_job: NewJob, request: pytest.FixtureRequest
) -> None:
    """The next scheduler takes the tasks of the dead one for lost and starts them again while they still run."""
    job = new_job("lost_scheduler", objects=1_200, objects_per_shard=600, max_requests_per_s=60, retry_delay_s=1)
    job.start()
    tasks = [job.pid(shard) for shard in range(2)]
    left = job.stack.restart("scheduler")
    request.addfinalizer(lambda: end(left, grace_s=0))
    assert set(tasks) < set(left)
    assert all(map(psutil.pid_exists, tasks))

    assert job.end(), job.states()
    assert job.states() == ALL_GREEN
    for shard in range(2):
        assert job.files(".json", within=f"shard-{shard:05d}/attempt-0002")
    assert job.tags() == dict.fromkeys(job.keys, DONE)
    job.check_report()
