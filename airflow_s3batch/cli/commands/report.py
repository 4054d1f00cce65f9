"""``s3batch report``: what became of a job."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_s3batch.cli import exits
from airflow_s3batch.cli.places import add_url
from airflow_s3batch.cli.row_filters import add_row_filters, at_least_one

if TYPE_CHECKING:
    from rich.console import Console

    from airflow_s3batch.cli.report_files import ReportPlace
    from airflow_s3batch.engine.files.storage import Storage

NAME = "report"
HELP = "what became of a job: verdict, counts, failures by code, files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_url(parser, "of the job or the report (AWS's own, too): its folder, or any file in it")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print summary.json")
    form.add_argument("--rows", action="store_true", help="print the report's rows as CSV, keys URL-encoded")
    parser.add_argument("--html", metavar="FILE", type=Path, help="save the report's page, too")
    parser.add_argument("--limit", metavar="N", type=at_least_one, help="print only the first N rows")
    parser.add_argument(
        "--spreadsheet",
        action="store_true",
        help="rows for a spreadsheet: keys decoded, formulas defused (not to be run again)",
    )
    add_row_filters(parser, status=True)


def run(args: argparse.Namespace, store: Storage, console: Console) -> int:
    """Print it; the exit code tells whether the job is green."""
    from airflow_s3batch.cli.printing import print_json
    from airflow_s3batch.cli.report_files import report_at

    report = report_at(store, args.url)
    if args.html:
        store.download(report.folder / "report.html", args.html)
    if args.rows:
        _print_rows(args, store, report, console)
    elif args.json:
        print_json(console, report.summary)
    else:
        from airflow_s3batch.cli.report_view import print_summary

        print_summary(console, report.summary)
    return exits.GREEN if report.summary.get("is_green") else exits.RED


def _print_rows(args: argparse.Namespace, store: Storage, report: ReportPlace, console: Console) -> None:
    from airflow_s3batch.cli.row_csv import write_rows
    from airflow_s3batch.cli.row_filters import first, wanted_rows

    rows = first(wanted_rows(store, report.folder, args, status=args.status), args.limit)
    write_rows(rows, console.file, for_spreadsheet=args.spreadsheet, is_shown=console.is_terminal)
