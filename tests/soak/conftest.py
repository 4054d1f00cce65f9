"""Servers for the soak test; it shares its tools with the integration tests."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_s3batch import testing

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "soak" in item.path.parts:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, testing.Server]]:
    """The servers by name. Without their programs the test is skipped, on CI it fails."""
    with contextlib.ExitStack() as stack:
        try:
            yield {
                "seaweedfs": stack.enter_context(testing.seaweedfs()),
                "ministack": stack.enter_context(testing.ministack()),
            }
        except testing.ServerMissingError as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(error))
