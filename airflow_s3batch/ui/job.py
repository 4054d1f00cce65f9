"""A job as the list shows it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_s3batch.core.news.clean import LARGEST
from airflow_s3batch.core.news.parts import MANAGED, OPERATION, REHEARSAL, REPORT, VERIFICATION
from airflow_s3batch.core.operation_names import operation_name
from airflow_s3batch.core.outcomes import DRY_RUN
from airflow_s3batch.ui.grouping import SHOWN, Parts
from airflow_s3batch.ui.links import run_url
from airflow_s3batch.ui.rows import Run, TaskRow
from airflow_s3batch.ui.states import ENDED, state_of
from airflow_s3batch.ui.work import AT_WORK, Work, parsed

LONGEST_ETA_S = 3.2e8


@dataclass(frozen=True, slots=True)
class Found:
    """A job that was found in run *run* of Dag *dag_id*; *is_asked*: people have not answered yet."""

    dag_id: str
    run_id: str
    run: Run
    parts: Parts
    is_asked: bool = False

    @property
    def operation_row(self) -> TaskRow | None:
        """The operation task."""
        return self.run.tasks.get(self.parts.task_id(OPERATION))

    @property
    def needs_work(self) -> bool:
        """Whether what its shards have told says more than what its report has."""
        return self.report_is_pending and self.operation_row is not None

    @property
    def report_is_pending(self) -> bool:
        """Whether the news of the report, if any, are of a report before the task was cleared, or there are none."""
        row = self.run.tasks.get(self.parts.task_id(REPORT))
        is_over = row is not None and set(row.states) <= {"success", "failed"}
        is_redone = self.operation_row is not None and bool(AT_WORK & self.operation_row.states.keys())
        return self.parts.report is None or self.parts.report.no_manifest or not is_over or is_redone


def job_json(found: Found, work: Work, base: str) -> dict[str, Any]:
    """Return the job as JSON; *work* is what its shards have told."""
    parts, tasks = found.parts, found.run.tasks
    state = state_of(parts, tasks, work, run_state=found.run.state, is_asked=found.is_asked)
    counts = _counts(found, work)
    rate = work.rate if state in ("running", "paused") else counts.pop("rate")
    counts.pop("rate", None)
    row = found.operation_row
    return {
        "dag_id": found.dag_id,
        "run_id": found.run_id,
        "group": parts.group,
        "task_ids": {part: parts.task_ids.get(part) for part in SHOWN},
        "job_url": _job_url(parts, work),
        "state": state,
        "operation": _operation(parts, work),
        "engine": _engine(parts, work, row),
        **counts,
        "progress": _progress(counts, state),
        "rate": rate,
        **_times(found, work, state),
        "eta_s": _eta_s(counts, rate, state),
        "slow_downs": work.slow_downs or (parts.report.slow_downs if parts.report else 0),
        "shards": dict(row.states) if row else {},
        "rehearsing": _is_at_work(found, REHEARSAL),
        "verifying": _is_at_work(found, VERIFICATION),
        "run_url": run_url(base, found.dag_id, found.run_id),
        "sentence": sentence(parts, state),
        "notice": work.notice if state in ("running", "paused") else "",
    }


def _is_at_work(found: Found, part: str) -> bool:
    row = found.run.tasks.get(found.parts.task_id(part))
    return row is not None and bool(AT_WORK & row.states.keys())


def sentence(parts: Parts, state: str) -> str:
    """Return what is to be said of the job in a sentence or two, empty if its state says it all."""
    if state in ("refused", "failed") and parts.plan is not None and parts.plan.reason:
        return parts.plan.reason
    return parts.report.sentence if parts.report is not None and state in ENDED else ""


def _counts(found: Found, work: Work) -> dict[str, Any]:
    """
    Return how many objects there are, and what became of them; what a dry run would do has succeeded.

    ``failed`` are those that were tried; a report counts those that no attempt reached among its failures, too.
    """
    plan, report = found.parts.plan, found.parts.report
    if report is not None and not found.report_is_pending:
        would = report.codes.get(DRY_RUN, (0, ()))[0] if report.dry_run else 0
        done = max(0, report.objects - report.not_attempted)
        failed = max(0, report.failed - would - report.not_attempted)
        numbers = {"objects": report.objects, "done": done, "succeeded": report.succeeded + would, "failed": failed}
        numbers["not_attempted"] = report.not_attempted
        size = plan.bytes if plan else report.bytes
        return {**numbers, "bytes": size, "dry_run": report.dry_run, "rate": report.rate}
    objects = (plan.rows if plan else 0) or min(work.rows, LARGEST)
    done = min(objects, work.done)
    return {
        "objects": objects,
        "done": done,
        "succeeded": max(0, done - work.failed),
        "failed": min(work.failed, done),
        "not_attempted": 0,
        "bytes": plan.bytes if plan else 0,
        "dry_run": work.dry_run or bool(plan and plan.dry_run),
        "rate": None,
    }


def _progress(counts: Mapping[str, Any], state: str) -> float | None:
    if state in ("planning", "refused"):
        return None
    if not counts["objects"]:
        return 1.0 if state == "success" else None
    return round(float(counts["done"]) / float(counts["objects"]), 4)


def _eta_s(counts: Mapping[str, Any], rate: float | None, state: str) -> int | None:
    if state != "running" or not rate:
        return None
    left = (counts["objects"] - counts["done"]) / rate
    return round(left) if left < LONGEST_ETA_S else None


def _times(found: Found, work: Work, state: str) -> dict[str, str | None]:
    tasks = found.run.tasks
    rows = [tasks[task_id] for task_id in found.parts.task_ids.values() if task_id in tasks]
    starts = [row.started for row in rows if row.started]
    ends = [row.ended for row in rows if row.ended]
    latest = [moment for moment in (*starts, *ends, parsed(work.updated)) if moment]
    return {
        "started": iso(min(starts)) if starts else None,
        "ended": iso(max(ends)) if ends and state in ENDED else None,
        "updated": iso(max(latest)) if latest else None,
    }


def iso(moment: dt.datetime) -> str:
    """Return *moment* in ISO 8601, in UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return aware.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _job_url(parts: Parts, work: Work) -> str:
    told = (parts.plan.job if parts.plan else "", parts.report.job if parts.report else "", work.job)
    return next((url for url in told if url.startswith("s3://")), "")


def _operation(parts: Parts, work: Work) -> str:
    told = parts.report.operation if parts.report and not parts.report.no_manifest else ""
    return work.operation or told or (operation_name(parts.plan.operation) if parts.plan else "")


def _engine(parts: Parts, work: Work, row: TaskRow | None) -> str:
    if row is not None and row.operator == MANAGED:
        return "managed"
    return work.engine or (parts.plan.engine if parts.plan else "worker")
