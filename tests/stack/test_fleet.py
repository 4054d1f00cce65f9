"""A large job on two Celery workers whose parts die one after the other: every object is accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fleet import WORKERS, Fleet, running_fleet, wait_for
from fleet_job import DAG, DAG_ID, OBJECTS_PER_SHARD, RUN_TASK, JobFiles, check_books, make_objects

from airflow_s3batch.testing import FaultProxy
from airflow_s3batch.testing.faults import NoAnswer
from demo.airflow_api import ENDED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_s3batch.testing.fault_requests import ProxiedRequest

OBJECTS = 120_000
VARIABLES = {
    "WORKER_CONCURRENCY": "2",
    "PARALLELISM": "4",
    "TASK_HEARTBEAT_TIMEOUT_S": "30",
    "ORPHANED_TASKS_CHECK_S": "15",
}


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """The topology with one Dag, and the objects of its job."""
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "fleet.py").write_text(DAG.format(objects_per_shard=OBJECTS_PER_SHARD))
    with running_fleet(tmp_path / "stack", {**VARIABLES, "S3BATCH_DAGS": str(dags)}) as (fleet, wait_until_up):
        make_objects(fleet.s3, OBJECTS)
        wait_until_up()
        yield fleet


@pytest.fixture
def proxy(fleet: Fleet) -> Iterator[FaultProxy]:
    """What the job's files go through, as the connection ``aws_job``; the objects' requests don't."""
    with FaultProxy(fleet.s3) as proxy:
        extra = f'{{"region_name": "us-east-1", "endpoint_url": "{proxy.server.endpoint_url}"}}'
        login = {"login": proxy.server.access_key, "password": proxy.server.secret_key}
        fleet.api.call(
            "POST", "/connections", {"connection_id": "aws_job", "conn_type": "aws", "extra": extra, **login}
        )
        yield proxy


def test_every_object_of_a_large_job_is_accounted_for_though_its_workers_are_killed(
    fleet: Fleet, proxy: FaultProxy
) -> None:
    """One worker dies in mid-shard, the other between part and commit; scheduler, database and Redis start anew."""
    wait_for(lambda: fleet.api.has_dag(DAG_ID), "the Dag")
    run_id = fleet.api.trigger(DAG_ID)
    files = JobFiles(fleet.s3)

    wait_for(lambda: workers_in_mid_shard(files, fleet) == set(WORKERS), "both workers to have committed something")
    first, second = WORKERS
    killed = kill_in_mid_commit(fleet, files, proxy, first)
    fleet.command("kill", "scheduler")
    wait_for(lambda: second in workers_in_mid_shard(files, fleet), "the second worker to be in mid-shard")
    fleet.command("kill", second)
    fleet.command("kill", "postgres")
    wait_for(lambda: fleet.is_healthy("scheduler", "postgres", "api-server", *WORKERS), "the fleet to recover")
    fleet.command("restart", "redis")

    wait_for(lambda: fleet.api.run_state(DAG_ID, run_id) in ENDED, "the end of the job")
    instances = [one for one in fleet.api.task_instances(DAG_ID, run_id) if one.task_id == RUN_TASK]
    states = sorted((one.map_index, one.state, one.try_number) for one in instances)
    assert fleet.api.run_state(DAG_ID, run_id) == "success", states
    assert len(instances) == OBJECTS // OBJECTS_PER_SHARD
    assert max(one.try_number for one in instances) > 1, "nobody noticed the deaths"
    assert not any(killed in name and ".commit." in name for name in files.names())
    check_books(fleet, OBJECTS)
    restarts = {one.service: one.restarts for one in fleet.state().services}
    assert not {one for one, count in restarts.items() if count == 0} & {"postgres", "redis", "scheduler", *WORKERS}


def workers_in_mid_shard(files: JobFiles, fleet: Fleet) -> set[str]:
    """Return the workers with an attempt that has committed something and goes on."""
    return {worker for worker, _ in files.attempts_at_work(fleet).values()}


def kill_in_mid_commit(fleet: Fleet, files: JobFiles, proxy: FaultProxy, worker: str) -> str:
    """
    Kill *worker* when a part of a range is stored and its commit is on the way; return the start of the range's names.

    The request with the commit gets no answer and is not executed.
    """
    attempts = {one for one, (where, _) in files.attempts_at_work(fleet).items() if where == worker}
    held: list[str] = []

    def is_commit(request: ProxiedRequest) -> bool:
        name = request.key.removesuffix(".commit.json")
        if name == request.key or request.method != "PUT" or not any(name.endswith(one) for one in attempts):
            return False
        held.append(name)
        return True

    proxy.inject(NoAnswer(), when=is_commit, count=1)
    wait_for(lambda: held, f"a commit of {worker}")
    assert [name for name in files.names() if name.startswith(held[0])] == [f"{held[0]}.succeeded.csv"]
    fleet.command("kill", worker)
    return held[0]
