"""Which tasks of a run make a job: told by the manifest task or the report task, else seen by names of task groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from airflow_s3batch.core.news import PlanNews, ReportNews
from airflow_s3batch.core.news import parts as part_names
from airflow_s3batch.core.news.parts import MANAGED, MANIFEST, OPERATION, PARTS, REPORT
from airflow_s3batch.ui.rows import TaskRow

SHOWN = (MANIFEST, part_names.APPROVAL, part_names.REHEARSAL, OPERATION, part_names.VERIFICATION, REPORT)
_NOT_BEGUN = frozenset({"none", "scheduled", "queued", "skipped", "upstream_failed", "removed"})


class Parts(NamedTuple):
    """
    The tasks of a job.

    Attributes:
        group: id of the task group that the first of them is in, empty outside of any.
        task_ids: by part; `MANIFEST`, `OPERATION` and `REPORT` among them as far as there are such.
    """

    group: str
    task_ids: Mapping[str, str]
    plan: PlanNews | None = None
    report: ReportNews | None = None

    def task_id(self, part: str) -> str:
        """Return the id of the task that is this *part*, empty if there is none."""
        return self.task_ids.get(part, "")


def jobs_in(
    tasks: Mapping[str, TaskRow], plans: Mapping[str, PlanNews], reports: Mapping[str, ReportNews]
) -> list[Parts]:
    """Return the jobs of a run in the order of their groups; *plans* and *reports* are by the task that told them."""
    manifests = [task_id for task_id, row in tasks.items() if _part(row) == MANIFEST or task_id in plans]
    claimed: set[str] = set()
    found: list[Parts] = []
    for manifest in sorted(manifests):
        plan = plans.get(manifest)
        told = _told_jobs(manifest, plan, reports)
        for job in told or [_seen_job(manifest, tasks, manifests)]:
            mine = {part: task_id for part, task_id in job.items() if task_id in tasks}
            claimed.update(mine.values())
            report = reports.get(mine.get(REPORT, ""))
            found.append(Parts(manifest.rpartition(".")[0], {**mine, MANIFEST: manifest}, plan, report))
    rest = sorted(tasks.keys() - claimed)
    alone = [task_id for task_id in rest if _part(tasks[task_id]) == OPERATION and _is_alone(tasks[task_id])]
    return found + [Parts(task_id.rpartition(".")[0], {OPERATION: task_id}) for task_id in alone]


def wanted(plans: Mapping[str, PlanNews], reports: Mapping[str, ReportNews]) -> set[str]:
    """Return the ids of the tasks that the news name, as operators of other classes may be among them."""
    jobs = [job for plan in plans.values() for job in plan.jobs] + [report.task_ids for report in reports.values()]
    return {task_id for job in jobs for task_id in job.values()} | plans.keys() | reports.keys()


def _told_jobs(manifest: str, plan: PlanNews | None, reports: Mapping[str, ReportNews]) -> list[Mapping[str, str]]:
    if plan is not None and any(job.get(OPERATION) or job.get(REPORT) for job in plan.jobs):
        return list(plan.jobs)
    return [
        {**report.task_ids, REPORT: task_id}
        for task_id, report in sorted(reports.items())
        if report.task_ids.get(MANIFEST) == manifest
    ]


def _seen_job(manifest: str, tasks: Mapping[str, TaskRow], manifests: list[str]) -> dict[str, str]:
    """Return the tasks beside *manifest* in its task group, unless that has several manifests."""
    group = manifest.rpartition(".")[0]
    if sum(other.rpartition(".")[0] == group for other in manifests) > 1:
        return {}
    beside = {task_id: _part(row) for task_id, row in tasks.items() if task_id.rpartition(".")[0] == group}
    return {part: task_id for task_id, part in sorted(beside.items()) if part and part != MANIFEST}


def _part(row: TaskRow) -> str:
    return PARTS.get(row.operator, "")


def _is_alone(row: TaskRow) -> bool:
    """Whether an operation that no manifest task knows of is a job by itself."""
    return row.operator == MANAGED or row.started is not None or not _NOT_BEGUN.issuperset(row.states)
