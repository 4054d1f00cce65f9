"""What was aimed at, what came out, and whether it is enough. The only place that knows the goals."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import NamedTuple

from benchmarks.checkpoints import AT_THE_END, COMMITTED, DISCARDED, SLOW
from benchmarks.cpu import NULL, REAL
from benchmarks.results import Results

MOST_STARTUP_S = 1.0
MOST_PEAK_MB = 300.0
MOST_GROWTH = 1.1
MOST_LOSS = 0.05
MOST_BARE = 1.5


class Goal(NamedTuple):
    """One goal and what was measured, as text."""

    text: str
    measured: str
    is_met: bool


def goals(results: Results) -> list[Goal]:
    """Return a row for each goal about which something was measured."""
    return [*_rates(results), *_ratios(results), *_checkpoints(results), *_scale(results)]


def _rates(results: Results) -> Iterator[Goal]:
    by_window = {row.window: row for row in results.latency if row.contender == "run_shard"}
    if slow := by_window.get(200):
        rate, cores = slow.fastest
        text = "at least 3,500 tag writes/s in one task at 50 ms, on at most 0.4 of a core (200 in flight)"
        yield Goal(text, f"{rate:,.0f}/s on {cores:.2f} of a core", rate >= 3_500 and cores <= 0.4)
    if fast := by_window.get(500):
        rate, cores = fast.fastest
        text = "at least 8,000 tag writes/s in one task at 50 ms with a larger window (500 in flight)"
        yield Goal(text, f"{rate:,.0f}/s on {cores:.2f} of a core", rate >= 8_000)


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
