"""Limits and back-off."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.engine.policy import Policy, allowed_count
from airflow_s3batch.engine.rates.pacing import LONGEST_S, backoff_s


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"tolerate": "NoSuchKey"}, "set of error codes"),
        ({"tolerate": frozenset({"NotAttempted"})}, "always counts"),
        ({"failure_threshold": 0}, "failure_threshold=0"),
        ({"failure_threshold": 5}, "failure_threshold=5"),
        ({"allowed_failures": -1}, "allowed_failures=-1"),
        ({"allowed_failures": 1.5}, "fraction below 1"),
        ({"allowed_failures": math.nan}, "allowed_failures=nan"),
        ({"failure_threshold": math.nan}, "failure_threshold=nan"),
        ({"max_concurrency": 0}, "max_concurrency=0"),
        ({"max_concurrency": math.nan}, "max_concurrency=nan"),
        ({"max_attempts": 0}, "max_attempts=0"),
        ({"max_requests_per_s": 0}, "max_requests_per_s=0"),
        ({"max_requests_per_s": math.nan}, "max_requests_per_s=nan"),
        ({"max_requests_per_s": math.inf}, "max_requests_per_s=inf is neither a rate above 0 nor None"),
        ({"pulse_every_s": 0}, "pulse_every_s=0"),
        ({"request_timeout_s": 0}, "request_timeout_s=0"),
        ({"request_timeout_s": math.nan}, "request_timeout_s=nan"),
    ],
)
def test_wrong_policies_are_refused(values: dict[str, Any], part: str) -> None:
    """With the value and what was expected."""
    with pytest.raises(ArgumentError, match=part):
        Policy(**values)


@pytest.mark.parametrize(("allowed", "objects", "count"), [(0, 10, 0), (3, 10, 3), (0.05, 1000, 50), (0.05, 10, 0)])
def test_allowed_failures_are_a_count_or_a_fraction(allowed: float, objects: int, count: int) -> None:
    """A fraction is rounded down."""
    assert allowed_count(allowed, objects) == count


@given(st.integers(1, 1000), st.floats(0, 1))
def test_waits_are_bounded_and_jittered(attempt: int, chance: float) -> None:
    """Never longer than the limit, down to nothing."""
    assert 0 <= backoff_s(attempt, lambda: chance) <= LONGEST_S


def test_waits_grow() -> None:
    """Exponentially at first."""
    assert [backoff_s(n, lambda: 1.0) for n in (1, 2, 3, 4)] == [0.2, 0.4, 0.8, 1.6]
