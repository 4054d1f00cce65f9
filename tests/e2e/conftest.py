"""A real Airflow (scheduler, LocalExecutor) and an S3 server that enforces bucket policies, for all tests here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import psutil
import pytest
from real_jobs import RealJob

from airflow_s3batch.testing import S3BatchEmulator, ServerMissingError, ministack
from demo.airflow_stack import AirflowStack
from demo.processes import is_alive
from demo.world import make_user

if TYPE_CHECKING:
    from airflow_s3batch.testing import Server

SETTINGS = {
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
    # How soon a task is missed whose worker is gone; five minutes by default.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
    # How soon a scheduler is missed; half a minute by default. It must not miss itself: it looks when it starts only.
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "86400",
    # How soon a triggerer is missed, and its triggers given to another one; half a minute by default.
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """MiniStack; its own user is the account's root. Without its program the tests are skipped, on CI they fail."""
    try:
        with ministack(checks_access=True) as running:
            yield running
    except ServerMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def user(server: Server) -> Server:
    """The server as Airflow's connection reaches it."""
    for bucket in ("inventories", "ops"):
        server.client().create_bucket(Bucket=bucket)
    return make_user(server)


@pytest.fixture(scope="session")
def aws(server: Server) -> Iterator[S3BatchEmulator]:
    """AWS S3 Batch Operations in front of the server; Airflow's connection to both is ``aws_batch``."""
    with S3BatchEmulator(server) as running:
        yield running


@pytest.fixture(scope="session")
def stack(
    server: Server, user: Server, aws: S3BatchEmulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowStack]:
    """A running Airflow; it leaves no process behind."""
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    dags.mkdir()
    settings = {
        **SETTINGS,
        "AIRFLOW_CONN_AWS_DEFAULT": user.airflow_connection_uri(),
        "AIRFLOW_CONN_AWS_ROOT": server.airflow_connection_uri(),
        "AIRFLOW_CONN_AWS_BATCH": aws.airflow_connection_uri(),
    }
    stack = AirflowStack(home, dags=dags, settings=settings)
    stack.prepare()
    with stack:
        yield stack
        started = [child for child in psutil.Process().children(recursive=True) if child.pid != user.pid]
    assert len(started) > 4
    assert not [process for process in started if is_alive(process)]


@pytest.fixture
def new_job(stack: AirflowStack, server: Server) -> Callable[..., RealJob]:
    """``new_job(name, objects=…, shards=…)``: objects, an inventory of them and a Dag that tags them, in its folder."""
    return lambda name, **arguments: RealJob(name, stack, server, **arguments)
