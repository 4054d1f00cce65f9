"""AWS S3 Batch Operations in memory: keeps jobs, reads manifests, writes reports in AWS's spelling."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.managed.control import NoSuchJobError, RepeatedTokenError
from airflow_s3batch.testing.storage import MemoryStorage

CREATED = dt.datetime(2026, 11, 22, 10, 0, tzinfo=dt.UTC)
ENDED = CREATED + dt.timedelta(minutes=5)
OK = ("succeeded", "200", "", "Successful")
DENIED = ("failed", "403", "AccessDenied", "Access Denied (Service: S3; Status Code: 403)")
BUSY = ("failed", "503", "SlowDown", "Please reduce your request rate.")

Told = tuple[str, str, str, str]
"""TaskStatus, HTTPStatusCode, ErrorCode, ResultMessage."""

ManifestRow = list[str]


class Killed(BaseException):
    """The process is gone; nothing catches it."""


class FakeAws:
    """
    `JobControl` over jobs in a dictionary; tests say when a job runs and what becomes of its tasks.

    Attributes:
        jobs: as DescribeJob tells of them, by id.
        calls: names of the calls so far.
        before: called with the name of a call before it is answered; what it raises, the caller sees.
        after: likewise once it was carried out.
    """

    def __init__(self, storage: MemoryStorage) -> None:
        self.storage = storage
        self.jobs: dict[str, dict[str, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.before: Callable[[str], None] = lambda name: None
        self.after: Callable[[str], None] = lambda name: None
        self.forgets_tokens = False
        self._tokens: dict[str, tuple[str, str]] = {}

    # -- the port ------------------------------------------------------------------------------

    def create(self, request: Mapping[str, Any]) -> str:
        self._called("create")
        text, token = json.dumps(request, sort_keys=True), request["ClientRequestToken"]
        known = None if self.forgets_tokens else self._tokens.get(token)
        if known and known[0] != text:
            raise RepeatedTokenError("another request with the same token")
        if not known:
            job_id = f"00000000-0000-0000-0000-{len(self.jobs):012d}"
            known = self._tokens[token] = (text, job_id)
            self.requests.append(dict(request))
            self.jobs[job_id] = {
                "JobId": job_id,
                "Status": "New",
                "CreationTime": CREATED,
                **{name: request.get(name) for name in ("Manifest", "Report", "Description", "Operation")},
            }
        self.after("create")
        return known[1]

    def describe(self, account_id: str, job_id: str) -> dict[str, Any]:
        self._called("describe")
        if job_id not in self.jobs:
            raise NoSuchJobError(f"no job {job_id}")
        return self.jobs[job_id]

    def list(self, account_id: str, statuses: Collection[str] = ()) -> Iterator[dict[str, Any]]:
        self._called("list")
        yield from list(self.jobs.values())

    def cancel(self, account_id: str, job_id: str, reason: str = "") -> str:
        self._called("cancel")
        self.jobs[job_id].update(Status="Cancelled", StatusUpdateReason=reason, TerminationDate=ENDED)
        return "Cancelled"

    def confirm(self, account_id: str, job_id: str, reason: str = "") -> str:
        raise NotImplementedError

    def set_priority(self, account_id: str, job_id: str, priority: int) -> int:
        raise NotImplementedError

    def tags(self, account_id: str, job_id: str) -> dict[str, str]:
        raise NotImplementedError

    def set_tags(self, account_id: str, job_id: str, tags: Mapping[str, str]) -> None:
        raise NotImplementedError

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.before(name)

    # -- what AWS does -------------------------------------------------------------------------

    def manifest_rows(self, job_id: str) -> list[ManifestRow]:
        """Return the rows of the job's manifest as they are spelled there; its ETag must be the one that was sent."""
        location = self.jobs[job_id]["Manifest"]["Location"]
        bucket, _, key = location["ObjectArn"].removeprefix("arn:aws:s3:::").partition("/")
        body = self.storage.files[S3Url(bucket, key)]
        assert hashlib.md5(body).hexdigest() == location["ETag"]
        return list(csv.reader(io.StringIO(body.decode(), newline="")))

    def run(
        self,
        job_id: str,
        tell: Callable[[ManifestRow], Told | None] = lambda row: OK,
        *,
        status: str = "Complete",
        reasons: Collection[tuple[str, str]] = (),
        rearranged: Callable[[list[list[str]]], list[list[str]]] = lambda rows: rows,
        with_report: bool = True,
    ) -> None:
        """End the job: *tell* gives the end of each task, ``None`` for those that are never begun."""
        manifest = self.manifest_rows(job_id)
        told = [(row, end) for row in manifest if (end := tell(row)) is not None]
        failed = sum(1 for _, end in told if end[0] == "failed")
        self.jobs[job_id].update(
            Status=status,
            TerminationDate=ENDED,
            ProgressSummary={
                "TotalNumberOfTasks": len(manifest),
                "NumberOfTasksSucceeded": len(told) - failed,
                "NumberOfTasksFailed": failed,
            },
            FailureReasons=[{"FailureCode": code, "FailureReason": text} for code, text in reasons],
        )
        rows = [[row[0], row[1], row[2] if len(row) > 2 else "", *end] for row, end in told]
        if self.jobs[job_id]["Report"]["ReportScope"] == "FailedTasksOnly":
            rows = [row for row in rows if row[3] == "failed"]
        if with_report and told:
            self.write_report(job_id, rearranged(rows))

    def write_report(
        self,
        job_id: str,
        rows: Iterable[list[str]],
        *,
        files: int = 2,
        statuses: Collection[str] = ("succeeded", "failed"),
    ) -> None:
        """Write *rows* to the report's folder: up to *files* files for each of *statuses*, in this order."""
        report, rows = self.jobs[job_id]["Report"], list(rows)
        bucket, folder = report["Bucket"].removeprefix("arn:aws:s3:::"), f"{report['Prefix']}/job-{job_id}"
        results = []
        for status in statuses:
            mine = [row for row in rows if row[-4] == status]
            for number in range(files):
                if part := mine[number::files]:
                    text = io.StringIO(newline="")
                    csv.writer(text, lineterminator="\n").writerows(part)
                    body = text.getvalue().encode()
                    key = f"{folder}/results/{hashlib.sha1(body).hexdigest()}.csv"
                    self.storage.write(S3Url(bucket, key), body)
                    md5 = hashlib.md5(body).hexdigest()
                    results.append({"TaskExecutionStatus": status, "Bucket": bucket, "MD5Checksum": md5, "Key": key})
        document = {
            "Format": "Report_CSV_20180820",
            "ReportCreationDate": "2026-11-22T10:05:00.123456789Z",
            "Results": results,
            "ReportSchema": "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage",
        }
        self.storage.write(S3Url(bucket, f"{folder}/manifest.json"), json.dumps(document).encode())
