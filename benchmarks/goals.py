"""What was aimed at, what came out, and whether it is enough. The only place that knows the goals."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import NamedTuple

from benchmarks.checkpoints import AT_THE_END, COMMITTED, DISCARDED, SLOW
from benchmarks.cpu import NULL, REAL
from benchmarks.listing_ways import OURS, PAGINATOR
from benchmarks.planning.contenders import DUCKDB, FETCH, PLANNER
from benchmarks.results import PlanningResult, Results

MOST_STARTUP_S = 1.0
MOST_PEAK_MB = 300.0
MOST_GROWTH = 1.1
MOST_LOSS = 0.05
MOST_BARE = 1.5
MOST_BARE_SQL = 1.3
LEAST_PAGINATOR = 5
MOST_PLANNER_MB = 1024.0


class Goal(NamedTuple):
    """One goal and what was measured, as text."""

    text: str
    measured: str
    is_met: bool


def goals(results: Results) -> list[Goal]:
    """Return a row for each goal about which something was measured."""
    of_engine = [*_rates(results), *_ratios(results), *_checkpoints(results), *_scale(results)]
    return [*of_engine, *_planning(results), *_listing(results)]


def _rates(results: Results) -> Iterator[Goal]:
    by_window = {row.window: row for row in results.latency if row.contender == "run_shard"}
    bare = {row.window: row.fastest for row in results.latency if row.contender == "bare"}
    for window, least, most_cores, text in (
        (200, 3_500, 0.4, "at least 3,500 tag writes/s in one task at 50 ms, on at most 0.4 of a core (200 in flight)"),
        (500, 8_000, 1.0, "at least 8,000 tag writes/s in one task at 50 ms with a larger window (500 in flight)"),
    ):
        if window not in by_window:
            continue
        rate, cores = by_window[window].fastest
        told = f"{rate:,.0f}/s on {cores:.2f} of a core"
        if window in bare:
            told += " (the bare loop: {:,.0f}/s on {:.2f})".format(*bare[window])
        yield Goal(text, told, rate >= least and cores <= most_cores)


def _ratios(results: Results) -> Iterator[Goal]:
    for server in (NULL, REAL):
        for job in ("tag", "delete", "copy"):
            yield from _at_most(results, server, job, "bare", MOST_BARE)
    yield from _fraction(results, "tag", "boto3", 12)
    yield from _fraction(results, "delete", "boto3", 12)
    yield from _fraction(results, "copy", "boto3", 8)
    yield from _fraction(results, "copy", "s5cmd run", 5)
    yield from _fraction(results, "delete", "s5cmd run", 5)
    for job, how in (("bulk", "with ETags"), ("bulk-unconditional", "unconditional")):
        ours, theirs = results.find_cpu(REAL, job, "run_shard"), results.find_cpu(REAL, "bulk", "s5cmd rm")
        if ours and theirs:
            text = f"bulk deletes ({how}) at most what `s5cmd rm` with a wildcard costs, {REAL}"
            yield Goal(text, f"{ours.best:.1f} to {theirs.best:.1f} µs/object", ours.best <= theirs.best)


def _at_most(results: Results, server: str, job: str, other: str, most: float) -> Iterator[Goal]:
    ours, theirs = results.find_cpu(server, job, "run_shard"), results.find_cpu(server, job, other)
    if ours and theirs:
        ratio = ours.best / theirs.best
        text = f"{job}: CPU at most {most:g} × the bare libcurl loop, {server} server"
        yield Goal(text, f"{ratio:.2f} × ({ours.best:.1f} to {theirs.best:.1f} µs/object)", ratio <= most)


def _fraction(results: Results, job: str, other: str, parts: int) -> Iterator[Goal]:
    ours, theirs = results.find_cpu(REAL, job, "run_shard"), results.find_cpu(REAL, job, other)
    if ours and theirs:
        found = theirs.best / ours.best
        text = f"{job}: CPU at most 1/{parts} of {other}'s, {REAL}"
        yield Goal(text, f"1/{found:.1f} ({ours.best:.0f} to {theirs.best:.0f} µs/object)", found >= parts)


def _checkpoints(results: Results) -> Iterator[Goal]:
    for server in (NULL, SLOW):
        ours = results.find_checkpoints(server, COMMITTED)
        for name in (AT_THE_END, DISCARDED):
            theirs = results.find_checkpoints(server, name)
            if ours and theirs:
                loss = ours.loss_against(theirs)
                rates = f"{median(ours.rate):,.0f}/s to {median(theirs.rate):,.0f}/s"
                text = f"checkpoints cost at most 5 % of the rate, against {name}, {server} server"
                yield Goal(text, f"{loss:.1%} ({rates})", loss <= MOST_LOSS)


def _scale(results: Results) -> Iterator[Goal]:
    if not results.scale:
        return
    rows = sorted(results.scale, key=lambda row: row.rows)
    smallest, largest = rows[0], rows[-1]
    peaks = ", ".join(f"{row.peak_mb:.0f} MB at {row.rows:,}" for row in rows)
    yield Goal(
        "peak memory of a task at most 300 MB with a shard of 10 million rows",
        peaks if largest.rows >= 10_000_000 else f"{peaks}; 10 million not run",
        largest.rows >= 10_000_000 and largest.peak_mb <= MOST_PEAK_MB,
    )
    growth = largest.peak_mb / smallest.peak_mb
    yield Goal(
        f"and flat: at most {MOST_GROWTH - 1:.0%} more than with {smallest.rows:,} rows",
        f"{growth - 1:+.0%} at {largest.rows:,} rows",
        growth <= MOST_GROWTH,
    )
    slowest = max(row.startup_s for row in rows)
    starts = ", ".join(f"{row.startup_s:.2f} s at {row.rows:,}" for row in rows)
    yield Goal("shard opened to first request within 1 s", starts, slowest <= MOST_STARTUP_S)


def _listing(results: Results) -> Iterator[Goal]:
    for ours in (row for row in results.listing if row.contender == OURS):
        same = [row for row in results.listing if (row.server, row.job) == (ours.server, ours.job)]
        theirs = next((row for row in same if row.contender == PAGINATOR), None)
        if theirs:
            times = max(ours.rate) / max(theirs.rate)
            rates = f"{max(ours.rate):,.0f}/s to {max(theirs.rate):,.0f}/s"
            text = f"listing at least {LEAST_PAGINATOR} × as fast as boto3's paginator, {ours.server}, {ours.job}"
            yield Goal(text, f"{times:.1f} × ({rates})", times >= LEAST_PAGINATOR)


def _planning(results: Results) -> Iterator[Goal]:
    for file_format in dict.fromkeys(row.file_format for row in results.planning):
        planner = [row for row in results.planning if (row.file_format, row.contender) == (file_format, PLANNER)]
        ratios = {
            f"{row.selected:,} of {row.rows:,}": ratio for row in planner if (ratio := _to_bare_sql(results, row))
        }
        if ratios:
            told = ", ".join(f"{ratio:.2f} × ({rows})" for rows, ratio in ratios.items())
            text = f"manifest from {file_format}: CPU at most {MOST_BARE_SQL:g} × bare DuckDB's, fetching and MD5 apart"
            yield Goal(text, told, max(ratios.values()) <= MOST_BARE_SQL)
    peaks = {row.rows: 0.0 for row in sorted(results.planning, key=lambda row: row.rows) if row.contender == PLANNER}
    for row in results.planning:
        if row.contender == PLANNER:
            peaks[row.rows] = max(peaks[row.rows], *row.peak_mb)
    if peaks:
        told = ", ".join(f"{peak:.0f} MB at {rows:,}" for rows, peak in peaks.items())
        was_run = max(peaks) >= 100_000_000
        text = "peak memory of the planner at most 1 GiB with an inventory of 100 million rows"
        is_met = was_run and max(peaks.values()) <= MOST_PLANNER_MB
        yield Goal(text, told if was_run else f"{told}; 100 million not run", is_met)


def _to_bare_sql(results: Results, row: PlanningResult) -> float | None:
    """Return the planner's CPU by DuckDB's: DuckDB is given the files, so what it takes to get them does not count."""
    bare, fetch = results.find_planning(row.case, DUCKDB), results.find_planning(row.case, FETCH)
    return (min(row.cpu_s) - min(fetch.cpu_s)) / min(bare.cpu_s) if bare and fetch else None
