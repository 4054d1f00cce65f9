"""Takes one job from New to its end, in a thread of its own."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.testing.emulator.book import JobBook
from airflow_s3batch.testing.emulator.calls import needs_confirmation
from airflow_s3batch.testing.emulator.execution import Execute, TaskRun
from airflow_s3batch.testing.emulator.generator import generate
from airflow_s3batch.testing.emulator.jobs import REPORT, Cancelled, Closed, Job, JobFailure
from airflow_s3batch.testing.emulator.manifests import tasks_of
from airflow_s3batch.testing.emulator.report import ReportDraft
from airflow_s3batch.testing.emulator.tasks import Task, TaskFile

REPORT_FAILED = "The job report could not be written to your report bucket. Please check your permissions."

log = logging.getLogger(__name__)


def no_task(task: Task) -> bool:  # noqa: ARG001 - the signature of a predicate
    """Return that *task* is not meant."""
    return False


@dataclass
class RunSettings:
    """
    How all jobs run.

    Attributes:
        client: boto3's for S3, of the store of manifests, objects and reports.
        execute: runs the tasks.
        rows_per_file: of a report's result file at most.
        omits: says of which tasks the report has no row.
    """

    client: Any
    execute: Execute
    rows_per_file: int
    omits: Callable[[Task], bool] = no_task


class JobRun:
    """One job's way."""

    def __init__(self, book: JobBook, job: Job, settings: RunSettings) -> None:
        self._book = book
        self._job = job
        self._settings = settings
        self._draft: ReportDraft | None = None

    def run(self) -> None:
        """Take the job to its end. What is no fault of the job's fails it, too, and is logged."""
        with tempfile.TemporaryDirectory(prefix="s3batch-emulator-", ignore_cleanup_errors=True) as folder:
            try:
                self._run(Path(folder))
            except Closed:
                pass
            except Exception as error:
                log.exception("job %s of the S3 Batch Operations emulator", self._job.id)
                self._fail(JobFailure("InternalError", f"The emulator failed: {error!r}"))
            finally:
                if self._draft is not None:
                    self._draft.close()

    def _run(self, folder: Path) -> None:
        try:
            if not self._prepare(folder):
                return
            self._execute(folder)
            self._advance("Completing")
            self._finish("Complete")
        except Cancelled:
            self._finish("Cancelled")
        except JobFailure as failure:
            self._fail(failure)

    def _prepare(self, folder: Path) -> bool:
        """Read the manifest and wait for the confirmation; return whether the job goes on."""
        job, book = self._job, self._book
        book.pass_gate(job, "New")
        self._advance("Preparing")
        book.pass_gate(job, "Preparing")
        total = TaskFile(folder / "tasks").write(self._tasks())
        with book.changing():
            job.total = total
        if needs_confirmation(job):
            self._advance("Suspended")
            return book.wait_for_confirmation(job)
        self._advance("Ready")
        return True

    def _tasks(self) -> Iterable[Task]:
        client = self._settings.client
        manifest = self._job.request.get("Manifest")
        if manifest is not None:
            return tasks_of(client, manifest)
        all_versions = "S3ReplicateObject" in self._job.request["Operation"]
        generator = self._job.request["ManifestGenerator"]["S3JobManifestGenerator"]
        made = generate(client, generator, self._job.id, self._book.clock(), all_versions=all_versions)
        with self._book.changing():
            self._job.generated = made.descriptor
        return made.tasks

    def _execute(self, folder: Path) -> None:
        job, book = self._job, self._book
        scope = job.request["Report"].get("ReportScope", "AllTasks")
        self._draft = ReportDraft(folder, scope, self._settings.rows_per_file)
        tasks = TaskRun(job, book, self._settings.client, self._settings.execute, self._record)
        source = iter(TaskFile(folder / "tasks"))
        book.pass_gate(job, "Ready")
        book.take_slot(job)
        while True:
            book.pass_gate(job, "Active")
            try:
                is_done = tasks.run(source)
            except (S3BatchError, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
                raise JobFailure("TasksNotExecutable", str(error)) from error
            book.check(job)
            if is_done and not book.is_held(job, "Active"):
                return
            if job.wants_pause and not is_done:
                self._advance("Pausing")
                book.pass_gate(job, "Pausing")
                self._advance("Paused")
                book.pass_gate(job, "Paused")
                book.take_slot(job)

    def _record(self, task: Task, outcome: Outcome) -> None:
        with self._book.changing():
            self._job.succeeded += not outcome.error_code
            self._job.failed += bool(outcome.error_code)
        if self._draft is not None and not self._settings.omits(task):
            self._draft.add(task, outcome)

    def _advance(self, status: str) -> None:
        with self._book.lock:
            self._book.check(self._job)
            self._book.move(self._job, status)

    def _fail(self, failure: JobFailure) -> None:
        with self._book.lock:
            if self._job.is_over:
                return
            if not self._job.wants_cancel:
                self._job.failure = failure
                self._book.move(self._job, "Failing")
        self._finish("Cancelled" if self._job.wants_cancel else "Failed")

    def _finish(self, status: str) -> None:
        """Write the report and end as *status*; a report that is held is written after the end."""
        job, book = self._job, self._book
        book.pass_gate(job, job.status, can_cancel=status == "Complete")
        if book.is_held(job, REPORT):
            self._end(status)
            book.pass_gate(job, REPORT, can_cancel=False)
            self._write_report()
            return
        try:
            self._write_report()
        except JobFailure as failure:
            if status == "Complete":
                self._fail(failure)
                return
        self._end(status)

    def _end(self, status: str) -> None:
        with self._book.lock:
            self._book.move(self._job, "Cancelled" if self._job.wants_cancel else status)

    def _write_report(self) -> None:
        """
        Write the report if the job wants one and has invoked a task.

        Raises:
            JobFailure: it can't be written.
        """
        job, place = self._job, self._job.request["Report"]
        client = self._settings.client
        try:
            if place["Enabled"] and job.done and self._draft is not None and not job.has_report:
                self._draft.publish(
                    lambda bucket, key, body: _put(client, bucket, key, body), place, job.id, self._book.clock()
                )
        finally:
            with self._book.changing():
                job.has_report = True


def _put(client: Any, bucket: str, key: str, body: bytes) -> None:
    try:
        client.put_object(Bucket=bucket, Key=key, Body=body)
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise JobFailure("JobReportWriteAccessDenied", REPORT_FAILED) from error
