"""What gives way first as a job grows: each limit, the size at which it is reached, and what to do then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from airflow_s3batch.manifests.planning.cutting.shards import ROWS_PER_SHARD
from airflow_s3batch.manifests.planning.cutting.staged import STAGING_LIMIT
from airflow_s3batch.manifests.planning.selection import SLOTS
from benchmarks.scale_plan.model import WINDOW, Advice, Plan

DEFAULTS = Advice(planning_tasks=1, max_shards=200, slots=SLOTS)
DAY_S = 86_400


class Limit(NamedTuple):
    """
    Something that gives way.

    Attributes:
        objects: how many objects reach it, with default settings unless *what* says otherwise.
    """

    objects: float
    what: str
    remedy: str


def limits(known: Mapping[str, float]) -> list[Limit]:
    """Return all limits, the one that is reached first first."""
    return sorted([*_of_planning(known), *_of_the_run(known), *_of_the_report(known), *_of_aws(known)])


def _of_planning(known: Mapping[str, float]) -> Iterator[Limit]:
    yield Limit(
        ROWS_PER_SHARD * 200,
        f"`max_shards=200` shards of {ROWS_PER_SHARD:,} objects: from here on they grow",
        "nothing; above a billion objects raise `max_shards` to 1,000, so that a task still ends within hours",
    )
    yield Limit(
        0.8 * STAGING_LIMIT / known["staged_bytes"],
        f"`staging_limit={STAGING_LIMIT / 1e9:.0f}GB` of local disk for the selected rows of one planning task",
        "`planning_tasks=`, which divides it, or a larger `staging_limit`",
    )
    hour = _where(known, lambda plan: plan.planning_h("csv", 1) >= 1)
    yield Limit(hour, "an hour of planning in one task (CSV)", "a Parquet inventory, `planning_tasks=`, or Athena")


def _of_the_run(known: Mapping[str, float]) -> Iterator[Limit]:
    yield Limit(
        known["prefix_rate"] * DAY_S,
        f"a day of writes on a single prefix at {known['prefix_rate']:,.0f}/s",
        "S3 splits busy prefixes by itself, in its own time; `max_requests_per_s` keeps a job out of others' way",
    )
    yield Limit(
        DEFAULTS.slots * WINDOW * known["rate_per_window"] * DAY_S,
        f"a day of {DEFAULTS.slots} tasks (`max_active_tis_per_dagrun`) with {WINDOW} requests in flight",
        "more slots, or a larger `max_concurrency`: a task has CPU left for 500 requests in flight",
    )
    yield Limit(
        1_000 / known["put"] * 1e6,
        "$1,000 for the requests on the objects",
        "`where=`, `since=` and `sample=` before everything else; deletes cost nothing",
    )


def _of_the_report(known: Mapping[str, float]) -> Iterator[Limit]:
    hour = _where(known, lambda plan: plan.report_h >= 1, max_shards=1_024)
    yield Limit(hour, "an hour in the report task, which is one", "nothing: it runs beside nobody, and is done once")
    large = _where(known, lambda plan: plan.report_manifest_bytes >= 100e6, max_shards=1_024)
    yield Limit(
        large,
        "100 MB of `report/manifest.json`, which readers, ours too, take into memory whole",
        "a job per bucket or prefix has a report of its own",
    )


def _of_aws(known: Mapping[str, float]) -> Iterator[Limit]:
    per_row = Plan(1, DEFAULTS, known).aws_disk_bytes
    yield Limit(
        100e9 / per_row,
        '100 GB of local disk where `engine="managed"` joins AWS\'s report with the manifest of one bucket',
        "a larger disk (TMPDIR), a job per prefix, or `ManagedBatchJobOperator` on AWS's own manifest",
    )
    yield Limit(known["aws_restores"], "S3 Batch Operations takes no more in one job of restores", "a job per prefix")
    yield Limit(
        known["aws_objects"], "S3 Batch Operations takes no more in one job at all", "a job per prefix, or workers"
    )


def _where(known: Mapping[str, float], reached: Callable[[Plan], bool], max_shards: int = 200) -> float:
    """Return the smallest number of objects, to a per cent, at which *reached* says so; infinite above 10¹²."""

    def is_reached(objects: float) -> bool:
        return reached(Plan(int(objects), Advice(1, max_shards, DEFAULTS.slots), known))

    least, most = 1e5, 1e12
    if not is_reached(most):
        return float("inf")
    while most > 1.01 * least:
        middle = (least * most) ** 0.5
        least, most = (least, middle) if is_reached(middle) else (middle, most)
    return most
