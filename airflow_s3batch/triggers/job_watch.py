"""Looks after one job of AWS S3 Batch Operations, the same for operator, sensor and trigger. Blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import S3BatchError

if TYPE_CHECKING:
    from airflow_s3batch.hooks.s3_batch import S3BatchHook
    from airflow_s3batch.managed import JobProgress

PATIENCE = 20
"""Looks in a row that may fail for reasons that may pass; a job runs for hours, and AWS may not answer for minutes."""


class JobWatch:
    """
    Look at a job again and again, and say what has changed.

    Args:
        hook: reaches AWS.
        job_id: which job.
        log: takes a line; a logger's method.
        patience: how many looks in a row may fail before the trouble is raised.
    """

    def __init__(self, hook: S3BatchHook, job_id: str, *, log: Callable[[str], None], patience: int = PATIENCE) -> None:
        self.hook = hook
        self.job_id = job_id
        self.log = log
        self.patience = patience
        self._troubles = 0
        self._told = ""
        self._status = ""

    def look(self) -> JobProgress | None:
        """
        Return where the job is; ``None`` if AWS could not be asked this time.

        Raises:
            AccessError: AWS refuses, or knows no such job.
            InfrastructureError: AWS could not be asked for too long.
        """
        try:
            progress = self.hook.progress(self.job_id)
        except S3BatchError as error:
            self._troubles += 1
            if not error.is_retryable or self._troubles > self.patience:
                raise
            self.log(f"AWS was not reached; the job goes on, and the next look may succeed: {error}")
            return None
        self._troubles = 0
        self._tell(progress)
        return progress

    def _tell(self, progress: JobProgress) -> None:
        """Write a line if something has changed, and once what to do where the job waits for somebody."""
        if (sentence := progress.sentence()) != self._told:
            self._told = sentence
            self.log(sentence)
        if progress.waits_for_confirmation and progress.status != self._status:
            self.log(self._how_to_confirm())
        self._status = progress.status

    def _how_to_confirm(self) -> str:
        hook, url = self.hook, self.hook.console_url(self.job_id)
        place = f" in the console ({url})" if url else ""
        return (
            f"Job {self.job_id} does nothing until somebody confirms it: look at it{place} and choose 'Run job' there, "
            f"or say: aws s3control update-job-status --region {hook.region} --account-id {hook.account_id} "
            f"--job-id {self.job_id} --requested-job-status Ready (Cancelled instead of Ready rejects it). "
            "A job that nobody confirms fails after 30 days."
        )
