"""Writes what was found as docs/benchmarks.md: goals, tables with ratios, conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.cpu import NULL, REAL
from benchmarks.goals import goals
from benchmarks.listing_ways import OURS, PAGINATOR
from benchmarks.planning.contenders import DUCKDB
from benchmarks.results import CpuResult, Results
from benchmarks.scope import LATENCY_MS, WINDOW

_EXPLANATIONS = Path(__file__).with_name("explanations.md")
_JOBS = {
    "tag": "put tagging",
    "copy": "copy to another bucket",
    "delete": "delete, one request each",
    "bulk": "delete, 1,000 a request",
    "bulk-unconditional": "delete, 1,000 a request, unconditional",
}


def document(results: Results, plot_name: str) -> str:
    """Return the page in Markdown; *plot_name* is the picture beside it."""
    parts = [
        "# Benchmarks",
        f"Written by `make bench`. {_conditions(results)}",
        "## Goals",
        _table(("goal", "measured", "met"), _goal_rows(results)),
        f"![CPU per object by job and contender, and memory by shard size]({plot_name})",
        f"## Client CPU per object, {WINDOW} requests in flight",
        _table(
            ("server", "job", "contender", "µs/object", "to run_shard", "objects/s", "rounds", "objects"),
            _cpu_rows(results),
        ),
        f"## One task against a server that takes {LATENCY_MS:g} ms",
        _table(("in flight", "contender", "requests/s", "cores", "µs/object", "objects"), _latency_rows(results)),
        "## Checkpoints",
        _table(
            ("server", "how results are kept", "ranges", "objects/s (median)", "µs/object (best)", "rounds"),
            _kept_rows(results),
        ),
        "## One task and the size of its shard, null server",
        _table(
            ("rows", "rows per range", "peak MB", "to first request", "objects/s", "µs/object"), _scale_rows(results)
        ),
        "## Listing a bucket",
        _table(
            ("server", "keys", "contender", "objects/s", "to boto3's", "CPU µs/object", "boto3's to this", "objects"),
            _listing_rows(results),
        ),
        "## From inventory to manifest",
        _table(
            ("files", "rows", "selected", "contender", "CPU s", "µs/row", "to DuckDB", "s", "peak MB", "rounds"),
            _planning_rows(results),
        ),
        _EXPLANATIONS.read_text(encoding="utf-8").rstrip(),
    ]
    return "\n\n".join(parts) + "\n"


def _conditions(results: Results) -> str:
    return " ".join(f"{topic.capitalize()}: {text}." for topic, text in results.conditions.items())


def _goal_rows(results: Results) -> Iterator[Sequence[str]]:
    for goal in goals(results):
        yield goal.text, goal.measured, "yes" if goal.is_met else "**no**"


def _cpu_rows(results: Results) -> Iterator[Sequence[str]]:
    for server in (NULL, REAL):
        for job, title in _JOBS.items():
            rows = [row for row in results.cpu if (row.server, row.job) == (server, job)]
            ours = next((row for row in rows if row.contender == "run_shard"), None)
            yield from (_cpu_row(row, title, ours) for row in rows)


def _cpu_row(row: CpuResult, title: str, ours: CpuResult | None) -> Sequence[str]:
    ratio = f"{row.best / ours.best:.2f} ×" if ours else ""
    rounds = ", ".join(f"{value:.1f}" for value in row.us_per_object)
    return (
        row.server,
        title,
        row.contender,
        f"{row.best:.1f}",
        ratio,
        f"{max(row.rate):,.0f}",
        rounds,
        f"{row.objects:,}",
    )


def _latency_rows(results: Results) -> Iterator[Sequence[str]]:
    for row in results.latency:
        rate, cores = row.fastest
        yield (
            str(row.window),
            row.contender,
            f"{rate:,.0f}",
            f"{cores:.2f}",
            f"{min(row.us_per_object):.1f}",
            f"{row.objects:,}",
        )


def _kept_rows(results: Results) -> Iterator[Sequence[str]]:
    for row in results.checkpoints:
        best = f"{min(row.us_per_object):.1f}"
        yield row.server, row.variant, str(row.ranges), f"{median(row.rate):,.0f}", best, str(len(row.rate))


def _scale_rows(results: Results) -> Iterator[Sequence[str]]:
    for row in results.scale:
        yield (
            f"{row.rows:,}",
            f"{row.range_rows:,}",
            f"{row.peak_mb:.0f}",
            f"{row.startup_s:.2f} s",
            f"{row.rate:,.0f}",
            f"{row.us_per_object:.1f}",
        )


def _listing_rows(results: Results) -> Iterator[Sequence[str]]:
    for row in results.listing:
        same = [other for other in results.listing if (other.server, other.job) == (row.server, row.job)]
        theirs = next((other for other in same if other.contender == PAGINATOR), row)
        name = f"{row.contender}, Parquet files written" if row.contender == OURS else row.contender
        yield (
            row.server,
            row.job,
            name,
            f"{max(row.rate):,.0f}",
            f"{max(row.rate) / max(theirs.rate):.1f} ×",
            f"{row.best:.1f}",
            f"{theirs.best / row.best:.1f}",
            f"{row.objects:,}",
        )


def _planning_rows(results: Results) -> Iterator[Sequence[str]]:
    for row in results.planning:
        bare = results.find_planning(row.case, DUCKDB)
        cpu_s = min(row.cpu_s)
        yield (
            row.file_format,
            f"{row.rows:,}",
            f"{row.selected:,}" if row.selected else "",
            row.contender,
            f"{cpu_s:.2f}",
            f"{1e6 * cpu_s / row.rows:.2f}",
            f"{cpu_s / min(bare.cpu_s):.2f} ×" if bare else "",
            f"{min(row.wall_s):.1f}",
            f"{max(row.peak_mb):.0f}",
            str(len(row.cpu_s)),
        )


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
