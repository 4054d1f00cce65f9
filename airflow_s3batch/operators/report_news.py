"""News of a report task: what became of all objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.news import REPORT_KEY, ReportNews
from airflow_s3batch.hooks.news import push
from airflow_s3batch.operators.metrics import emit_report

if TYPE_CHECKING:
    from airflow_s3batch.reports.summary import JobSummary


def tell_report(ti: Any, summary: JobSummary, task_ids: dict[str, str]) -> None:
    """Tell what *summary* says; *task_ids* are those of the job's manifest and operation task. Never raises."""
    emit_report(ti, summary)
    push(ti, REPORT_KEY, lambda: report_news(summary, {**task_ids, "report": ti.task_id}).to_json())


def report_news(summary: JobSummary, task_ids: dict[str, str]) -> ReportNews:
    """Return what is told of *summary*."""
    return ReportNews(
        job=summary.job_url,
        operation=summary.name,
        declared=summary.operation,
        engine="managed" if summary.aws_jobs else "worker",
        dry_run=summary.dry_run,
        objects=summary.objects,
        succeeded=summary.succeeded,
        failed=summary.failed,
        not_attempted=summary.not_attempted,
        counted_failures=summary.counted_failures,
        allowed=summary.allowed,
        is_green=summary.is_green,
        sentence=summary.sentence(),
        codes={code: (number, tuple(summary.examples.get(code, ()))) for code, number in summary.codes.items()},
        bytes=summary.bytes,
        slow_downs=summary.slow_downs,
        duration_s=summary.duration_s,
        rate=summary.rate,
        started=summary.started,
        ended=summary.ended,
        report_url=summary.report_url,
        failed_url=summary.failed_url or "",
        html_url=summary.html_url,
        summary_url=summary.summary_url,
        verification=summary.verification,
        aws_jobs=summary.aws_jobs,
        task_ids=task_ids,
        no_manifest=bool(summary.no_manifest),
    )
