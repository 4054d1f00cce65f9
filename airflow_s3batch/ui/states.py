"""The state of a job, from the states of its tasks and what they have told."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_s3batch.core.news import parts as part_names
from airflow_s3batch.core.news.parts import APPROVAL, MANIFEST, OPERATION, REPORT
from airflow_s3batch.ui.grouping import Parts
from airflow_s3batch.ui.rows import TaskRow
from airflow_s3batch.ui.work import AT_WORK, WAITS, Work

STATES = (
    "planning",
    "refused",
    "awaiting_approval",
    "queued",
    "running",
    "paused",
    "reporting",
    "success",
    "failed",
    "skipped",
)
ENDED = frozenset({"refused", "success", "failed", "skipped"})
_BAD = ("failed", "upstream_failed")
_OVER = frozenset({"success", "skipped", "removed", *_BAD})
_BEGUN = AT_WORK | {"up_for_retry"}
_ASKS = _BEGUN | {"awaiting_input", "queued"}


def state_of(parts: Parts, tasks: Mapping[str, TaskRow], work: Work, *, run_state: str, is_asked: bool) -> str:
    """
    Return one of `STATES`.

    *run_state* is the Dag run's; *is_asked* is whether people were asked by a task of the job and have not answered.
    """
    found = _of_report(parts, tasks) or _of_manifest(parts, tasks) or _of_work(parts, tasks, work, is_asked=is_asked)
    if found in ENDED or run_state not in ("success", "failed"):
        return found
    return "failed" if run_state == "failed" else "skipped"


def _states(parts: Parts, tasks: Mapping[str, TaskRow], part: str) -> set[str]:
    row = tasks.get(parts.task_id(part))
    return set(row.states) if row else set()


def _of_report(parts: Parts, tasks: Mapping[str, TaskRow]) -> str:
    """
    Return how the job ended, empty if it has not.

    What the report says counts, whatever people have marked its task as; a report is none of a job whose operation was
    cleared since, and is at work again.
    """
    states = _states(parts, tasks, REPORT)
    if not states or not states <= _OVER or _states(parts, tasks, OPERATION) & AT_WORK:
        return ""
    if states & set(_BAD):
        is_refused = parts.plan is not None and parts.plan.state == "refused"
        return "refused" if is_refused and _states(parts, tasks, MANIFEST) & set(_BAD) else "failed"
    is_red = parts.report is not None and not parts.report.is_green
    return ("failed" if is_red else "success") if "success" in states else "skipped"


def _of_manifest(parts: Parts, tasks: Mapping[str, TaskRow]) -> str:
    """Return the state of a job that has no manifest yet, or won't have one; empty if it has one."""
    states = _states(parts, tasks, MANIFEST)
    if not states or states == {"success"}:
        return ""
    if states & set(_BAD):
        is_refused = "failed" in states and parts.plan is not None and parts.plan.state == "refused"
        return "refused" if is_refused else "failed"
    if states <= {"skipped", "removed"}:
        return "skipped"
    planning = (_states(parts, tasks, name) for name in (part_names.GROUPS, part_names.GROUP))
    if states & _BEGUN or any(before - {"none"} for before in planning):
        return "planning"
    return "queued"


def _of_work(parts: Parts, tasks: Mapping[str, TaskRow], work: Work, *, is_asked: bool) -> str:
    """Return the state of a job that has a manifest and no report."""
    states = _states(parts, tasks, OPERATION)
    if states & _BEGUN:
        return "paused" if work.paused and work.paused >= _at_work(parts, tasks) else "running"
    if is_asked or _states(parts, tasks, APPROVAL) & _ASKS:
        return "awaiting_approval"
    if _states(parts, tasks, part_names.REHEARSAL) & _BEGUN:
        return "running"
    if states & WAITS or not states:
        return "running" if states - WAITS - {"removed"} else "queued"
    if parts.task_id(REPORT) in tasks:
        return "reporting"
    return "failed" if states & set(_BAD) else "success" if "success" in states else "skipped"


def _at_work(parts: Parts, tasks: Mapping[str, TaskRow]) -> int:
    """Return how many of the operation's instances are at work, whether they have told anything or not."""
    row = tasks.get(parts.task_id(OPERATION))
    return sum(number for state, number in row.states.items() if state in AT_WORK) if row else 0
