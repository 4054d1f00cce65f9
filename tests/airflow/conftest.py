"""Dags run for real, task after task in this process, against a database of their own and a real S3 server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_home import own_airflow_home

own_airflow_home()

import pytest
from dag_runs import DagFolder, database
from lake import Lake

from airflow_s3batch.testing import ServerMissingError, ministack, seaweedfs
from airflow_s3batch.testing.servers import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from airflow_s3batch.testing import Server

READER = Identity("reader", "s3batch-reader", "s3batch-reader-secret", ("Read", "List"))


def _started(server: Callable[[], AbstractContextManager[Server]]) -> Iterator[Server]:
    """Yield the running server; without its program the test is skipped, on CI it fails."""
    try:
        with server() as running:
            yield running
    except ServerMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def dags() -> DagFolder:
    """A folder of Dags, and a database that knows them."""
    home = Path(os.environ["AIRFLOW_HOME"])
    database(home / "airflow.db")
    return DagFolder(home / "dags")


@pytest.fixture(scope="session")
def signing_server() -> Iterator[Server]:
    """SeaweedFS: checks signatures and conditions."""
    yield from _started(lambda: seaweedfs([READER]))


@pytest.fixture(scope="session")
def lenient_server() -> Iterator[Server]:
    """MiniStack: stores every key that S3 does."""
    yield from _started(ministack)


@pytest.fixture(params=["seaweedfs"])
def lake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """
    New buckets on a server, and the connection ``aws_default`` to it.

    SeaweedFS, unless a test names another one: what servers do differently is the business of the contract suite.
    """
    name = {"seaweedfs": "signing_server", "ministack": "lenient_server"}[request.param]
    server: Server = request.getfixturevalue(name)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_uri())
    lake = Lake(server)
    monkeypatch.setenv("AIRFLOW_VAR_S3BATCH_INVENTORY", lake.inventory)
    monkeypatch.setenv("AIRFLOW_VAR_S3BATCH_JOB_URL", lake.job_url)
    return lake
