"""What the benchmarks make of their figures: goals, the page, the picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.checkpoints import AT_THE_END, COMMITTED
from benchmarks.cpu import NULL, REAL
from benchmarks.document import document
from benchmarks.goals import goals
from benchmarks.listing_ways import OURS, PAGINATOR
from benchmarks.planning.contenders import DUCKDB, FETCH, PLANNER
from benchmarks.plot import draw
from benchmarks.results import CheckpointResult, CpuResult, LatencyResult, PlanningResult, Results, ScaleResult


def cpu(contender: str, *us_per_object: float, job: str = "tag", server: str = REAL) -> CpuResult:
    return CpuResult(server, job, contender, 1_000, list(us_per_object), [5_000.0 for _ in us_per_object])


def is_met(results: Results, part: str) -> bool:
    (goal,) = [goal for goal in goals(results) if part in goal.text]
    return goal.is_met


@pytest.mark.parametrize(("ours", "met"), [(45.0, True), (45.1, False)])
def test_bare_loop_is_the_measure_on_the_same_server_only(ours: float, met: bool) -> None:
    """1.5 times the loop's best round is enough, and not a tenth of a microsecond more."""
    results = Results([cpu("run_shard", 99.0, ours), cpu("bare", 30.0, 31.0), cpu("bare", 1.0, server=NULL)])
    assert is_met(results, "bare libcurl loop") is met


@pytest.mark.parametrize(
    ("job", "peer", "parts"), [("tag", "boto3", 12), ("copy", "boto3", 8), ("copy", "s5cmd run", 5)]
)
def test_fraction_of_a_peer_is_met_exactly_at_the_fraction(job: str, peer: str, parts: int) -> None:
    """A twelfth, an eighth, a fifth of what the peer needs."""
    enough = Results([cpu("run_shard", 100.0, job=job), cpu(peer, 100.0 * parts, job=job)])
    short = Results([cpu("run_shard", 100.1, job=job), cpu(peer, 100.0 * parts, job=job)])
    assert is_met(enough, f"1/{parts} of {peer}")
    assert not is_met(short, f"1/{parts} of {peer}")


@pytest.mark.parametrize(("rate", "met"), [(500.0, True), (499.0, False)])
def test_a_listing_is_compared_on_the_same_server_and_shape(rate: float, met: bool) -> None:
    """Five times the paginator's best rate there."""
    rows = [
        CpuResult(REAL, "flat", OURS, 9, [2.0, 2.0], [rate, 1.0]),
        CpuResult(REAL, "flat", PAGINATOR, 9, [9.0], [100.0]),
        CpuResult(REAL, "deep", PAGINATOR, 9, [9.0], [1.0]),
    ]
    results = Results(listing=rows)
    assert is_met(results, "as fast as boto3's paginator") is met
    assert Results.from_json(results.to_json()) == results
    assert "| SeaweedFS | flat | boto3 paginator | 100 | 1.0 × |" in document(results, "plot.svg")


def test_a_rate_needs_the_processor_share_as_well() -> None:
    """3,500/s on half a core is not the goal, whatever a slower round needed."""
    results = Results(latency=[LatencyResult("run_shard", 200, 10, [3_600.0, 3_000.0], [0.5, 0.3], [70.0])])
    assert not is_met(results, "at most 0.4 of a core")


def test_ten_million_rows_that_were_not_run_are_not_met() -> None:
    """A small shard proves nothing about a large one."""
    small = ScaleResult(100_000, 5_000, 150.0, 0.5, 20_000.0, 40.0)
    assert not is_met(Results(scale=[small]), "10 million rows")
    large = ScaleResult(10_000_000, 10_000, 160.0, 0.9, 20_000.0, 40.0)
    assert is_met(Results(scale=[small, large]), "10 million rows")


def test_checkpoint_loss_is_the_median_of_the_rounds() -> None:
    """A round in which the machine was busy does not count against either way."""
    ours = CheckpointResult(NULL, COMMITTED, 20, 10, [97.0, 10.0, 98.0], [1.0])
    theirs = CheckpointResult(NULL, AT_THE_END, 1, 10, [100.0, 100.0, 100.0], [1.0])
    assert ours.loss_against(theirs) == pytest.approx(0.03)
    assert is_met(Results(checkpoints=[ours, theirs]), AT_THE_END)


def test_figures_survive_their_file() -> None:
    """A section that is not measured again is shown as it was."""
    results = Results(
        [cpu("run_shard", 45.0)],
        [LatencyResult("bare", 200, 10, [1.0], [0.1], [5.0])],
        [CheckpointResult(NULL, COMMITTED, 20, 10, [97.0], [1.0])],
        [ScaleResult(100, 250, 150.0, 0.5, 20_000.0, 40.0)],
        [planning(PLANNER, 1.0)],
        [cpu(OURS, 2.0, job="flat")],
        {"load": "none"},
    )
    assert Results.from_json(results.to_json()) == results


def test_page_shows_each_contender_relative_to_run_shard_and_what_was_not_measured() -> None:
    """Readers want ratios, and the limits of what was measured."""
    page = document(Results([cpu("run_shard", 50.0), cpu("boto3", 1_000.0)]), "picture.svg")
    assert "| boto3 | 1000.0 | 20.00 × |" in page
    assert "(picture.svg)" in page
    assert "## What was not measured" in page


def test_same_figures_give_the_same_picture(tmp_path: Path) -> None:
    """A run that changes nothing leaves no diff."""
    pytest.importorskip("matplotlib")
    results = Results([cpu("run_shard", 50.0), cpu("boto3", 1_000.0)])
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    draw(results, first)
    draw(results, second)
    assert first.read_bytes() == second.read_bytes()


def planning(contender: str, cpu_s: float, *, rows: int = 100_000_000, peak_mb: float = 500.0) -> PlanningResult:
    return PlanningResult("CSV", rows, "all", contender, rows, [99.0, cpu_s], [9.0, 9.0], [1.0, peak_mb])


@pytest.mark.parametrize(("ours", "met"), [(140.0, True), (140.1, False)])
def test_the_planner_may_cost_a_third_more_than_duckdb_which_need_not_fetch(ours: float, met: bool) -> None:
    """Getting the files, for which it is not to blame, is measured by itself and taken off."""
    results = Results(planning=[planning(PLANNER, ours), planning(FETCH, 10.0), planning(DUCKDB, 100.0)])
    for row in results.planning:
        row.cpu_s.pop(0)
    assert is_met(results, "bare DuckDB") is met


@pytest.mark.parametrize(
    ("rows", "peak_mb", "met"),
    [(100_000_000, 1_024.0, True), (100_000_000, 1_025.0, False), (10_000_000, 500.0, False)],
)
def test_the_planners_memory_counts_at_a_hundred_million_rows(rows: int, peak_mb: float, met: bool) -> None:
    """A smaller inventory proves nothing, and the memory of the others does not matter."""
    results = Results(planning=[planning(PLANNER, 1.0, rows=rows, peak_mb=peak_mb), planning(DUCKDB, 1.0, peak_mb=9e9)])
    assert is_met(results, "planner at most 1 GiB") is met
    assert f"| CSV | {rows:,} | {rows:,} | planner | 1.00 |" in document(results, "plot.svg")
    assert Results.from_json(results.to_json()) == results
