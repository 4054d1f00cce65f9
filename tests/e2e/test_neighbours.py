"""A job of many shards on a real scheduler leaves the other Dags of a small Airflow their slots."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from demo.airflow_api import ENDED, AirflowApiError

if TYPE_CHECKING:
    from real_jobs import RealJob

SHARDS = 8
AT_A_TIME = 2
"""Half of the four slots of `AirflowStack`."""
NEIGHBOUR = """
from airflow.sdk import dag, task


@dag(schedule=None)
def neighbour():
    @task
    def work():
        pass

    work()


neighbour()
"""


def test_another_dag_gets_its_slot_while_shards_wait(new_job: Callable[..., RealJob]) -> None:
    """Nobody has set a pool or a limit; the manifest's log says why shards wait."""
    job = new_job("crowd", objects=30 * SHARDS, objects_per_shard=30, max_requests_per_s=30)
    api = job.stack.api
    (job.stack.home / "dags" / "neighbour.py").write_text(NEIGHBOUR)
    job.stack.wait_for_dag("neighbour")
    job.start()
    most = 0

    def at_work() -> int:
        nonlocal most
        shards = job.states().get("job.run", [])
        most = max(most, sum(state in ("running", "queued") for state in shards))
        return most

    job.wait_for(lambda: at_work() == AT_A_TIME, "shards to run")
    run_id = ""

    def is_triggered() -> bool:
        nonlocal run_id
        with contextlib.suppress(AirflowApiError):  # on SQLite one of many writers may be refused
            run_id = api.trigger("neighbour")
        return bool(run_id)

    job.wait_for(is_triggered, "Airflow to take a run of the neighbour")
    job.wait_for(lambda: at_work() and api.run_state("neighbour", run_id) in ENDED, "the neighbour's turn")
    assert api.run_state("neighbour", run_id) == "success"
    assert "scheduled" in job.states()["job.run"], "the job was over before its neighbour"
    job.wait_for(lambda: at_work() and api.run_state(job.name, job.run_id) in ENDED, "the end of the job")
    assert most == AT_A_TIME
    expected = f"{AT_A_TIME} of {SHARDS} shards run at a time: max_active_tis_per_dagrun={AT_A_TIME} of task job.run"
    assert expected in job.log("job.manifest", 1)
    told = api.xcom(job.name, job.run_id, "job.manifest", "s3batch_plan")
    assert (told["slots"], told["shards"]) == (AT_A_TIME, SHARDS)
    job.check_report()
