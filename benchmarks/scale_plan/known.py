"""Gathers the measured unit costs from the files of figures, and puts all numbers together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.results import Results
from benchmarks.scale_plan.figures import ASSUMED_FIGURES, DOCUMENTED_FIGURES, MEASURED, PRICES, Figure, values

_SCHEDULER = "64 mapped tasks that do nothing; SQLite, LocalExecutor, parallelism 2 to 8, two cores: 0.9 to 1.5"
_BENCH = "[benchmarks](benchmarks.md)"
_OWN = "`python -m benchmarks.scale_plan --measure`"
_NAMES = {
    "inventory_bytes_parquet": ("bytes", "a row of a Parquet inventory with ten columns"),
    "inventory_bytes_csv": ("bytes", "the same in CSV"),
    "planning_us_parquet": ("µs of CPU", "to plan a row of it in one task, every row selected"),
    "planning_us_csv": ("µs of CPU", "the same in CSV"),
    "planning_mb_parquet": ("MB", "peak memory of that task"),
    "planning_mb_csv": ("MB", "the same in CSV"),
    "one_us_parquet": ("µs of CPU", "to plan a row of Parquet in one task, for comparison with groups"),
    "groups_us_parquet": ("µs of CPU", "to plan a row in four groups, all tasks together"),
    "groups_us_csv": ("µs of CPU", "the same in CSV"),
    "staged_bytes": ("bytes", "a selected row on the local disk of a planning task"),
    "shard_bytes": ("bytes", "a row in a shard file"),
    "report_cpu_ms_range": ("ms of CPU", "of the report task for a row range"),
    "report_mb": ("MB", "peak memory of the report task"),
    "report_us_failure": ("µs of CPU", "of the report task for a failed object"),
    "report_entry_bytes": ("bytes", "of `report/manifest.json` for a result file"),
    "result_bytes": ("bytes", "a row of a result file"),
    "aws_manifest_bytes": ("bytes", "a row of the CSV manifest for AWS, without a version"),
}
_OWN_NAMES = {"one_us_parquet": "planning_us_parquet"}
"""Figures of the same runs as others, which the larger benchmark of planning does not replace."""


def measured(results: Results, own: Mapping[str, Any]) -> dict[str, Figure]:
    """Return what was measured: *results* is of the benchmarks, *own* of `benchmarks.scale_plan.measure`."""
    behind = next(row for row in results.latency if row.contender == "run_shard")
    largest = max(results.scale, key=lambda row: row.rows)
    figures = {
        "run_us": Figure(min(behind.us_per_object), "µs of CPU", "for an object of a worker", MEASURED, _BENCH),
        "rate_per_window": Figure(
            behind.fastest[0] / behind.window,
            "requests/s",
            "for each request in flight, behind 50 ms",
            MEASURED,
            _BENCH,
        ),
        "worker_mb": Figure(largest.peak_mb, "MB", f"peak memory of a task, {largest.rows:,} rows", MEASURED, _BENCH),
        "shard_start_s": Figure(largest.startup_s, "s", "from its shard to its first request", MEASURED, _BENCH),
        "starts_per_s": Figure(1.0, "tasks/s", "that the scheduler starts and ends", MEASURED, _SCHEDULER),
        "task_start_s": Figure(1.0, "s", "process start and parse of the Dag", MEASURED, _SCHEDULER),
    }
    for name, (unit, what) in _NAMES.items():
        figures[name] = Figure(float(own["figures"][_OWN_NAMES.get(name, name)]), unit, what, MEASURED, _OWN)
    for file_format in ("Parquet", "CSV"):
        figures |= _planning(results, file_format)
    return figures


def _planning(results: Results, file_format: str) -> dict[str, Figure]:
    """Return what the benchmark of planning says, in place of a smaller run's; nothing if it was not run."""
    rows = [r for r in results.planning if (r.contender, r.file_format, r.share) == ("planner", file_format, "all")]
    if not rows:
        return {}
    largest = max(rows, key=lambda row: row.rows)
    found = {
        "planning_us": (1e6 * min(largest.cpu_s) / largest.rows, f"{largest.rows:,} of them"),
        "planning_mb": (max(largest.peak_mb), f"{largest.rows:,} rows"),
    }
    figures = {}
    for prefix, (value, at) in found.items():
        name = f"{prefix}_{file_format.lower()}"
        unit, what = _NAMES[name]
        figures[name] = Figure(value, unit, f"{what}, {at}", MEASURED, _BENCH)
    return figures


def figures_in(docs: Path) -> dict[str, Figure]:
    """Return all figures by name; the measured ones are in the folder *docs*."""
    results = Results.from_json((docs / "benchmarks.json").read_text(encoding="utf-8"))
    own = json.loads((docs / "scale.json").read_text(encoding="utf-8"))
    return {**measured(results, own), **DOCUMENTED_FIGURES, **ASSUMED_FIGURES, **PRICES}


def tables_in(docs: Path) -> dict[str, str]:
    """Return the table that the simulation of the order of shards gave, by its name."""
    own = json.loads((docs / "scale.json").read_text(encoding="utf-8"))
    return {"groups": "\n".join(own["groups"])}


def known_in(docs: Path) -> dict[str, float]:
    """Return the numbers of `figures_in`."""
    return values(figures_in(docs))
