"""Several runs that know nothing of one another at a store that throttles: their windows find even shares."""

from __future__ import annotations

import pytest
from throttling_store import Run, Store, fairness

from airflow_s3batch.engine.rates.pacing import Pace


def shares(store: Store, seconds: int, first: int) -> list[float]:
    """Return what each run got a second, from the second *first* on."""
    store.run(seconds)
    return [run.mean(first, seconds) for run in store.runs]


@pytest.mark.parametrize(("one", "other", "limit"), [(128, 128, 1_000), (128, 512, 1_000), (512, 512, 3_500)])
def test_two_runs_have_even_shares_of_nearly_all_that_the_store_grants(one: int, other: int, limit: int) -> None:
    """Whatever their concurrency."""
    found = shares(Store(lambda _: limit, [Run(Pace(one)), Run(Pace(other))]), 40, 10)
    assert fairness(found) > 0.95
    assert sum(found) > 0.9 * limit


@pytest.mark.parametrize(("first", "late"), [(128, 512), (512, 128)])
def test_a_late_joiner_is_given_room_and_does_not_push_the_other_aside(first: int, late: int) -> None:
    """Even shares a few seconds later; while it joins the store does not have to refuse half of all requests."""
    runs = [Run(Pace(first)), Run(Pace(late), begins_s=10)]
    found = shares(Store(lambda _: 1_000, runs), 45, 15)
    assert fairness(found) > 0.95
    assert sum(found) > 0.9 * 1_000
    assert runs[0].mean(10, 15) > 250
    assert sum(run.refused[second] for run in runs for second in range(10, 15)) < 1_500


def test_who_ends_leaves_its_share_to_the_other() -> None:
    runs = [Run(Pace(128), ends_s=20), Run(Pace(128))]
    assert shares(Store(lambda _: 1_000, runs), 40, 28)[1] > 850


def test_ten_runs_have_shares_that_differ_little() -> None:
    """Each gets a tenth of a store that serves a thousand a second."""
    found = shares(Store(lambda _: 1_000, [Run(Pace(128)) for _ in range(10)]), 40, 15)
    assert fairness(found) > 0.9
    assert sum(found) > 0.9 * 1_000
