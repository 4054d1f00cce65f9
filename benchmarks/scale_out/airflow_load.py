"""What the shards of a job cost a real Airflow: CPU of its components, rows of its database, time."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow_s3batch.testing import write_inventory
from airflow_s3batch.testing.servers import Server, seaweedfs
from benchmarks.cpu import Say
from benchmarks.objects import objects
from benchmarks.scale_out import dags
from benchmarks.scale_out.database import Database
from benchmarks.scale_out.processes_cpu import component_cpu_s
from benchmarks.scale_out.results import Load
from benchmarks.scale_out.scope import AT_A_TIME, Scope
from benchmarks.servers import OBJECTS_BUCKET, Endpoint, make_buckets, null_server
from demo.airflow_api import ENDED
from demo.airflow_stack import AirflowStack

EMPTY, TINY = "empty", "tiny"
KINDS = {EMPTY: "no work at all", TINY: f"{dags.TINY_OBJECTS} objects each"}
TIMEOUT_S = 1_200.0
POLL_S = 0.5
ROOT = Path(__file__).parents[2]
SETTINGS = {
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor,idle:benchmarks.scale_out.idle_executor.IdleExecutor",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    # Airflow's own default; the demo's is shorter.
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
    "PYTHONPATH": str(ROOT),
}


def loads(scope: Scope, say: Say) -> list[Load]:
    """Run each Dag once on an Airflow with 32 slots, and return what it cost."""
    found = []
    with _airflow(scope) as (stack, idle):
        _run(stack, idle, *_wanted(scope)[0])  # the first run of all loads and caches what later ones find
        for kind, shards in _wanted(scope):
            load = _run(stack, idle, kind, shards)
            spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in load.cpu_s.items())
            say(f"{shards} shards, {KINDS[kind]}: {load.elapsed_s:.0f} s; CPU of {spent}")
            found.append(load)
    return found


def _wanted(scope: Scope) -> list[tuple[str, int]]:
    return [*((EMPTY, shards) for shards in scope.empty_shards), *((TINY, shards) for shards in scope.tiny_shards)]


@contextlib.contextmanager
def _airflow(scope: Scope) -> Iterator[tuple[AirflowStack, dict[str, float]]]:
    """Give an Airflow with the Dags, and the CPU seconds a second that its components take idle."""
    with tempfile.TemporaryDirectory(prefix="s3batch-bench-") as folder, seaweedfs() as files, null_server() as null:
        home = Path(folder)
        make_buckets(files)
        (home / "dags").mkdir()
        for kind, shards in _wanted(scope):
            text = dags.empty(shards) if kind == EMPTY else dags.tiny(shards, _inventory(files, shards))
            (home / "dags" / f"{kind}_{shards}.py").write_text(text)
        places = {
            # A writer waits for the others for a minute; five seconds by default.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=60",
            "AIRFLOW_CONN_AWS_DEFAULT": _connection(files, null.endpoint),
            "AIRFLOW_CONN_FILES": files.airflow_connection_uri(),
        }
        stack = AirflowStack(home, dags=home / "dags", settings={**SETTINGS, **places}, parallelism=32)
        stack.prepare()
        with stack:
            for kind, shards in _wanted(scope):
                stack.wait_for_dag(f"{kind}_{shards}")
            before = component_cpu_s(stack)
            time.sleep(scope.idle_s)
            after = component_cpu_s(stack)
            yield stack, {name: (after[name] - before[name]) / scope.idle_s for name in before}


def _connection(like: Server, endpoint: Endpoint) -> str:
    return dataclasses.replace(
        like, endpoint_url=endpoint.url, access_key=endpoint.access_key, secret_key=endpoint.secret_key
    ).airflow_connection_uri()


def _inventory(files: Server, shards: int) -> str:
    """Write an inventory for so many tiny shards; return where its deliveries lie."""
    rows = [
        {"key": obj.key, "size": obj.size, "e_tag": obj.e_tag, "storage_class": "STANDARD"}
        for obj in objects(shards * dags.TINY_OBJECTS)
    ]
    made = datetime.now(UTC) - timedelta(hours=1)
    destination = f"s3://bench-jobs/inventory-{shards}"
    write_inventory(files.client(), destination, OBJECTS_BUCKET, rows, created=made)
    return f"{destination}/{OBJECTS_BUCKET}/daily"


def _run(stack: AirflowStack, idle: dict[str, float], kind: str, shards: int) -> Load:
    dag_id = f"{kind}_{shards}"
    database = Database(stack.home / "airflow.db")
    rows, size, cpu, began = database.rows(), database.bytes(), component_cpu_s(stack), time.monotonic()
    run_id = stack.api.trigger(dag_id)
    _wait(stack, database, dag_id, run_id)
    elapsed_s = time.monotonic() - began
    spent = {name: seconds - cpu[name] - idle[name] * elapsed_s for name, seconds in component_cpu_s(stack).items()}
    course = database.course(dag_id, run_id)
    return Load(
        kind,
        shards,
        AT_A_TIME,
        elapsed_s,
        course.expanded_s,
        course.shards_s,
        {name: round(max(0.0, seconds), 2) for name, seconds in spent.items()},
        {name: number - rows.get(name, 0) for name, number in database.rows().items() if number != rows.get(name, 0)},
        database.bytes() - size,
        database.xcom_bytes(dag_id, run_id),
    )


def _wait(stack: AirflowStack, database: Database, dag_id: str, run_id: str) -> None:
    """Wait for the end of a run; not by the API, whose load is measured."""
    deadline = time.monotonic() + TIMEOUT_S
    while (state := database.run_state(dag_id, run_id)) not in ENDED:
        stack.check()
        if time.monotonic() > deadline:
            raise SystemExit(f"{dag_id} has not ended after {TIMEOUT_S:g} s; logs are in {stack.logs}")
        time.sleep(POLL_S)
    if state != "success":
        raise SystemExit(f"{dag_id} failed; logs are in {stack.home / 'logs'}")
