"""What a pause is where AWS does the work: AWS can't pause a job, so it is cancelled, and a new one does the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import PausedError, S3BatchError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.loop.steering import Steering
from airflow_s3batch.managed import CANCELLED_BY_TASK
from airflow_s3batch.managed.running import aws_jobs_of

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.hooks.s3_batch import S3BatchHook
    from airflow_s3batch.managed import BucketRef


class BucketPause:
    """
    Heeds a pause for one bucket of a job. Blocks.

    The job's own task cancels, with its own reason, so that the next round does what is left without a word.
    """

    def __init__(self, ref: BucketRef, storage: Storage, hook: S3BatchHook, log: Callable[[str], None]) -> None:
        self._ref = ref
        self._storage = storage
        self._hook = hook
        self._log = log
        self._job = JobLayout(S3Url.parse(ref.job_url, what="job"))
        self._steering = Steering(storage, self._job, say=log)

    def check_before(self, name: str) -> None:
        """
        Return if the job is not paused; else cancel what an earlier attempt has left running.

        Raises:
            PausedError: no AWS job is to be made now.
            InfrastructureError: the store does not tell.
        """
        try:
            self._steering.begin(name)
        except PausedError:
            for left in aws_jobs_of(self._storage, self._job):
                if left.bucket == self._ref.folder and not left.is_harvested:
                    self._is_cancelled(left.job_id)
            raise

    def check(self, name: str, job_id: str) -> None:
        """
        Return if the job is not paused, or if AWS's is over already; *name* is what is told of that.

        Raises:
            PausedError: AWS's job was cancelled.
        """
        self._steering.look()
        if self._steering.pause is not None and self._is_cancelled(job_id):
            raise self._steering.paused(f"{name}: cancelled, for AWS can't pause it", has_begun=True)

    def _is_cancelled(self, job_id: str) -> bool:
        try:
            status = self._hook.cancel_job(job_id, CANCELLED_BY_TASK)
        except S3BatchError as error:
            self._log(f"The job is paused, but AWS job {job_id} can't be cancelled and goes on: {error}")
            return False
        return status in ("Cancelling", "Cancelled")
