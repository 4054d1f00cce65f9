"""All jobs that a user may see: found, filtered, sorted, a page of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from airflow_s3batch.core.news import PLAN_KEY, PROGRESS_KEY, REPORT_KEY, ProgressNews
from airflow_s3batch.ui import rows
from airflow_s3batch.ui.grouping import jobs_in, wanted
from airflow_s3batch.ui.job import Found, job_json
from airflow_s3batch.ui.reading import OfRun, plans_and_reports
from airflow_s3batch.ui.work import Work, added_up

MOST_NEWS = 12_000
"""Plans and reports that are looked at; two for each job."""
MOST_PROGRESS = 6_000
"""Shards of unfinished jobs whose news are added up for one answer."""

_TEXTS = ("started", "ended", "updated", "state", "dag_id", "run_id", "operation", "engine")
_URGENCY = (
    "failed",
    "refused",
    "awaiting_approval",
    "paused",
    "running",
    "planning",
    "reporting",
    "queued",
    "success",
    "skipped",
)
"""States in the order in which a person on call wants to see them, as the page's buttons have them."""
_NUMBERS = ("objects", "done", "failed", "bytes", "slow_downs", "progress", "rate", "eta_s")
SORTS = frozenset({*_TEXTS, *_NUMBERS})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user wants to see: empty texts and sets are everything; *sort* begins with ``-`` for descending."""

    states: frozenset[str] = frozenset()
    dag_id: str = ""
    operation: str = ""
    engine: str = ""
    q: str = ""
    sort: str = "-started"
    page: int = 1
    size: int = 25


def listed(
    session: Session, dag_ids: Iterable[str], asked: Asked, *, days: float, base: str, now: dt.datetime
) -> dict[str, Any]:
    """Return a page of the jobs of *dag_ids* in the last *days*, and of those that go on; as JSON."""
    chosen = [dag_id for dag_id in dag_ids if asked.dag_id in ("", dag_id)]
    since = now - dt.timedelta(days=days)
    runs, is_truncated = rows.runs_since(session, chosen, since)
    told = list(rows.told_since(session, chosen, (PLAN_KEY, REPORT_KEY), since, MOST_NEWS))
    known = {run.id for run in runs.values()}
    if others := sorted({xcom.run_id for xcom in told} - known, reverse=True):  # whose operators are all sub-classes
        runs.update(rows.runs_by_row(session, others, chosen))
    found = _jobs(session, runs, told)
    pending = [job for job in found if job.needs_work]
    work, left_out = _work(session, pending, now)
    jobs = [job_json(job, work.get(id(job), Work()), base) for job in found]
    matching = [job for job in jobs if _matches(job, asked)]
    states: dict[str, int] = {}
    for job in matching:
        states[job["state"]] = states.get(job["state"], 0) + 1
    shown = [job for job in matching if not asked.states or job["state"] in asked.states]
    first = (asked.page - 1) * asked.size
    return {
        "jobs": _sorted(shown, asked.sort)[first : first + asked.size],
        "total": len(shown),
        "page": asked.page,
        "size": asked.size,
        "states": states,
        "truncated": is_truncated or left_out or len(told) >= MOST_NEWS,
    }


def _jobs(session: Session, runs: dict[rows.Where, rows.Run], told: Sequence[rows.Told]) -> list[Found]:
    """Return the jobs in *runs*, of which *told* tells."""
    news = plans_and_reports(told, is_brief=True)
    of_run = {where: news.get(run.id, OfRun({}, {})) for where, run in runs.items()}
    strange = {where: wanted(*of_run[where]) - run.tasks.keys() for where, run in runs.items()}
    rows.add_tasks(session, runs, {where: task_ids for where, task_ids in strange.items() if task_ids})
    asked = {(request.run_id, request.task_id) for request in _open_requests(session, runs)}
    found = []
    for (dag_id, run_id), run in runs.items():
        for parts in jobs_in(run.tasks, *of_run[dag_id, run_id]):
            is_asked = any((run.id, task_id) in asked for task_id in parts.task_ids.values())
            found.append(Found(dag_id, run_id, run, parts, is_asked))
    return found


def _open_requests(session: Session, runs: dict[rows.Where, rows.Run]) -> list[rows.Request]:
    going_on = [run.id for run in runs.values() if run.state in ("running", "queued")]
    return rows.requests_in(session, going_on, is_open=True)


def _work(session: Session, pending: Sequence[Found], now: dt.datetime) -> tuple[dict[int, Work], bool]:
    """Return what the shards of the jobs have told, by ``id`` of the job; and whether some were left out."""
    asked: list[Found] = []
    shards = 0
    for job in pending:
        row = job.operation_row
        shards += row.instances if row else 0
        if shards > MOST_PROGRESS and asked:
            break
        asked.append(job)
    by_task = {(job.run.id, job.parts.task_id("operation")): job for job in asked}
    told: dict[int, list[tuple[ProgressNews, str]]] = {}
    for xcom in rows.told_in(session, sorted({job.run.id for job in asked}), (PROGRESS_KEY,), MOST_PROGRESS):
        job_of = by_task.get((xcom.run_id, xcom.task_id))
        news = ProgressNews.from_json(rows.value_of(xcom.text), is_brief=True) if job_of else None
        if job_of is not None and news is not None:
            told.setdefault(id(job_of), []).append((news, xcom.ti_state))
    return {key: added_up(news, now) for key, news in told.items()}, len(asked) < len(pending)


def _matches(job: dict[str, Any], asked: Asked) -> bool:
    if asked.operation and job["operation"] != asked.operation:
        return False
    if asked.engine and job["engine"] != asked.engine:
        return False
    words = asked.q.casefold().split()
    told = ("dag_id", "run_id", "group", "operation", "job_url", "state")
    text = " ".join(str(job[name]) for name in told).casefold()
    return all(word in text for word in words)


def _sorted(jobs: list[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    """Return *jobs* sorted, those alike with the latest first; what is not known sorts as if it were least."""
    name = sort.removeprefix("-")
    nothing: Any = 0 if name in _NUMBERS else ""
    latest = sorted(jobs, key=lambda job: str(job["started"] or ""), reverse=True)
    value = _urgency if name == "state" else lambda job: job[name] or nothing
    return sorted(latest, key=value, reverse=sort.startswith("-"))


def _urgency(job: dict[str, Any]) -> int:
    return _URGENCY.index(job["state"])
