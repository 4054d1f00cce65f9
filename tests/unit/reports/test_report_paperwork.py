"""What was said before the job ran stands in its report: the estimate beside what was sent, and who approved it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from report_jobs import TASK, Job, objects
from test_report_page import page

from airflow_s3batch.core.approval_record import APPROVED, ASKED, REJECTED, ApprovalRecord
from airflow_s3batch.costs import Totals, estimate, shipped_prices
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.reports import JobSummary, build_report

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TAG = PutObjectTagging({"quarantine": "true"})


def record(**changes: Any) -> ApprovalRecord:
    values: dict[str, Any] = {
        "state": REJECTED,
        "task_id": "quarantine.approve",
        "asked": "2026-11-22T09:00:00Z",
        "deadline": None,
        "subject": "Destroy data? <b>",
        "operation": TAG.to_json(),
        "manifest": "0" * 16,
        "objects": 3,
        "bytes": 33,
        "default": "reject",
        "by": "<script>ada",
        "at": "2026-11-22T10:00:00Z",
    }
    return ApprovalRecord(**{**values, **changes})


def report(approval: ApprovalRecord | str | None = None, cost: dict[str, Any] | None = None, **how: Any) -> JobSummary:
    job = Job(objects(3))
    if approval is not None:
        text = approval if isinstance(approval, str) else approval.to_json()
        job.storage.write(job.layout.approval, text.encode())
    if cost is not None:
        job.storage.write(job.layout.cost, json.dumps(cost).encode())
    return build_report(job.storage, job.layout.url, TASK, now=NOW, **how)


def test_a_job_that_was_rejected_says_by_whom_first_and_is_red() -> None:
    """Every object is in the report as not attempted."""
    summary = report(record())
    assert summary.sentence().startswith(
        "The job was rejected by <script>ada at 2026-11-22T10:00:00Z (task quarantine.approve), so it was not run.\n"
    )
    assert not summary.is_green
    assert summary.not_attempted == 3
    assert summary.approval is not None
    assert summary.approval["operation"] == TAG.to_json()


def test_a_job_that_was_rejected_is_red_however_much_may_fail() -> None:
    """Clearing the operation task, which is skipped again, is no advice then."""
    assert not report(record(), allowed_failures=3).is_green
    assert not report(record(state=ASKED), allowed_failures=3).is_green
    assert report(record(state=APPROVED), allowed_failures=3).is_green
    assert "clear task quarantine.approve, with what is downstream" in report(record()).sentence()


def test_a_job_that_nobody_answered_for_says_so() -> None:
    assert report(record(state=ASKED)).sentence().startswith("No approval: asked at 2026-11-22T09:00:00Z, and not")


def test_an_approved_job_has_the_name_in_its_papers_only() -> None:
    summary = report(record(state=APPROVED))
    assert "approved" not in summary.sentence()
    assert summary.approval is not None
    assert summary.approval["by"] == "<script>ada"


def test_damaged_papers_are_told_and_keep_no_report_from_being_made() -> None:
    summary = report("{}", {"format": "x"})
    assert summary.approval is not None
    assert summary.approval["state"] == "damaged"
    assert summary.cost is not None
    assert "not an estimate" in summary.cost["sentence"] or "format is" in summary.cost["sentence"]


def test_the_estimate_stands_beside_what_was_sent() -> None:
    found = estimate(Totals(3, 33), TAG, "worker", shipped_prices())
    summary = report(cost=found.to_json())
    assert summary.cost is not None
    assert summary.cost["requests"] == [3, 3]
    assert summary.cost["requests_sent"] == 0
    assert summary.to_json()["cost"]["total"] == found.total


def test_the_page_shows_both_and_nothing_of_them_as_markup() -> None:
    """The name of who answered is theirs to choose."""
    cost = {
        **estimate(Totals(3, 33), TAG, "worker", shipped_prices()).brief(),
        "items": {"<img src=x>": "1 $"},
        "requests_sent": 4,
        "assumptions": ["<i>a</i>"],
        "not_included": [],
    }
    shown = page(approval=report(record()).approval, cost=cost)
    for part in ("rejected by <script>ada", "<img src=x> 1 $", "3 to 3 were expected", "4 were sent", "<i>a</i>"):
        assert part in shown.words
    assert not {"script", "img", "i", "b"} & {tag for tag, _ in shown.tags}


def test_without_papers_there_are_none() -> None:
    summary = report()
    assert (summary.cost, summary.approval, summary.storage_classes) == (None, None, {})


def test_a_red_rehearsal_is_what_is_to_be_cleared() -> None:
    """Clearing the operation, which never began, would do nothing; the cause is named, not what was left undone."""
    from test_report_page import summary

    found = summary(
        objects=400,
        succeeded=0,
        failed=400,
        codes={"NotAttempted": 350, "AccessDenied": 50},
        examples={"NotAttempted": ["s3://b/a"], "AccessDenied": ["s3://b/z"]},
        rehearsal={"is_green": False, "objects": 50},
    )
    assert "First: s3://b/z (AccessDenied)" in found.sentence()
    assert "clear the rehearsal, which task" in found.sentence()
