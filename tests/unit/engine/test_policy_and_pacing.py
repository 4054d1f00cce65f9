"""Limits, back-off, slow-down, early stop."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.engine.pacing import LONGEST_S, Window, backoff_s
from airflow_s3batch.engine.policy import Policy, allowed_count
from airflow_s3batch.engine.progress import Progress
from airflow_s3batch.engine.threshold import Threshold


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


def test_the_window_shrinks_once_a_second_and_recovers() -> None:
    """A burst of refusals counts once; successes win back the rest."""
    window = Window(100)
    for _ in range(50):
        window.on_throttle(10.0)
    assert window.size == pytest.approx(70)
    assert window.slow_downs == 50
    assert not window.allows(0, 10.1)
    assert window.allows(69, 11.0)
    window.on_throttle(11.1)
    assert window.size == pytest.approx(49)
    for _ in range(10_000):
        window.on_success()
    assert window.size == 100


def test_the_window_never_closes() -> None:
    """However long the storm."""
    window = Window(3)
    for second in range(100):
        window.on_throttle(float(second * 2))
    assert window.size == 1
    assert window.allows(0, 1000.0)


def test_a_run_stops_early_from_a_thousand_objects_on() -> None:
    """Not before; tolerated codes are no failures."""
    bad = Outcome(403, "AccessDenied")
    threshold = Threshold(Policy())
    for _ in range(999):
        threshold.count(bad)
    assert threshold.keep_going()
    threshold.count(bad)
    assert not threshold.keep_going()
    assert "1,000 of 1,000" in threshold.reason
    tolerant = Threshold(Policy(tolerate=frozenset({"AccessDenied"})))
    for _ in range(5_000):
        tolerant.count(bad)
    assert tolerant.keep_going()


def test_exactly_the_threshold_goes_on() -> None:
    """More than the share stops a run, the share itself does not."""
    threshold = Threshold(Policy(failure_threshold=0.5))
    for _ in range(2_000):
        threshold.count(SUCCESS)
        threshold.count(Outcome(403, "AccessDenied"))
    assert threshold.keep_going()


def test_progress_is_one_line_every_few_seconds() -> None:
    """With the objects of earlier attempts counted in."""
    lines: list[str] = []
    now = [0.0]
    progress = Progress("put_object_tagging", 100, 1_000, every_s=10, write=lines.append, clock=lambda: now[0])
    for second in range(0, 31, 5):
        now[0] = float(second)
        progress.tick(second * 10, 3, 2)
    assert lines == [
        "put_object_tagging 200/1,000 (20 %) 10/s, 3 failed, 2 slowdowns",
        "put_object_tagging 300/1,000 (30 %) 10/s, 3 failed, 2 slowdowns",
        "put_object_tagging 400/1,000 (40 %) 10/s, 3 failed, 2 slowdowns",
    ]
