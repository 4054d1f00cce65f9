"""Writes docs/scale.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.scale_plan.figures import Figure, values
from benchmarks.scale_plan.limits import limits
from benchmarks.scale_plan.model import GROUPS, PLANNED_ROWS, SIZES, Plan, advice_for

_TEXT = Path(__file__).with_name("text.md")
_MEASURED_UP_TO = 10**8
PARTITIONS = (1, 10, 100)

Cell = Callable[[Plan], str]


def page(figures: Mapping[str, Figure], simulated: Mapping[str, str]) -> str:
    """Return the page in Markdown; *simulated* are tables of how the order of rows matters, by name."""
    known = values(figures)
    plans = [Plan(objects, advice_for(objects), known) for objects in SIZES]
    tables = {
        "summary": _by_size(plans, _SUMMARY),
        "planning": _by_size(plans, _PLANNING),
        "run": _by_size(plans, _RUN),
        "files": _by_size(plans, _FILES),
        "money": _by_size(plans, _MONEY),
        "limits": _table(
            ("objects", "what gives way", "what to do"),
            ((_count(limit.objects), limit.what, limit.remedy) for limit in limits(known)),
        ),
        "group_s": _number((known["groups_us_parquet"] - known["one_us_parquet"]) * PLANNED_ROWS / GROUPS / 1e6),
        **simulated,
        "figures": _table(
            ("figure", "value", "", "source"),
            ((f.what, _number(f.value), f"{f.unit}, {f.kind}", f.source) for f in figures.values()),
        ),
    }
    text = _TEXT.read_text(encoding="utf-8")
    for name, table in tables.items():
        text = text.replace(f"{{{name}}}", table)
    return text


def _by_size(plans: Sequence[Plan], rows: Mapping[str, Cell]) -> str:
    heads = ["", *(_size(plan.objects) for plan in plans)]
    return _table(heads, ([name, *(cell(plan) for plan in plans)] for name, cell in rows.items()))


def _size(objects: int) -> str:
    mark = " \\*" if objects > _MEASURED_UP_TO else ""
    return _count(objects) + mark


def _run_h(partitions: float) -> Cell:
    return lambda plan: _hours(plan.course(partitions).hours)


_SUMMARY: dict[str, Cell] = {
    "`planning_tasks`": lambda plan: str(plan.advice.planning_tasks) if plan.advice.planning_tasks > 1 else "–",
    "`max_shards`": lambda plan: f"{plan.advice.max_shards:,}",
    "slots": lambda plan: str(plan.advice.slots),
    "planning, Parquet": lambda plan: _hours(plan.planning_h("parquet", plan.advice.planning_tasks)),
    "run, on as many partitions as it can use": lambda plan: _hours(plan.course(plan.partitions_needed).hours),
    "report": lambda plan: _hours(plan.report_h),
    "requests on the objects": lambda plan: _dollars(plan.request_cost()),
}
_PLANNING: dict[str, Cell] = {
    "data files, Parquet": lambda plan: _bytes(plan.inventory_bytes("parquet")),
    "data files, CSV": lambda plan: _bytes(plan.inventory_bytes("csv")),
    "CPU, Parquet": lambda plan: f"{_number(plan.planning_cpu_h('parquet'))} core h",
    "CPU, CSV": lambda plan: f"{_number(plan.planning_cpu_h('csv'))} core h",
    "one task of two cores, Parquet": lambda plan: _hours(plan.planning_h("parquet", 1)),
    "one task of two cores, CSV": lambda plan: _hours(plan.planning_h("csv", 1)),
    "`planning_tasks`": lambda plan: str(plan.advice.planning_tasks),
    "so many tasks, Parquet": lambda plan: _hours(plan.planning_h("parquet", plan.advice.planning_tasks)),
    "so many tasks, CSV": lambda plan: _hours(plan.planning_h("csv", plan.advice.planning_tasks)),
    "memory of a task": lambda plan: f"{plan.known['planning_mb_csv']:.0f} MB",
    "local disk of a task for its selected rows": lambda plan: _bytes(plan.staged_bytes),
    "a listing instead, one task": lambda plan: _hours(plan.listing_h),
    "Athena reads it all": lambda plan: _dollars(plan.athena_cost()),
}
_RUN: dict[str, Cell] = {
    "shards": lambda plan: f"{len(plan.shards):,}",
    "objects in a shard": lambda plan: f"{plan.shards[0]:,}",
    "slots": lambda plan: str(plan.advice.slots),
    "a shard alone": lambda plan: _hours(plan.shards[0] / plan.task_rate / 3600),
    **{f"{n} partition{'s' * (n > 1)}": _run_h(n) for n in PARTITIONS},
    "partitions it can use": lambda plan: str(plan.partitions_needed),
    "requests/s then": lambda plan: f"{plan.course(plan.partitions_needed).peak_rate:,.0f}",
    "slots at work": lambda plan: f"{plan.course(plan.partitions_needed).busy:.0%}",
    "last shards, fewer slots": lambda plan: _hours(plan.course(plan.partitions_needed).tail_hours),
    "the scheduler starts all tasks in": lambda plan: _hours(plan.scheduling_s / 3600),
    "CPU of the workers": lambda plan: f"{_number(plan.run_cpu_h)} core h",
    "memory of a task": lambda plan: f"{plan.known['worker_mb']:.0f} MB",
}
_FILES: dict[str, Cell] = {
    "a shard file": lambda plan: _bytes(plan.shards[0] * plan.known["shard_bytes"]),
    "`manifest.json`": lambda plan: _bytes(plan.manifest_bytes),
    "XCom of the manifest task": lambda plan: _bytes(plan.xcom_bytes),
    "objects in a row range": lambda plan: f"{plan.range_rows:,}",
    "row ranges, so commits": lambda plan: f"{plan.ranges:,}",
    "result files": lambda plan: _bytes(plan.results_bytes),
    "`report/manifest.json`": lambda plan: _bytes(plan.report_manifest_bytes),
    "report task": lambda plan: _hours(plan.report_h),
    "its memory": lambda plan: f"{plan.known['report_mb']:.0f} MB",
    "`failed.csv`": lambda plan: _bytes(plan.objects * plan.known["failed_share"] * plan.known["aws_manifest_bytes"]),
    "writes and listings of job files": lambda plan: f"{plan.job_writes:,.0f}",
}
_MONEY: dict[str, Cell] = {
    "requests on the objects": lambda plan: _dollars(plan.request_cost()),
    "requests on the job's files": lambda plan: _dollars(plan.job_files_cost()),
    "workers' cores": lambda plan: _dollars(plan.worker_cost()),
    "S3 Batch Operations instead of workers": lambda plan: _dollars(plan.aws_fee()),
    "an inventory": lambda plan: _dollars(plan.inventory_cost()),
    "a listing instead": lambda plan: _dollars(plan.listing_cost()),
    "an Athena query over it": lambda plan: _dollars(plan.athena_cost()),
}


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _count(objects: float) -> str:
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if objects >= size:
            return f"{_number(objects / size)} {word}"
    return f"{objects:,.0f}"


def _number(value: float) -> str:
    """Return *value* to three digits at most."""
    if not value:
        return "0"
    if abs(value) < 0.01:
        return f"{value:.2g}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _hours(hours: float) -> str:
    if hours >= 48:
        return f"{_number(hours / 24)} days"
    if hours >= 1:
        return f"{_number(hours)} h"
    return f"{_number(hours * 60)} min" if hours >= 1 / 60 else f"{hours * 3600:.0f} s"


def _bytes(size: float) -> str:
    for unit, word in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{_number(size / unit)} {word}"
    return f"{size:.0f} bytes"


def _dollars(amount: float) -> str:
    return f"${amount:,.0f}" if amount >= 10 else f"${amount:.2f}" if amount >= 0.01 else "under 1 ¢"
