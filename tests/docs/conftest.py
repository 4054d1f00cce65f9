"""Every block of the docs runs: against one S3 server for each test process, and an Airflow home of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from airflow_home import own_airflow_home

own_airflow_home()
sys.path += [str(Path(__file__).parents[1] / name) for name in ("airflow", "ui")]

import boto3
import pytest
from dag_runs import database
from doc_pages import ROOT
from docs_world import World
from finished_job import finish_a_job

from airflow_s3batch.testing import S3BatchEmulator, ServerMissingError, ministack, seaweedfs

CLONE = "airflow-provider-s3batch"
LEFT_OUT = shutil.ignore_patterns(
    ".*", "__pycache__", "node_modules", "build", "dist", "tests", "images", "*.svg", "airflow_s3batch", "benchmarks"
)


@pytest.fixture(scope="session")
def _airflow_database() -> None:
    home = Path(os.environ["AIRFLOW_HOME"])
    (home / "dags").mkdir(parents=True, exist_ok=True)
    database(home / "airflow.db")


@pytest.fixture(scope="session")
def _worlds(_airflow_database: None) -> Iterator[Callable[[str], World]]:
    with contextlib.ExitStack() as stack:
        made: dict[str, World] = {}

        def world(name: str) -> World:
            if name not in made:
                server = stack.enter_context({"seaweedfs": seaweedfs, "ministack": ministack}[name]())
                made[name] = World(server, stack.enter_context(S3BatchEmulator(server)))
                finish_a_job(made[name])
            return made[name]

        yield world


@pytest.fixture
def world_of(_worlds: Callable[[str], World], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], World]:
    """Makes the world of a page on the server of a name; tells everybody of it by the environment."""

    def made(name: str) -> World:
        try:
            world = _worlds(name)
        except ServerMissingError as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(error))
        for variable, value in world.environment().items():
            monkeypatch.setenv(variable, value)
        # A reader begins with a Python of his own; here another page's credentials would still be in boto3's session.
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        world.make()
        return world

    return made


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of what a clone has, as far as commands of the docs need it; the package is linked."""
    copy = tmp_path / CLONE
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT, symlinks=True)
    (copy / "airflow_s3batch").symlink_to(ROOT / "airflow_s3batch")
    return copy
