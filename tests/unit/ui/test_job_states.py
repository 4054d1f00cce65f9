"""The state of a job, from its tasks' states and what they have told."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_s3batch.core.news import PlanNews, ReportNews
from airflow_s3batch.ui.grouping import jobs_in
from airflow_s3batch.ui.rows import TaskRow
from airflow_s3batch.ui.states import state_of
from airflow_s3batch.ui.work import Work

OPERATORS = {
    "groups": "InventoryGroupsOperator",
    "group": "InventoryGroupOperator",
    "manifest": "InventoryToManifestOperator",
    "approve": "BatchApprovalOperator",
    "rehearse": "BatchRehearsalOperator",
    "run": "BatchOperationOperator",
    "verify": "BatchVerificationOperator",
    "report": "BatchReportOperator",
}


def row(operator: str, *states: str, started: Any = None) -> TaskRow:
    return TaskRow(operator, {state: states.count(state) for state in states}, started, None)


def state(
    work: Work | None = None, run_state: str = "running", plan: str = "", asked: bool = False, **states: Any
) -> str:
    """Return the state of the job of one group whose tasks are in these states."""
    told = {part: [value] if isinstance(value, str) else value for part, value in states.items()}
    tasks = {f"g.{part}": row(OPERATORS[part], *values) for part, values in told.items()}
    plans = {"g.manifest": PlanNews(state=plan)} if plan else {}
    (parts,) = jobs_in(tasks, plans, {})
    return state_of(parts, tasks, Work(), run_state=run_state, is_asked=asked)


@pytest.mark.parametrize(
    ("expected", "states"),
    [
        ("queued", {"manifest": "none", "run": "none", "report": "none"}),
        ("planning", {"groups": "success", "group": ["running", "none"], "manifest": "none", "run": "none"}),
        ("planning", {"manifest": "up_for_retry", "run": "none", "report": "none"}),
        ("failed", {"manifest": "failed", "run": "upstream_failed", "report": "running"}),
        ("failed", {"manifest": "upstream_failed", "run": "upstream_failed", "report": "none"}),
        ("skipped", {"manifest": "skipped", "run": "skipped", "report": "none"}),
        ("queued", {"manifest": "success", "run": "scheduled", "report": "none"}),
        ("awaiting_approval", {"manifest": "success", "approve": "deferred", "run": "none", "report": "none"}),
        ("awaiting_approval", {"manifest": "success", "approve": "awaiting_input", "run": "none", "report": "none"}),
        ("running", {"manifest": "success", "rehearse": "running", "approve": "none", "run": "none"}),
        ("running", {"manifest": "success", "run": ["success", "scheduled"], "report": "none"}),
        ("running", {"manifest": "success", "run": ["failed", "up_for_retry"], "report": "none"}),
        ("reporting", {"manifest": "success", "run": ["success", "failed"], "verify": "running", "report": "none"}),
        ("reporting", {"manifest": "success", "run": "success", "report": "up_for_retry"}),
        ("success", {"manifest": "success", "run": "success", "report": "success"}),
        ("failed", {"manifest": "success", "run": "success", "report": "failed"}),
        ("skipped", {"manifest": "success", "run": "skipped", "report": "skipped"}),
        ("success", {"manifest": "success", "run": ["success", "success"]}),
        ("failed", {"manifest": "success", "run": ["success", "failed"]}),
    ],
    ids=str,
)
def test_states_of_tasks_make_the_jobs(expected: str, states: dict[str, Any]) -> None:
    assert state(**states) == expected


def test_a_guards_no_is_refused_whatever_the_report_says() -> None:
    over = {"manifest": "failed", "run": "upstream_failed", "report": "failed"}
    assert state(plan="refused", run_state="failed", **over) == "refused"
    assert state(plan="refused", report="none", manifest="failed") == "refused"
    assert state(plan="failed", report="failed", manifest="failed") == "failed"


def test_a_job_is_paused_once_all_its_shards_at_work_are() -> None:
    tasks = {"manifest": "success", "report": "none"}
    grouped = {
        "g.manifest": row(OPERATORS["manifest"], "success"),
        "g.run": row(OPERATORS["run"], "deferred", "success"),
    }
    (parts,) = jobs_in(grouped, {}, {})
    for paused, expected in [(1, "paused"), (0, "running")]:
        work = Work(working=1, paused=paused)
        assert state_of(parts, grouped, work, run_state="running", is_asked=False) == expected
    silent = {**grouped, "g.run": row(OPERATORS["run"], "deferred", "running", "success")}
    assert state_of(parts, silent, Work(working=1, paused=1), run_state="running", is_asked=False) == "running"
    assert state(asked=True, **tasks) == "awaiting_approval"


def test_a_red_report_stays_red_whatever_its_task_was_marked_as() -> None:
    tasks = {f"g.{part}": row(OPERATORS[part], "success") for part in ("manifest", "run", "report")}
    for is_green, expected in [(True, "success"), (False, "failed")]:
        (parts,) = jobs_in(tasks, {"g.manifest": PlanNews()}, {"g.report": ReportNews(is_green=is_green)})
        parts = parts._replace(report=ReportNews(is_green=is_green))
        assert state_of(parts, tasks, Work(), run_state="success", is_asked=False) == expected


def test_a_shard_that_was_cleared_alone_and_works_again_is_at_work() -> None:
    """The report of before is none of what goes on."""
    assert state(manifest="success", run=["success", "running"], report="failed") == "running"


def test_a_run_that_is_over_has_no_job_that_goes_on() -> None:
    """A run that was marked as failed leaves tasks that nobody will begin."""
    assert state(run_state="failed", manifest="success", report="none") == "failed"
    assert state(run_state="success", manifest="none", report="none") == "skipped"


def test_tasks_wired_by_hand_are_told_by_the_manifest_task() -> None:
    tasks = {
        "plan_a": row(OPERATORS["manifest"], "success"),
        "plan_b": row("OurOwnManifestOperator", "success"),
        "work_a": row(OPERATORS["run"], "running"),
        "work_b": row("OurOwnOperator", "success"),
        "tell_b": row(OPERATORS["report"], "none"),
        "alone": row("ManagedBatchJobOperator", "none"),
    }
    plans = {
        "plan_a": PlanNews(jobs=({"operation": "work_a"},)),
        "plan_b": PlanNews(jobs=({"operation": "work_b", "report": "tell_b"},)),
    }
    jobs = jobs_in(tasks, plans, {})
    assert [dict(job.task_ids) for job in jobs] == [
        {"operation": "work_a", "manifest": "plan_a"},
        {"operation": "work_b", "report": "tell_b", "manifest": "plan_b"},
        {"operation": "alone"},
    ]


def test_without_news_a_report_or_the_task_group_tells_which_tasks_belong_together() -> None:
    """XComs of a cleared task are gone."""
    tasks = {
        "m": row(OPERATORS["manifest"], "none"),
        "n": row(OPERATORS["manifest"], "none"),
        "r": row(OPERATORS["run"], "success", started=1),
        "t": row(OPERATORS["report"], "success"),
    }
    told = {"t": ReportNews(task_ids={"manifest": "m", "operation": "r"})}
    jobs = {job.task_ids["manifest"]: dict(job.task_ids) for job in jobs_in(tasks, {}, told)}
    assert jobs == {"m": {"manifest": "m", "operation": "r", "report": "t"}, "n": {"manifest": "n"}}
