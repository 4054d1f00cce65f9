"""How far an AWS job is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from airflow_s3batch.managed.control import JobControl

ENDED = frozenset({"Complete", "Cancelled", "Failed"})

CANCELLED_BY_TASK = "airflow-s3batch: the task was stopped"
"""Reason of a cancel with which the task ends its own job: the next attempt goes on with the rest without a word."""


class JobProgress(NamedTuple):
    """
    What AWS says of a job.

    Attributes:
        status: one of AWS's 13; ``Complete`` is not success.
        total: tasks of the job; 0 until AWS has read the manifest.
        succeeded: tasks; *failed* likewise.
        failure_reasons: AWS's words, ``code: reason``, for jobs that failed as a whole.
        suspended_cause: why it waits, e.g. for a confirmation.
        update_reason: what was said with the last change of status.
    """

    job_id: str
    status: str
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    failure_reasons: tuple[str, ...] = ()
    suspended_cause: str = ""
    update_reason: str = ""

    @classmethod
    def of(cls, job: Mapping[str, Any]) -> Self:
        """Return what DescribeJob's ``Job`` tells."""
        counts = job.get("ProgressSummary") or {}
        reasons = (
            f"{reason.get('FailureCode', '')}: {reason.get('FailureReason', '')}".strip(": ")
            for reason in job.get("FailureReasons") or ()
        )
        return cls(
            str(job["JobId"]),
            str(job["Status"]),
            int(counts.get("TotalNumberOfTasks") or 0),
            int(counts.get("NumberOfTasksSucceeded") or 0),
            int(counts.get("NumberOfTasksFailed") or 0),
            tuple(reasons),
            str(job.get("SuspendedCause") or ""),
            str(job.get("StatusUpdateReason") or ""),
        )

    @property
    def is_over(self) -> bool:
        """Whether the job has ended, well or not."""
        return self.status in ENDED

    @property
    def is_stopped_by_task(self) -> bool:
        """Whether the job was cancelled because its task was, not because somebody wants the work to end."""
        return self.status == "Cancelled" and self.update_reason == CANCELLED_BY_TASK

    @property
    def waits_for_confirmation(self) -> bool:
        """Whether the job does nothing until somebody confirms it."""
        return self.status == "Suspended"

    @property
    def done(self) -> int:
        """How many tasks have an outcome."""
        return self.succeeded + self.failed

    def sentence(self) -> str:
        """Return ``AWS job f3cc… is Active: 410,000/1,204,511 (34 %), 37 failed``, and why it waits or failed."""
        parts = [f"AWS job {self.job_id} is {self.status}"]
        if self.total:
            share = 100 * self.done // self.total
            parts.append(f": {self.done:,}/{self.total:,} ({share} %), {self.failed:,} failed")
        if self.waits_for_confirmation:
            parts.append(f"; it waits to be confirmed ({self.suspended_cause or 'no cause given'})")
        if why := self.why_it_ended:
            parts.append(f"; {why}")
        return "".join(parts)

    @property
    def why_it_ended(self) -> str:
        """AWS's reasons, or those of whoever cancelled the job; empty if there are none."""
        told = "; ".join(self.failure_reasons)
        if self.status == "Cancelled" and self.update_reason:
            told = "; ".join(filter(None, (self.update_reason, told)))
        return " ".join(told.split())


def job_progress(control: JobControl, account_id: str, job_id: str) -> JobProgress:
    """
    Ask AWS how far the job is; not more often than every 30 s, for the control API slows callers down.

    Raises:
        JobDamagedError: AWS has no such job (it forgets them 90 days after their end).
        AccessError: the caller may not ask.
        InfrastructureError: no answer, after botocore's retries.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-job-status.html
    """
    return JobProgress.of(control.describe(account_id, job_id))
