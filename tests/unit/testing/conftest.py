"""One emulator for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from emulator_bench import Bench, bench


@pytest.fixture
def lab() -> Iterator[Bench]:
    yield from bench()


@pytest.fixture
def narrow() -> Iterator[Bench]:
    """An emulator with room for one active job."""
    yield from bench(active_jobs=1)
