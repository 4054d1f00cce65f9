"""``docs/scale-out.md``: it is what the figures give, and the simulation behind it keeps to arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.scale_out.__main__ import others_in
from benchmarks.scale_out.document import document
from benchmarks.scale_out.plot import draw
from benchmarks.scale_out.reasons import overhead_s
from benchmarks.scale_out.results import Cut, Load, Results, Speed
from benchmarks.scale_out.shard_counts import Setting, best_s, equal, job_s, picked
from benchmarks.scale_out.throughput import CASES, unequal

DOCS = Path(__file__).parents[3] / "docs"
SETTING = Setting(objects_per_s=100.0, overhead_s=2.0, slots=4)


def load(kind: str, shards: int, tasks_s: float) -> Load:
    cpu_s = {"scheduler": 0.02 * shards, "api-server": 0.05 * shards, "tasks": tasks_s}
    return Load(kind, shards, 8, 60.0, 1.5, 50.0, cpu_s, {"task_instance": shards + 1}, 10**6, 110 * shards)


RESULTS = Results(
    [Speed(1, 9_600, 16, [380.0, 390.0], [0.1, 0.1]), Speed(8, 9_600, 16, [2_900.0, 2_925.0], [0.8, 0.9])],
    [Cut(case, shards, 19_200, 7.5, 8.0, 60.0) for case in CASES for shards in (8, 16)],
    [load("empty", 10, 1.0), load("empty", 1_000, 5.0), load("tiny", 8, 24.0), load("tiny", 40, 80.0)],
    {"processor": "two cores"},
)


def test_page_is_what_its_figures_give() -> None:
    """After a change of the text or of the planner's constants: ``python -m benchmarks.scale_out --only ''``."""
    found = Results.from_json((DOCS / "scale-out.json").read_text(encoding="utf-8"))
    assert (DOCS / "scale-out.md").read_text(encoding="utf-8") == document(found, others_in(DOCS), "scale-out.svg")


def test_tables_and_text_have_the_figures(tmp_path: Path) -> None:
    page = document(RESULTS, others_in(DOCS), "plot.svg")
    assert "8 workers do 7.50 times what one does" in page
    assert "| 8 | 2,925 | 7.50 × | 0.90 | 2,900, 2,925 |" in page
    assert "| 8 | 7.5 s (1.25 ×) |" in page
    assert "| 1,000 | no work at all | 20 ms | 50 ms | 0 ms | 0 ms | 5 ms |" in page
    assert "| `task_instance` | 1.0 | 1.0 |" in page
    assert "?" not in page.partition("## What was not measured")[0].replace("](", "")
    assert Results.from_json(RESULTS.to_json()) == RESULTS
    draw(RESULTS, tmp_path / "plot.svg")
    assert "<svg" in (tmp_path / "plot.svg").read_text()


def test_what_is_not_known_yet_leaves_a_page(tmp_path: Path) -> None:
    assert document(Results(), others_in(DOCS), "plot.svg").startswith("# Scale-out")
    draw(Results(), tmp_path / "plot.svg")


def test_a_tasks_overhead_leaves_manifest_and_report_out() -> None:
    """(80 - 24) seconds for 32 more shards."""
    assert overhead_s(RESULTS) == 1.75


def test_each_slot_takes_the_next_shard_when_it_is_free() -> None:
    assert job_s([1_000], SETTING) == pytest.approx(12)
    assert job_s([1_000] * 8, SETTING) == pytest.approx(24)
    assert job_s([1_000] * 9, SETTING) == pytest.approx(36)
    assert best_s(8_000, SETTING) == pytest.approx(20)


def test_a_slow_slot_takes_fewer_shards() -> None:
    slow = SETTING._replace(slow=1, factor=4.0)
    assert job_s(equal(8_000, 4), slow) == pytest.approx(4 * 22)
    assert job_s(equal(8_000, 40), slow) == pytest.approx(4 * 16)
    assert best_s(8_000, slow) == pytest.approx(8_000 / 325)


def test_the_planner_picks_what_a_slow_worker_can_hardly_hold_up() -> None:
    """From a few million objects on: less than 1.4 times the work alone, however unlucky."""
    setting = Setting(2_450.0, 2.0, slow=1)
    for objects in (2_400_000, 5_000_000, 10_000_000, 20_000_000):
        assert job_s(picked(objects), setting) < 1.4 * best_s(objects, setting)
        assert job_s(picked(objects), setting._replace(slow=0)) < 1.15 * objects / 2_450 / setting.slots


def test_unequal_shards_have_all_the_objects() -> None:
    sizes = unequal(19_200, 16)
    assert (len(sizes), sum(sizes)) == (16, 19_200)
    assert sizes[0] == pytest.approx(4 * sizes[1], rel=0.01)
