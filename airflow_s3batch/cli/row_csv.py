"""
Rows of a report as CSV: exactly, for programs; or decoded and defused, for spreadsheets.

The two are not the same file on purpose. In the first a key is URL-encoded and nothing is changed, so that it can be
read back. In the second a field that a spreadsheet would take for a formula begins with an apostrophe, and characters
that don't show are spelled out: it is for looking at, not for running again.

Source:
    https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING

from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.visible import visible

if TYPE_CHECKING:
    from airflow_s3batch.core.completion_report import ReportRow

HEADER = ("bucket", "key", "version_id", "task_status", "http_status_code", "error_code", "result_message")
_FORMULA_MARKS = "=+-@\uff1d\uff0b\uff0d\uff20"


def write_rows(rows: Iterable[ReportRow], file: IO[str], *, for_spreadsheet: bool, is_shown: bool = False) -> int:
    """
    Write *rows* with a header to *file*; return how many there were.

    Args:
        rows: with raw keys.
        file: opened with ``newline=""``, or a standard stream.
        for_spreadsheet: decoded keys and no formulas, rather than exact fields.
        is_shown: *file* is a terminal, so nothing in it may act there.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER)
    number = 0
    for fields in _for_spreadsheets(rows) if for_spreadsheet else _exact(rows):
        writer.writerow([visible(field) for field in fields] if is_shown else fields)
        number += 1
    return number


def defused(text: str) -> str:
    """Return *text* as a spreadsheet's cell that is never a formula, hidden characters spelled out."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip()[:1] in tuple(_FORMULA_MARKS) else shown


def _exact(rows: Iterable[ReportRow]) -> Iterator[list[str]]:
    for row in rows:
        status = "" if row.http_status is None else str(row.http_status)
        yield [row.bucket, encode_key(row.key), row.version_id, row.task_status, status, row.error_code, row.message]


def _for_spreadsheets(rows: Iterable[ReportRow]) -> Iterator[list[str]]:
    for row in rows:
        status = "" if row.http_status is None else str(row.http_status)
        fields = (row.bucket, row.key, row.version_id, row.task_status, status, row.error_code, row.message)
        yield [defused(field) for field in fields]
