"""``s3batch failed``: which objects failed, and how to run them again."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_s3batch.cli import exits
from airflow_s3batch.cli.places import add_url
from airflow_s3batch.cli.row_filters import add_row_filters, at_least_one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from airflow_s3batch.cli.report_files import ReportPlace
    from airflow_s3batch.core.completion_report import ReportRow
    from airflow_s3batch.engine.files.storage import Storage

NAME = "failed"
HELP = "which objects of a job failed; as a list, as a manifest to run again, or for a spreadsheet"
MOST_SHOWN = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_url(parser, "of the job or the report (AWS's own, too): its folder, or any file in it")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object a line for each failed object")
    form.add_argument(
        "--csv",
        metavar="FILE",
        help="write a manifest in AWS's form (keys URL-encoded: to run again, not for spreadsheets); - prints it",
    )
    form.add_argument(
        "--spreadsheet",
        metavar="FILE",
        help="write CSV to look at in a spreadsheet: keys decoded, formulas defused (not to be run again); - prints it",
    )
    parser.add_argument("--limit", metavar="N", type=at_least_one, help=f"only the first N (of a list: {MOST_SHOWN})")
    add_row_filters(parser, status=False)


def run(args: argparse.Namespace, store: Storage, console: Console) -> int:
    """List or write them; the exit code tells whether there are any."""
    from airflow_s3batch.cli.report_files import report_at
    from airflow_s3batch.cli.row_filters import first, wanted_rows
    from airflow_s3batch.core.completion_report import FAILED
    from airflow_s3batch.core.outcomes import DRY_RUN

    report = report_at(store, args.url)
    is_list = not (args.json or args.csv or args.spreadsheet)
    limit = args.limit or (MOST_SHOWN if is_list else None)
    failures = wanted_rows(store, report.folder, args, status=FAILED)
    rows = first((row for row in failures if args.codes or row.error_code != DRY_RUN), limit)
    if args.json:
        number = _print_json_lines(rows, console)
    elif args.csv:
        number = _write_manifest(rows, args.csv, console)
    elif args.spreadsheet:
        number = _write_spreadsheet(rows, args.spreadsheet, console)
    else:
        number = _print_list(rows, report, args, console)
    return exits.RED if number else exits.GREEN


def _print_json_lines(rows: Iterator[ReportRow], console: Console) -> int:
    import json

    number = 0
    for number, row in enumerate(rows, start=1):  # noqa: B007 - counted
        document = {
            "bucket": row.bucket,
            "key": row.key,
            "version_id": row.version_id or None,
            "http_status": row.http_status,
            "error_code": row.error_code,
            "message": row.message,
        }
        console.file.write(json.dumps(document) + "\n")
    return number


def _write_manifest(rows: Iterator[ReportRow], target: str, console: Console) -> int:
    """Write *rows* as a manifest; the version column is there for all rows or for none, so a first file is needed."""
    import shutil

    from airflow_s3batch.core.keys import encode_key
    from airflow_s3batch.reports.accounts.failed_manifest import FailedManifest

    number = 0
    with tempfile.TemporaryDirectory(prefix="s3batch-failed-") as folder:
        manifest = FailedManifest(Path(folder))
        for number, row in enumerate(rows, start=1):  # noqa: B007 - counted
            manifest.add([f"{row.bucket},{encode_key(row.key)},{row.version_id}"])
        path = manifest.finished()
        if target != "-":
            shutil.copyfile(path, target)
            _tell_written(number, target)
        else:
            with path.open(encoding="utf-8", newline="") as lines:
                shutil.copyfileobj(lines, console.file)
    return number


def _write_spreadsheet(rows: Iterator[ReportRow], target: str, console: Console) -> int:
    from airflow_s3batch.cli.row_csv import write_rows

    if target == "-":
        return write_rows(rows, console.file, for_spreadsheet=True)
    with Path(target).open("w", encoding="utf-8-sig", newline="") as file:  # the mark tells Excel that it is UTF-8
        number = write_rows(rows, file, for_spreadsheet=True)
    _tell_written(number, target)
    return number


def _tell_written(number: int, target: str) -> None:
    print(f"{number:,} failed objects written to {target}", file=sys.stderr)  # noqa: T201 - what a command line is for


def _print_list(rows: Iterator[ReportRow], report: ReportPlace, args: argparse.Namespace, console: Console) -> int:
    from airflow_s3batch.cli.failed_view import print_failed

    return print_failed(console, rows, report, is_filtered=bool(args.codes or args.bucket or args.prefix))
