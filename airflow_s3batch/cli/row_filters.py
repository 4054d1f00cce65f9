"""Which rows of a report are wanted: the options that commands on rows share."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_s3batch.core.completion_report import FAILED, SUCCEEDED

if TYPE_CHECKING:
    from airflow_s3batch.core.completion_report import ReportRow
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage


def add_row_filters(parser: argparse.ArgumentParser, *, status: bool) -> None:
    """Let *parser* take the filters; *status* too if both kinds of rows are in question."""
    filters = parser.add_argument_group("which rows")
    if status:
        filters.add_argument("--status", choices=(SUCCEEDED, FAILED), help="only rows with this outcome")
    filters.add_argument("--codes", metavar="CODE[,CODE]", type=_codes, help="only rows with one of these error codes")
    filters.add_argument("--bucket", metavar="NAME", help="only objects of this bucket")
    filters.add_argument("--prefix", metavar="TEXT", help="only keys that start with this (not encoded)")


def wanted_rows(
    store: Storage, folder: S3Url, args: argparse.Namespace, *, status: str | None = None
) -> Iterator[ReportRow]:
    """
    Yield the rows of the report in *folder* that *args* ask for, with raw keys.

    Result files of another status are not even fetched.
    """
    from airflow_s3batch.reports.read import read_rows

    status = status or (FAILED if args.codes else None)
    for row in read_rows(store, str(folder / "manifest.json"), task_status=status):
        if (
            (args.codes is None or row.error_code in args.codes)
            and (args.bucket is None or row.bucket == args.bucket)
            and (args.prefix is None or row.key.startswith(args.prefix))
        ):
            yield row


def first(rows: Iterator[ReportRow], limit: int | None) -> Iterator[ReportRow]:
    """Yield the first *limit* of *rows*; all without one."""
    return rows if limit is None else itertools.islice(rows, limit)


def at_least_one(text: str) -> int:
    """Return *text* as a number from 1 on, for argparse."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


at_least_one.__name__ = "number from 1 on"  # argparse says: invalid number from 1 on value: '0'


def _codes(text: str) -> frozenset[str]:
    return frozenset(code.strip() for code in text.split(",") if code.strip())
