"""The failed objects of a job, a line each, and what to do about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from airflow_s3batch.cli.printing import print_facts, told
from airflow_s3batch.core.amounts import number

if TYPE_CHECKING:
    from rich.console import Console

    from airflow_s3batch.cli.report_files import ReportPlace
    from airflow_s3batch.core.completion_report import ReportRow


def print_failed(console: Console, rows: Iterator[ReportRow], report: ReportPlace, *, is_filtered: bool) -> int:
    """Print *rows*, how many more there are, and how to run them again; return how many were printed."""
    shown = 0
    for shown, row in enumerate(rows, start=1):  # noqa: B007 - counted
        console.print(_line(row), soft_wrap=True)
    if not shown:
        console.print("No object failed." if not is_filtered else "No failed object is like that.")
        return 0
    console.print()
    if not is_filtered and shown < report.summary.get("failed", 0):
        console.print(f"The first {number(shown)} of {number(report.summary['failed'])}; all: --csv FILE")
    print_facts(console, _again(report.summary))
    return shown


def _line(row: ReportRow) -> Text:
    """Return ``s3://lake/a.csv  AccessDenied 403: Access Denied`` as one line, however long."""
    version = told(f"?versionId={row.version_id}" if row.version_id else "", "dim")
    status = "" if row.http_status is None else f" {row.http_status}"
    code = told(f"  {row.error_code}{status}", "red")
    return Text.assemble(told(f"s3://{row.bucket}/{row.key}"), version, code, told(f": {row.message}", "dim"))


def _again(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the ways to run them again, by label."""
    if summary.get("failed_url"):
        yield "as a manifest", str(summary["failed_url"])
    if summary.get("task_id"):
        yield "run them again", f"fix the cause and clear task {summary['task_id']!r} of the run: only these are done"
        yield "as a new job", f"s3_batch_job(source=CompletionReport({str(summary.get('job_url', ''))!r}), …)"
    else:
        yield "as a new job", f"s3_batch_job(source=CompletionReport({str(summary.get('report_url', ''))!r}), …)"
