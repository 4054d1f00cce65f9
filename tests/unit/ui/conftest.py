"""The page's application over a database with jobs in every state, with Airflow's own authorization."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_home import own_airflow_home

own_airflow_home()
sys.path += [str(Path(__file__).parents[2] / folder) for folder in ("ui", "airflow")]

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient
    from seeded_jobs import Place

SHARDS = 40
SECRET = "secret_lake"


@pytest.fixture(scope="session")
def places() -> dict[str, Place]:
    """The database is filled; returns the jobs by what they show."""
    import seeded_jobs
    from airflow import settings
    from dag_runs import database

    database(Path(str(settings.SQL_ALCHEMY_CONN).removeprefix("sqlite:///")))
    return seeded_jobs.seed(shards=SHARDS, many=30)


@pytest.fixture(scope="session")
def client(places: dict[str, Place]) -> Callable[..., TestClient]:
    """Return a client of the page for somebody with a role, or for nobody; only ``admin`` may read `SECRET`."""
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from airflow_s3batch.ui.plugin import PREFIX, LazyApp

    manager = create_auth_manager()
    allowed = manager.is_authorized_dag

    def is_authorized_dag(*, details: Any = None, user: Any, **asked: Any) -> bool:
        is_secret = details is not None and details.id == SECRET and user.role != "admin"
        is_question = asked.get("access_entity") is DagAccessEntity.HITL_DETAIL and user.role == "viewer"
        return not is_secret and not is_question and allowed(details=details, user=user, **asked)

    manager.is_authorized_dag = is_authorized_dag
    airflow = FastAPI(root_path="/af")
    airflow.mount(PREFIX, LazyApp())

    def made(role: str | None = "viewer", *, by_cookie: bool = False) -> TestClient:
        if role is None:
            return TestClient(airflow, base_url="http://testserver/af")
        token = manager.generate_jwt(SimpleAuthManagerUser(username=role, role=role))
        if by_cookie:
            return TestClient(airflow, base_url="http://testserver/af", cookies={"_token": token})
        return TestClient(airflow, base_url="http://testserver/af", headers={"Authorization": f"Bearer {token}"})

    return made


@pytest.fixture
def job(client: Callable[..., TestClient], places: dict[str, Place]) -> Callable[..., Any]:
    """Return the details of a seeded job by its name."""

    def detail(name: str, role: str = "admin", **query: Any) -> Any:
        place = places[name]
        answer = client(role).get("/s3batch/api/run", params={"dag_id": place.dag_id, "run_id": place.run_id, **query})
        assert answer.status_code == 200, answer.text
        jobs = answer.json()["jobs"]
        return next(job for job in jobs if job["group"] == place.group)

    return detail
