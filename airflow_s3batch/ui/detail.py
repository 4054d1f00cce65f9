"""The jobs of one run, or of one task instance, with all that is known of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from airflow_s3batch.core.news import PLAN_KEY, PROGRESS_KEY, REPORT_KEY, PlanNews, ProgressNews, clean
from airflow_s3batch.core.news.parts import APPROVAL, OPERATION, REHEARSAL
from airflow_s3batch.ui import rows
from airflow_s3batch.ui.grouping import jobs_in, wanted
from airflow_s3batch.ui.job import Found, iso, job_json
from airflow_s3batch.ui.links import commands, console_link, file_links, run_url, task_url
from airflow_s3batch.ui.rates import stretches, summed
from airflow_s3batch.ui.reading import OfRun, plans_and_reports
from airflow_s3batch.ui.waiting import waiting
from airflow_s3batch.ui.work import Work, added_up, rate_of, settled

MOST_PARTS = 200
MOST_SHARDS = 2_000
MOST_TOLD = 8_000
"""Shards of all jobs of a run whose news are read."""
MOST_CODES = 20
MOST_AWS_LINKS = 50
RETURNED = "return_value"
"""Airflow's key of what a task returns."""

Shards = dict[tuple[str, int], ProgressNews]
"""What has been told, by task id and map index."""


def details(
    session: Session,
    dag_id: str,
    run_id: str,
    *,
    task_id: str = "",
    map_index: int | None = None,
    has_requests: bool = True,
    base: str,
    now: dt.datetime,
) -> list[dict[str, Any]] | None:
    """
    Return the jobs of a run as JSON, ``None`` if there is no such run.

    *task_id* leaves only the job that the task is of; *map_index* only that shard in its list. Without *has_requests*
    nothing is told of what people were asked and answered but the task's own state.
    """
    run = rows.one_run(session, dag_id, run_id)
    if run is None:
        return None
    told = rows.told_in(session, [run.id], (PLAN_KEY, REPORT_KEY), MOST_PARTS, map_index=-1)
    plans, reports = plans_and_reports(told).get(run.id, OfRun({}, {}))
    if strange := wanted(plans, reports) - run.tasks.keys():
        rows.add_tasks(session, {(dag_id, run_id): run}, {(dag_id, run_id): strange})
    requests = {request.task_id: request for request in rows.requests_in(session, [run.id]) if has_requests}
    shards: Shards = {}
    states: dict[tuple[str, int], str] = {}
    jobs = [job for job in jobs_in(run.tasks, plans, reports) if task_id in ("", *job.task_ids.values())]
    operations = {job.task_id(OPERATION) for job in jobs}
    for xcom in rows.told_in(session, [run.id], (PROGRESS_KEY,), MOST_TOLD, task_ids=operations):
        if news := ProgressNews.from_json(rows.value_of(xcom.text)):
            shards[xcom.task_id, xcom.map_index] = news
            states[xcom.task_id, xcom.map_index] = xcom.ti_state
    rehearsed = {job.task_id(REHEARSAL) for job in jobs} - {""}
    returned = rows.told_in(session, [run.id], (RETURNED,), MOST_PARTS, map_index=-1, task_ids=rehearsed)
    rehearsals = {xcom.task_id: clean.mapping(rows.value_of(xcom.text)) for xcom in returned}
    found = []
    for parts in jobs:
        request = requests.get(parts.task_id(APPROVAL))
        job = Found(dag_id, run_id, run, parts, request is not None and request.responded is None)
        mine = {key: news for key, news in shards.items() if key[0] == parts.task_id(OPERATION)}
        work = added_up(((news, states[key]) for key, news in mine.items()), now)
        instances = rows.instances_of(session, dag_id, run_id, parts.task_id(OPERATION), MOST_SHARDS)
        narrowed = map_index if task_id == parts.task_id(OPERATION) and (map_index or 0) >= 0 else None
        detail = _detail(job, work, mine, instances, request, narrowed, base, now)
        found.append({**detail, "rehearsal": _rehearsal(job, rehearsals, base), "waiting": waiting(session, job)})
    return found


def _detail(
    job: Found,
    work: Work,
    shards: Shards,
    instances: list[rows.Instance],
    request: rows.Request | None,
    map_index: int | None,
    base: str,
    now: dt.datetime,
) -> dict[str, Any]:
    summary = job_json(job, work, base)
    report = job.parts.report if not job.report_is_pending else None
    shown = [instance for instance in instances if map_index in (None, instance.map_index)]
    codes = report.codes if report is not None else work.codes
    return {
        **summary,
        "plan": _plan(job.parts.plan),
        "approval": _approval(job, request, base),
        "control": work.control,
        "shard_list": [_shard(job, instance, shards, base, now) for instance in shown],
        "shards_left_out": len(instances) >= MOST_SHARDS,
        "codes": _codes(codes),
        "history": summed(stretch for news in shards.values() for stretch in stretches(news)),
        "links": _links(job, shards.values(), base),
        "commands": commands(summary["job_url"], summary["state"], dry_run=summary["dry_run"]),
        "report": asdict(job.parts.report) if job.parts.report is not None else None,
        "verification": report.verification if report is not None else None,
    }


def _plan(plan: PlanNews | None) -> dict[str, Any] | None:
    return None if plan is None else asdict(plan)


def _shard(
    job: Found, instance: rows.Instance, shards: Mapping[tuple[str, int], ProgressNews], base: str, now: dt.datetime
) -> dict[str, Any]:
    news = shards.get((instance.task_id, instance.map_index))
    counted = settled(news, instance.state) if news is not None else None
    url = task_url(base, job.dag_id, job.run_id, instance.task_id, instance.map_index, instance.try_number)
    return {
        "shard": news.shard if news is not None and news.shard >= 0 else max(0, instance.map_index),
        "label": clean.visible(instance.label, 250) or (news.bucket if news else "") or f"shard {instance.map_index}",
        "task_id": instance.task_id,
        "map_index": instance.map_index,
        "state": instance.state,
        "try_number": instance.try_number,
        "rows": news.rows if news else None,
        "done": counted.done if counted else 0,
        "failed": counted.failed if counted else 0,
        "rate": rate_of(news, now) if news and instance.state in ("running", "deferred") else None,
        "slow_downs": counted.slow_downs if counted else 0,
        "in_flight": counted.in_flight if counted and instance.state == "running" else 0,
        "told": news.state if news else None,
        "sentence": news.sentence if news else "",
        "updated": news.at if news else None,
        "started": iso(instance.started) if instance.started else None,
        "log_url": url,
    }


def _codes(codes: Mapping[str, tuple[int, tuple[str, ...]]]) -> list[dict[str, Any]]:
    most = sorted(codes.items(), key=lambda item: -item[1][0])[:MOST_CODES]
    return [{"code": code, "number": number, "examples": list(urls)} for code, (number, urls) in most]


def _approval(job: Found, request: rows.Request | None, base: str) -> dict[str, Any] | None:
    """Return what people were asked, and what they answered; ``None`` if there is no such task."""
    task_id = job.parts.task_id(APPROVAL)
    row = job.run.tasks.get(task_id)
    if row is None:
        return None
    by = request.by if request is not None and isinstance(request.by, dict) else {}
    return {
        "state": _answer(request, row),
        "subject": clean.visible(request.subject, 1_000) if request else "",
        "by": clean.visible(by.get("name") or by.get("id"), 200),
        "at": iso(request.responded) if request and request.responded else None,
        "deadline": iso(request.deadline) if request and request.deadline and not request.responded else None,
        "url": f"{task_url(base, job.dag_id, job.run_id, task_id)}/required_actions",
    }


def _rehearsal(job: Found, returned: Mapping[str, Any], base: str) -> dict[str, Any] | None:
    """Return how the rehearsal went, with its counts once it has ended well; ``None`` if there is none."""
    task_id = job.parts.task_id(REHEARSAL)
    row = job.run.tasks.get(task_id)
    if row is None:
        return None
    names = ("objects", "of", "succeeded", "failed", "counted_failures", "allowed", "bytes")
    counts = returned.get(task_id) or {}
    return {
        "state": next(iter(row.states), "none"),
        **{name: clean.count(counts[name]) if name in counts else None for name in names},
        "dry_run": counts.get("dry_run") is True,
        "url": task_url(base, job.dag_id, job.run_id, task_id),
    }


def _answer(request: rows.Request | None, row: rows.TaskRow) -> str:
    """Return ``not_asked``, ``pending``, ``approved``, ``rejected``, ``answered``, ``failed`` or ``skipped``."""
    if request is not None and request.responded is None and not {"failed", "skipped"} & row.states.keys():
        return "pending"
    if request is not None and request.responded is not None:
        chosen = {str(option).casefold() for option in request.chosen or () if isinstance(request.chosen, list)}
        return "approved" if chosen == {"approve"} else "rejected" if chosen == {"reject"} else "answered"
    ended = next((state for state in ("failed", "upstream_failed", "skipped") if state in row.states), "")
    return {"failed": "failed", "upstream_failed": "failed", "skipped": "skipped"}.get(ended, "not_asked")


def _links(job: Found, shards: Iterable[ProgressNews], base: str) -> list[dict[str, str]]:
    """Return where to look: the run, the tasks' logs, the report's files, AWS's console where the news name it."""
    found = [{"label": "Dag run", "url": run_url(base, job.dag_id, job.run_id), "kind": "airflow"}]
    for part, task_id in job.parts.task_ids.items():
        row = job.run.tasks.get(task_id)
        if row is not None and row.instances == 1:
            url = task_url(base, job.dag_id, job.run_id, task_id)
            found.append({"label": f"Log of {part}", "url": url, "kind": "airflow"})
    found += file_links(job.parts.report if not job.report_is_pending else None)
    aws = [link for news in shards if (link := console_link(news))]
    return found + aws[:MOST_AWS_LINKS]
