"""
AWS's completion report, written as AWS writes it.

Written independently of `airflow_s3batch.core.completion_report`, which reads it.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.testing.emulator.tasks import Task

FORMAT = "Report_CSV_20180820"
SCHEMA = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"
_STATUSES = ("succeeded", "failed")
Put = Callable[[str, str, bytes], None]
"""Stores bytes under bucket and key."""


def report_row(task: Task, outcome: Outcome) -> list[str]:
    """
    Return the fields of one task's row, in the order in which AWS writes them, which is not `SCHEMA`'s.

    The row of a task that lacks its version has no field for it, as in AWS's own example.
    """
    status = _STATUSES[bool(outcome.error_code)]
    version = [] if task.lacks_version else [task.version_id]
    answer = [str(outcome.http_status), outcome.error_code, outcome.message]
    return [task.bucket, task.spelled_key, *version, status, *answer]


class ReportDraft:
    """
    The rows of a report on local disk, until it is written.

    Args:
        folder: for its files.
        scope: ``AllTasks`` or ``FailedTasksOnly``.
        rows_per_file: of a result file at most.
    """

    def __init__(self, folder: Path, scope: str, rows_per_file: int) -> None:
        self._statuses = _STATUSES if scope == "AllTasks" else _STATUSES[1:]
        self._files: dict[str, TextIO] = {}
        self._folder = folder
        self._rows_per_file = rows_per_file

    def add(self, task: Task, outcome: Outcome) -> None:
        """Take one task's outcome down."""
        row = report_row(task, outcome)
        status = row[-4]
        if status not in self._statuses:
            return
        if status not in self._files:
            self._files[status] = (self._folder / f"{status}.csv").open("w+", encoding="utf-8", newline="")
        csv.writer(self._files[status], lineterminator="\n").writerow(row)

    def publish(self, put: Put, place: Mapping[str, Any], job_id: str, now: dt.datetime) -> None:
        """Write the report of *job_id* to CreateJob's ``Report`` *place*: results first, ``manifest.json.md5`` last."""
        bucket = place["Bucket"].rpartition(":")[2]
        folder = "/".join([*filter(None, [place.get("Prefix")]), f"job-{job_id}"])
        results = []
        for status in filter(self._files.__contains__, self._statuses):  # not the order in which requests ended
            for number, body in enumerate(self._bodies(self._files[status])):
                name = hashlib.sha1(f"{job_id}/{status}/{number}".encode(), usedforsecurity=False).hexdigest()
                key = f"{folder}/results/{name}.csv"
                put(bucket, key, body)
                entry = {"TaskExecutionStatus": status, "Bucket": bucket, "MD5Checksum": _md5(body), "Key": key}
                results.append(entry)
        manifest = report_manifest(results, now)
        put(bucket, f"{folder}/manifest.json", manifest)
        put(bucket, f"{folder}/manifest.json.md5", _md5(manifest).encode())

    def close(self) -> None:
        """Give the files back."""
        for file in self._files.values():
            file.close()
        self._files = {}

    def _bodies(self, file: TextIO) -> list[bytes]:
        file.seek(0)
        rows = list(csv.reader(file))
        file.seek(0, io.SEEK_END)
        step = self._rows_per_file
        return [_csv(rows[start : start + step]) for start in range(0, len(rows), step)]


def report_manifest(results: list[dict[str, str]], now: dt.datetime) -> bytes:
    """Return ``manifest.json`` of a report that was made *now*."""
    created = now.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {"Format": FORMAT, "ReportCreationDate": created, "Results": results, "ReportSchema": SCHEMA}
    return json.dumps(data).encode()


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
