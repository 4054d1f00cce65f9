"""What follows from the figures: how many shards, and how many of them at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_s3batch.manifests.planning.cutting.shards import (
    LEAST_ROWS_PER_SHARD,
    ROUNDS,
    ROWS_PER_SHARD,
    range_rows_for,
)
from airflow_s3batch.manifests.planning.selection import SLOTS
from benchmarks.results import Results as OtherResults
from benchmarks.scale_out.airflow_load import EMPTY, TINY
from benchmarks.scale_out.results import Load, Results
from benchmarks.scale_out.scope import LATENCY_MS, SLOW_FACTOR, WINDOW
from benchmarks.scale_out.shard_counts import Setting, best_s, equal, job_s, picked

RATE = 2_450.0
"""Objects a second of one task: 128 requests in flight, each answered after 50 ms, as docs/benchmarks.md has it."""
PARTITION = 3_500
"""Writes a second of one partitioned prefix of S3, at least; Amazon S3 User Guide, optimizing performance."""
AIRFLOWS_SLOTS = 32
UNKNOWN_OVERHEAD_S = 2.0
"""Assumed where it was not measured."""
SIZES = (10**6, 5 * 10**6, 2 * 10**7)
COUNTS = (8, 16, 24, 48, 96, 200)


def values(results: Results) -> dict[str, str]:
    """Return the numbers that the text names."""
    one = next((speed.best for speed in results.speeds if speed.workers == 1), 0.0)
    most = max(results.speeds, key=lambda speed: speed.workers, default=None)
    empty, tiny = _largest(results, EMPTY), _largest(results, TINY)
    rows = range_rows_for([ROWS_PER_SHARD])
    return {
        "latency": f"{LATENCY_MS:g}",
        "window": str(WINDOW),
        "alone": f"{1_000 * WINDOW / LATENCY_MS:,.0f}",
        "workers": str(most.workers) if most else "?",
        "ratio": f"{most.best / one:.2f}" if most and one else "?",
        "cores": f"{max(most.cores):.2f}" if most else "?",
        "slow": str(SLOW_FACTOR),
        "slots": str(SLOTS),
        "rounds": str(ROUNDS),
        "least": f"{LEAST_ROWS_PER_SHARD:,}",
        "largest": f"{ROWS_PER_SHARD:,}",
        "least_s": f"{LEAST_ROWS_PER_SHARD / RATE:.0f}",
        "largest_s": f"{ROWS_PER_SHARD / RATE:.0f}",
        "rate": f"{RATE:,.0f}",
        "range": f"{rows:,}",
        "range_s": f"{rows / RATE:.0f}",
        "overhead": f"{overhead_s(results):.1f}",
        "overhead_least": f"{100 * overhead_s(results) / (LEAST_ROWS_PER_SHARD / RATE):.0f}",
        "overhead_largest": f"{100 * overhead_s(results) / (ROWS_PER_SHARD / RATE):.0f}",
        "scheduler_ms": _each_ms(empty, "scheduler"),
        "api_ms": _each_ms(tiny or empty, "api-server"),
        "empty_shards": f"{empty.shards:,}" if empty else "?",
        "empty_rate": f"{empty.shards / empty.shards_s:.1f}" if empty and empty.shards_s else "?",
        "empty_scheduler_s": f"{empty.cpu_s['scheduler']:.0f}" if empty else "?",
        "xcom": f"{empty.xcom_bytes / empty.shards:.0f}" if empty else "?",
        "all_slots": str(AIRFLOWS_SLOTS),
        "share": f"{100 * SLOTS / AIRFLOWS_SLOTS:.0f}",
        "together": f"{SLOTS * RATE:,.0f}",
        "partitions": f"{SLOTS * RATE / PARTITION:.1f}",
        "partition": f"{PARTITION:,}",
    }


def overhead_s(results: Results) -> float:
    """Return what a task of Airflow costs beside its objects: its CPU, which is its time where it has a core."""
    tiny = sorted((load for load in results.loads if load.kind == TINY), key=lambda load: load.shards)
    if len(tiny) < 2:
        return UNKNOWN_OVERHEAD_S
    few, many = tiny[0], tiny[-1]  # what they have in common, manifest and report, is left out
    return round((many.cpu_s["tasks"] - few.cpu_s["tasks"]) / (many.shards - few.shards), 2)


def count_rows(task_s: float, rate: float) -> Iterator[Sequence[str]]:
    """Yield, for each size of a job and number of shards, how much longer it takes than the work alone."""
    for objects in SIZES:
        choice = len(picked(objects))
        for shards in sorted({*COUNTS, choice}):
            cells = []
            for slow in (0, 1):
                setting = Setting(rate, task_s, slow=slow, factor=SLOW_FACTOR)
                cells.append(f"{job_s(equal(objects, shards), setting) / best_s(objects, setting):.2f} ×")
            yield f"{objects:,}", str(shards), f"{objects // shards:,}", *cells, "← here" if shards == choice else ""


def slot_rows(task_s: float, rate: float) -> Iterator[Sequence[str]]:
    """Yield what so many slots can do, and what they leave of an Airflow."""
    for slots in (1, 2, 4, 8, 16, 32):
        setting = Setting(rate, task_s, slots)
        times = (job_s(picked(objects, slots), setting) for objects in (10**7, 10**8))
        share = f"{100 * slots / AIRFLOWS_SLOTS:.0f} %"
        at_a_time = f"**{slots}**" if slots == SLOTS else str(slots)
        yield at_a_time, f"{slots * rate:,.0f}", f"{slots * rate / PARTITION:.1f}", share, *map(_minutes, times)


def memory_rows(others: OtherResults) -> Iterator[Sequence[str]]:
    """Yield what a task of each size of shard holds, as the other benchmarks found."""
    for row in others.scale:
        yield f"{row.rows:,}", f"{row.peak_mb:.0f} MB", f"{row.startup_s:.2f} s"


def _largest(results: Results, kind: str) -> Load | None:
    return max((load for load in results.loads if load.kind == kind), key=lambda load: load.shards, default=None)


def _each_ms(load: Load | None, component: str) -> str:
    return f"{1e3 * load.cpu_s[component] / load.shards:.0f}" if load else "?"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"
