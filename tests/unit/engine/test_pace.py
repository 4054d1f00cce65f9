"""Slow-down and recovery: the window against a store that throttles, in simulated time."""

from __future__ import annotations

import math

import pytest
from throttling_store import Run, alone

from airflow_s3batch.engine.rates.pacing import Pace, Window


def between(counts: dict[int, int], first: int, end: int) -> float:
    """Return the mean of *counts* over the seconds from *first* to before *end*."""
    return sum(counts.get(second, 0) for second in range(first, end)) / (end - first)


def open_wide(window: Window) -> None:
    """Let *window* open for as long as it takes, from second 0 to 5."""
    window.open(0.0)
    window.open(5.0)
    assert window.size == window.most
    assert not window.is_starting


@pytest.mark.parametrize(
    ("most", "limit", "latency_s"), [(128, 500, 0.05), (500, 500, 0.05), (128, 3_500, 0.02), (500, 3_500, 0.1)]
)
def test_a_run_comes_close_to_what_the_store_bears_without_a_storm(most: int, limit: int, latency_s: float) -> None:
    """Within seconds; from then on nearly all requests are served, at nine tenths of the store's rate."""
    run = alone(40, lambda _: limit, Run(Pace(most), latency_s=latency_s))
    assert between(run.served, 10, 40) > 0.88 * limit
    assert between(run.refused, 10, 40) < 0.01 * limit
    assert sum(run.refused.values()) < 12 * most


@pytest.mark.parametrize("limit", [5, 20])
def test_a_store_that_bears_less_than_one_request_at_a_time_gets_pauses(limit: int) -> None:
    """A window of one would send 50 a second here, and most of them in vain."""
    run = alone(60, lambda _: limit, Run(Pace(32), latency_s=0.02))
    assert run.pace.window.least < 1
    assert between(run.served, 20, 60) > 0.6 * limit
    assert between(run.refused, 20, 60) < 0.1 * limit


def test_a_run_recovers_when_the_store_does() -> None:
    """Throttled to a fiftieth for a minute; half a minute later all is as it was."""
    run = alone(100, lambda now: 50.0 if now < 60 else 10_000.0, Run(Pace(128)))
    assert between(run.served, 50, 60) < 55
    assert run.sizes[59] < 5
    assert run.sizes[95] == 128
    assert between(run.served, 95, 100) > 0.9 * 128 / 0.05


@pytest.mark.parametrize("answers_per_s", [2, 1_000])
def test_from_one_to_five_hundred_takes_less_than_a_minute_whatever_the_latency(answers_per_s: int) -> None:
    window = Window(500)
    second = 0.0
    while window.size > 1:
        window.on_throttle(second)
        second += 3.0
    for tick in range(60 * answers_per_s):
        window.on_success(second + tick / answers_per_s)
    assert window.size == 500


def test_a_window_opens_within_half_a_second_whatever_the_latency() -> None:
    """No answer is needed for it, so slow functions don't hold it up; and the loop does not sleep meanwhile."""
    pace = Pace(512)
    assert pace.window.size == Window.START
    assert pace.room(0, 0.0) == Window.START
    assert not pace.allows(16, 0.0)
    assert 0 < pace.wait_s(0.0) < Window.OPENING_S
    assert pace.allows(31, 0.1)
    assert pace.allows(511, 0.51)
    assert not pace.allows(512, 0.6)
    assert pace.wait_s(0.6) == math.inf
    assert pace.window.least == 512


def test_a_window_that_is_opening_when_the_store_complains_gives_more_way_and_tries_once_more() -> None:
    """Half a second after it has joined others it knows that the store is at its limit."""
    window = Window(512)
    window.open(0.0)
    window.open(0.25)
    assert window.size == 64
    window.on_throttle(0.25)
    assert window.size == pytest.approx(64 * Window.OPENING_SHRINK)
    window.on_success(0.3)
    assert window.size == pytest.approx(64 * Window.OPENING_SHRINK)
    window.open(0.3)
    window.open(0.25 + Window.HOLD_S + 2 * Window.REOPENING_S)
    assert window.size == pytest.approx(4 * 64 * Window.OPENING_SHRINK)
    window.on_throttle(1.5)
    assert not window.is_starting


def test_requests_of_one_window_that_fail_together_shrink_it_once() -> None:
    """And hold new requests back for a moment."""
    pace = Pace(100)
    open_wide(pace.window)
    for _ in range(50):
        pace.on_throttle(10.0)
    assert pace.window.size == pytest.approx(70)
    assert pace.window.slow_downs == 50
    assert not pace.allows(0, 10.1)
    assert pace.wait_s(10.1) == pytest.approx(0.15)
    assert pace.wait_s(10.1) == math.inf
    assert pace.allows(69, 11.0)
    assert not pace.allows(70, 11.0)


def test_the_window_shrinks_more_where_less_is_answered_well() -> None:
    """So one that is far too large finds its size in a few steps."""
    window = Window(100)
    open_wide(window)
    window.on_throttle(10.0)
    for _ in range(40):
        window.on_success(10.0)
    for _ in range(59):
        window.on_throttle(10.5)
    assert window.size == pytest.approx(70)
    window.on_throttle(11.1)
    assert window.size == pytest.approx(70 * 0.4)
    for _ in range(100):
        window.on_throttle(11.5)
    window.on_throttle(12.2)
    assert window.size == pytest.approx(70 * 0.4 * Window.STRONGEST_SHRINK)


def test_the_window_never_closes() -> None:
    """However long the storm, a request passes every few seconds."""
    pace = Pace(3)
    for second in range(100):
        pace.on_throttle(float(second * 2))
    assert pace.window.size == Window.LEAST
    assert pace.allows(0, 300.0)
    assert not pace.allows(0, 300.1)
    assert 0 < pace.wait_s(300.1) < 2
    assert pace.allows(0, 302.0)


def test_a_full_window_waits_for_answers_and_for_nothing_else() -> None:
    pace = Pace(2, 1_000.0)
    assert not pace.allows(2, 5.0)
    assert pace.wait_s(5.0) == math.inf


def test_without_limit_and_trouble_nothing_is_paced() -> None:
    pace = Pace(10)
    assert all(pace.allows(in_flight, 0.0) for in_flight in range(10))
    assert pace.wait_s(0.0) == math.inf
