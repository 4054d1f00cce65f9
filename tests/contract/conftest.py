"""The stores of the contract: real servers, and AWS where the environment names a bucket."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from cases import Case
from differences import REFUSED, WITHOUT_FUNCTIONS
from worlds import World, aws_world, world_of

from airflow_s3batch import testing

SERVERS = {"seaweedfs": testing.seaweedfs, "ministack": testing.ministack}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "contract" in item.path.parts:
            item.add_marker(pytest.mark.integration)
    left_out = [item for item in items if not _is_meant(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def _is_meant(item: pytest.Item) -> bool:
    """Return whether a test is about its store and its operation: what a store lacks, one test sees refused."""
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    world, case = params.get("world"), params.get("case")
    if params.get("store", world) != world:
        return False
    if not isinstance(case, Case):
        return True
    is_there = (world, case.name) not in REFUSED and not (case.needs_function and world in WITHOUT_FUNCTIONS)
    return is_there and all(getattr(case, name) for mark in item.iter_markers("case_has") for name in mark.args)


AWS = aws_world()
"""``None`` if the environment names no bucket on AWS."""


def pytest_report_header() -> str:
    told = "S3BATCH_TEST_AWS_BUCKET names no bucket (see worlds.aws_world)"
    return f"contract tests run on {', '.join(SERVERS)}" + (" and AWS" if AWS else f", not on AWS: {told}")


@pytest.fixture(scope="session", params=[*SERVERS, *(["aws"] if AWS else [])])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A store; without its program the test is skipped, on CI it fails."""
    if request.param == "aws":
        assert AWS is not None
        yield AWS
        return
    try:
        context = SERVERS[request.param]()
        server = context.__enter__()
    except testing.ServerMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    try:
        yield world_of(server, request.param)
    finally:
        context.__exit__(None, None, None)
