"""Airflow gets a home of its own before anything imports it; no database is made."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from airflow_home import own_airflow_home

own_airflow_home()

import pytest
from fakes import SetTag, TaskInstance

from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.s3 import StoreSettings
from airflow_s3batch.testing import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Iterator

# In the environment of the lowest versions OpenLineage is not installed, as with most users.
collect_ignore = [] if importlib.util.find_spec("openlineage") else ["test_openlineage.py"]


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> MemoryStorage:
    """Files in memory, wherever an operator opens a store."""
    files = MemoryStorage()
    monkeypatch.setattr(StoreSettings, "storage", lambda _self: files)
    return files


@pytest.fixture
def job() -> S3Url:
    return S3Url("ops", "s3batch/job-1")


@pytest.fixture
def context() -> dict[str, Any]:
    """What Airflow hands to a task of a run without a logical date."""
    return {"ti": TaskInstance(), "run_id": "manual__1"}


@pytest.fixture
def operation() -> SetTag:
    return SetTag("team", "{{ run_id }}")


@pytest.fixture
def dag() -> Iterator[Any]:
    from airflow.sdk import DAG

    with DAG("tagging", schedule=None) as dag:
        yield dag


@pytest.fixture
def no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow has none; outside of a task, Airflow 3.1 has no way to say so itself."""
    from airflow.sdk import BaseHook

    from airflow_s3batch.hooks.airflow_names import AirflowNotFoundException

    def get_connection(conn_id: str) -> None:
        raise AirflowNotFoundException(f"The conn_id `{conn_id}` isn't defined")

    monkeypatch.setattr(BaseHook, "get_connection", get_connection)
