"""When the outcomes came about: exact counts, in memory that no job makes grow."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_s3batch.reports.accounts.timeline import MOST_BINS, MOST_POINTS, WIDTHS_S, RangeWork, Timeline

BEGAN = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def work(start_s: float, end_s: float, succeeded: int, failed: int = 0) -> RangeWork:
    started, ended = (BEGAN + timedelta(seconds=second) for second in (start_s, end_s))
    return RangeWork(started.isoformat(), ended.isoformat(), succeeded, failed)


def timeline(*works: RangeWork) -> dict[str, object]:
    line = Timeline()
    for each in works:
        line.add(each)
    return line.to_json()


def points(*works: RangeWork) -> list[list[int]]:
    """Return the points, in seconds since `BEGAN`."""
    return [[at - int(BEGAN.timestamp()), *counts] for at, *counts in timeline(*works)["points"]]  # type: ignore[attr-defined]


def test_outcomes_of_a_range_are_spread_evenly_over_its_time() -> None:
    assert points(work(0, 4, 400, 40)) == [[0, 100, 10], [1, 100, 10], [2, 100, 10], [3, 100, 10], [4, 0, 0]]
    assert points(work(0.5, 2.5, 200)) == [[0, 50, 0], [1, 100, 0], [2, 50, 0]]


def test_ranges_at_the_same_time_add_up() -> None:
    assert points(work(0, 2, 20), work(1, 3, 20)) == [[0, 10, 0], [1, 20, 0], [2, 10, 0], [3, 0, 0]]


def test_a_range_without_duration_counts_where_it_is() -> None:
    """AWS's reports have one time for all rows of a job; clocks may also go backwards."""
    assert points(work(1, 1, 7, 2), work(5, 3, 4)) == [[1, 7, 2], [5, 4, 0]]


def test_pauses_take_no_points() -> None:
    """A job that is cleared a week later is still seen second by second."""
    week = 7 * 86_400
    found = timeline(work(0, 2, 20), work(week, week + 2, 20))
    assert (found["bin_s"], len(found["points"])) == (1, 6)  # type: ignore[arg-type]


def test_nothing_is_told_of_nothing() -> None:
    assert timeline() == {}


def test_bins_grow_with_the_time_and_never_become_more() -> None:
    found = timeline(*(work(n * 60, n * 60 + 60, 6_000) for n in range(10_000)))
    assert found["bin_s"] == 3_600
    assert 160 <= len(found["points"]) <= MOST_POINTS  # type: ignore[arg-type]
    assert sum(point[1] for point in found["points"]) == 60_000_000  # type: ignore[attr-defined]


def test_memory_is_bounded_while_points_are_gathered() -> None:
    line = Timeline()
    for n in range(20_000):
        line.add(work(n * 1_000, n * 1_000 + 1, 1))
        assert len(line._bins) <= MOST_BINS


def test_each_width_is_a_multiple_of_the_one_before() -> None:
    assert all(after % before == 0 for before, after in itertools.pairwise(WIDTHS_S))


TIMES = st.floats(0, 10**6)
WORKS = st.lists(st.tuples(TIMES, st.floats(0, 10**4), st.integers(0, 10**5), st.integers(0, 10**5)), max_size=60)


@settings(max_examples=60, deadline=None)
@example([(53699.0, 0.0, 0, 0), (1.1015625, 5.960464477539063e-08, 79985, 0)])
@given(WORKS)
def test_no_outcome_is_lost_or_told_twice(works: list[tuple[float, float, int, int]]) -> None:
    found = timeline(*(work(start, start + length, done, failed) for start, length, done, failed in works))
    told = found.get("points", [])
    assert sum(point[1] for point in told) == sum(entry[2] for entry in works)  # type: ignore[attr-defined]
    assert sum(point[2] for point in told) == sum(entry[3] for entry in works)  # type: ignore[attr-defined]
    assert [point[0] for point in told] == sorted({point[0] for point in told})  # type: ignore[attr-defined]
    assert all(point[0] % found["bin_s"] == 0 for point in told)  # type: ignore[operator, attr-defined]
    assert len(told) <= MOST_POINTS  # type: ignore[arg-type]
