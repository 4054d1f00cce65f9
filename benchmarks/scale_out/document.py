"""Writes what was found as docs/scale-out.md: tables, what follows for planner and defaults, what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from string import Template

from benchmarks.results import Results as OtherResults
from benchmarks.scale_out.airflow_load import EMPTY, KINDS, TINY
from benchmarks.scale_out.reasons import RATE, count_rows, memory_rows, overhead_s, slot_rows, values
from benchmarks.scale_out.results import Load, Results
from benchmarks.scale_out.scope import LATENCY_MS, WINDOW
from benchmarks.scale_out.throughput import CASES

TEXT = Path(__file__).with_name("text.md")
COMPONENTS = ("scheduler", "api-server", "dag-processor", "triggerer", "tasks")


def document(results: Results, others: OtherResults, plot_name: str) -> str:
    """Return the page in Markdown; *others* is what the other benchmarks found, *plot_name* the picture beside it."""
    tables = {
        "conditions": " ".join(f"{topic.capitalize()}: {text}." for topic, text in results.conditions.items()),
        "plot": f"![Objects a second by workers, and the time of a job by shards]({plot_name})",
        "speeds": _table(("workers", "objects/s", "to one worker", "cores of all workers", "rounds"), _speeds(results)),
        "cuts": _table(("shards", *CASES), _cuts(results)),
        "loads": _table(
            ("shards", "work", "run", "manifest to first shard", "first shard to last", "XCom", "rows", "database"),
            _loads(results),
        ),
        "cpu": _table(("shards", "work", *COMPONENTS), _cpu(results)),
        "rows": _table(("table", *(KINDS[kind] for kind in (EMPTY, TINY))), _rows_of_an_instance(results)),
        "counts": _table(
            ("objects", "shards", "objects in each", "all slots alike", "one slot 4 × slower", "picked"),
            count_rows(overhead_s(results), RATE),
        ),
        "slot_table": _table(
            ("at a time", "requests/s", "partitions busy", "of 32 slots", "10 million objects", "100 million objects"),
            slot_rows(overhead_s(results), RATE),
        ),
        "memory": _table(("rows of the shard", "peak memory", "to the first request"), memory_rows(others)),
    }
    text = Template(TEXT.read_text(encoding="utf-8"))
    return text.substitute({**values(results), **tables}).rstrip() + "\n"


def _speeds(results: Results) -> Iterator[Sequence[str]]:
    one = next((speed for speed in results.speeds if speed.workers == 1), None)
    for speed in results.speeds:
        ratio = f"{speed.best / one.best:.2f} ×" if one else ""
        rounds = ", ".join(f"{rate:,.0f}" for rate in speed.rate)
        yield str(speed.workers), f"{speed.best:,.0f}", ratio, f"{max(speed.cores):.2f}", rounds


def _cuts(results: Results) -> Iterator[Sequence[str]]:
    """Yield how much longer each took than the same work spread perfectly would."""
    perfect_rate = 1_000 * WINDOW / LATENCY_MS
    for shards in sorted({cut.shards for cut in results.cuts}):
        cells = []
        for case in CASES:
            cut = results.cut(case, shards)
            if cut is None:
                cells.append("")
                continue
            perfect_s = cut.objects / (perfect_rate * cut.workers)
            cells.append(f"{cut.elapsed_s:.1f} s ({cut.elapsed_s / perfect_s:.2f} ×)")
        yield str(shards), *cells


def _loads(results: Results) -> Iterator[Sequence[str]]:
    for load in results.loads:
        yield (
            f"{load.shards:,}",
            KINDS[load.kind],
            f"{load.elapsed_s:.0f} s",
            f"{load.expanded_s:.1f} s",
            f"{load.shards_s:.0f} s, {load.shards / load.shards_s:.1f} a second" if load.shards_s else "",
            f"{load.xcom_bytes:,} bytes",
            f"{sum(load.rows.values()):,}",
            f"{load.database_bytes / 1e6:.1f} MB",
        )


def _cpu(results: Results) -> Iterator[Sequence[str]]:
    for load in results.loads:
        each = (f"{1e3 * load.cpu_s.get(name, 0.0) / load.shards:,.0f} ms" for name in COMPONENTS)
        yield f"{load.shards:,}", KINDS[load.kind], *each


def _rows_of_an_instance(results: Results) -> Iterator[Sequence[str]]:
    found = {kind: _rows_each([load for load in results.loads if load.kind == kind]) for kind in (EMPTY, TINY)}
    tables = sorted({table for rows in found.values() for table in rows})
    for table in tables:
        yield f"`{table}`", *(f"{found[kind].get(table, 0):.1f}" if found[kind] else "" for kind in (EMPTY, TINY))


def _rows_each(loads: Sequence[Load]) -> Mapping[str, float]:
    """Return the rows that one more shard adds by table, from the smallest and the largest run."""
    if len(loads) < 2:
        return {}
    small, large = min(loads, key=lambda load: load.shards), max(loads, key=lambda load: load.shards)
    more = large.shards - small.shards
    each = {table: (large.rows.get(table, 0) - small.rows.get(table, 0)) / more for table in large.rows}
    return {table: number for table, number in each.items() if number >= 0.05}


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
