"""``docs/scale.md``: it is what the figures give, and the simulation behind it keeps to arithmetic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.scale_plan.known import figures_in, known_in, tables_in
from benchmarks.scale_plan.limits import limits
from benchmarks.scale_plan.model import SIZES, Plan, advice_for
from benchmarks.scale_plan.page import page
from benchmarks.scale_plan.simulation import Setting, simulated

DOCS = Path(__file__).parents[3] / "docs"
SETTING = Setting(slots=4, starts_per_s=1.0, startup_s=3.0, ending_s=1.0, task_rate=100.0, store_rate=1e9)


def test_page_is_what_its_figures_give() -> None:
    """After a change of figures or of the planner's constants: ``python -m benchmarks.scale_plan``."""
    assert (DOCS / "scale.md").read_text(encoding="utf-8") == page(figures_in(DOCS), tables_in(DOCS))


def test_one_shard_takes_its_start_its_requests_and_its_end() -> None:
    course = simulated([1_000], SETTING)
    assert course.hours * 3600 == pytest.approx(3 + 10 + 1)
    assert course.peak_rate == pytest.approx(100)


def test_slots_and_the_scheduler_bound_what_runs() -> None:
    """Eight shards in four slots: two rounds; the last one is started a second after the one before it."""
    course = simulated([1_000] * 8, SETTING)
    assert course.hours * 3600 == pytest.approx(2 * 14 + 3)
    assert course.peak_rate == pytest.approx(400)
    slow = simulated([1_000] * 8, replace(SETTING, starts_per_s=0.1))
    assert slow.hours * 3600 == pytest.approx(7 * 10 + 14)


def test_the_store_bounds_all_tasks_together() -> None:
    course = simulated([10_000] * 8, Setting(4, 100.0, 0.0, 0.0, 100.0, 50.0))
    assert course.hours * 3600 == pytest.approx(80_000 / 50, rel=0.01)
    assert course.peak_rate == pytest.approx(50)


def test_unequal_shards_have_a_tail() -> None:
    equal, unequal = simulated([1_000] * 8, SETTING), simulated([500] * 7 + [4_500], SETTING)
    assert unequal.tail_hours > 2 * equal.tail_hours
    assert unequal.mean_rate < equal.mean_rate


def test_every_object_is_in_a_shard_and_no_list_is_longer_than_airflow_maps() -> None:
    known = known_in(DOCS)
    for objects in SIZES:
        plan = Plan(objects, advice_for(objects), known)
        assert sum(plan.shards) == objects
        assert max(len(plan.shards), plan.advice.planning_tasks) <= known["map_length"]
        assert plan.manifest.rows == objects
        assert plan.xcom_bytes <= 150 * len(plan.shards)


def test_limits_come_in_the_order_of_size() -> None:
    found = [limit.objects for limit in limits(known_in(DOCS))]
    assert found == sorted(found)
    assert found[0] < 1e8 < found[-1] <= 20e9
