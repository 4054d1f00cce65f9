"""One attempt at one bucket with the managed engine: a job is found or made, waited for, and its report read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import InfrastructureError, S3BatchError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.managed import CANCELLED_BY_TASK, ManagedSettings, begin_round, harvest
from airflow_s3batch.managed.aws_report import ReportPendingError
from airflow_s3batch.managed.lone_job import LoneJob, begin_lone_job, harvest_lone_job
from airflow_s3batch.triggers.bucket_pause import BucketPause
from airflow_s3batch.triggers.job_watch import JobWatch

if TYPE_CHECKING:
    from airflow_s3batch.core.outcomes import Summary
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.engine.policy import Policy
    from airflow_s3batch.hooks.s3_batch import S3BatchHook
    from airflow_s3batch.managed import BucketRef, JobProgress, Round
    from airflow_s3batch.operations.base import Operation

REPORT_INTERVAL_S = 120.0
"""Between two looks for AWS's report, which may come hours after the job's end."""


class BucketJob:
    """
    What a task does for one bucket. Blocks; `stop` may be called from a signal's handler.

    Args:
        ref: which bucket of which job.
        operation: what to do to each object.
        hook: reaches AWS's jobs.
        storage: where our job's files lie.
        task_id: of the operation task.
        policy: what counts as failure.
        log: takes a line; a logger's method.
        poll_interval_s: seconds between two looks.

    Attributes:
        tell: takes what each look at the job has shown.
    """

    def __init__(
        self,
        ref: BucketRef,
        operation: Operation,
        *,
        hook: S3BatchHook,
        storage: Storage,
        task_id: str,
        policy: Policy,
        log: Callable[[str], None],
        poll_interval_s: float,
    ) -> None:
        self.ref = ref
        self.operation = operation
        self.hook = hook
        self.storage = storage
        self.task_id = task_id
        self.policy = policy
        self.log = log
        self.poll_interval_s = poll_interval_s
        self.tell: Callable[[JobProgress], None] = lambda _: None
        self._pause = self._pause_of()
        self._watch: JobWatch | None = None
        self._stopped = threading.Event()
        self._cancels = False
        self._let_go_of = ""

    def open(self, settings: ManagedSettings, *, resume: bool, try_number: int) -> Round | None:
        """
        Return the round whose job is at work, or over; ``None`` if nothing is left to do.

        A job that is just being cancelled is waited for: if an earlier attempt of this task did that, what is left gets
        a job of its own.

        Raises:
            PausedError: the job is paused; what an earlier attempt has left running is cancelled.
            S3BatchError: see `begin_round` and `wait`.
        """
        if self._pause is not None:
            self._pause.check_before(f"{self.operation.name}, bucket {self.ref.bucket}")
        found = self._begun_in_time(settings, resume=resume, try_number=try_number)
        progress = self.look(found) if found else None
        if found is None or progress is None or progress.status != "Cancelling":
            return found
        self.wait(found)
        return self._begun_in_time(settings, resume=True, try_number=try_number)

    def _begun_in_time(self, settings: ManagedSettings, *, resume: bool, try_number: int) -> Round | None:
        """Do as `_begun` does; AWS's report on a job that was cancelled may be late, and is waited for."""
        while True:
            try:
                return self._begun(settings, resume=resume, try_number=try_number)
            except ReportPendingError as error:
                self.log(str(error))
                if self._stopped.wait(max(self.poll_interval_s, REPORT_INTERVAL_S)):
                    raise

    def _pause_of(self) -> BucketPause | None:
        return BucketPause(self.ref, self.storage, self.hook, self.log)

    def _begun(self, settings: ManagedSettings, *, resume: bool, try_number: int) -> Round | None:
        self.check_stopped()
        return begin_round(
            self.ref,
            self.operation,
            storage=self.storage,
            control=self.hook.control,
            task_id=self.task_id,
            settings=settings,
            policy=self.policy,
            resume=resume,
            try_number=try_number,
            progress=self.log,
        )

    def look(self, current: Round) -> JobProgress | None:
        """Return where the job of round *current* is; ``None`` if AWS was not reached, which may pass."""
        if self._watch is None or self._watch.job_id != current.job_id:
            self._watch = JobWatch(self.hook, current.job_id, log=self.log)
        progress = self._watch.look()
        if progress is not None:
            self.tell(progress)
        return progress

    def wait(self, current: Round) -> None:
        """
        Return once the job of round *current* is over, however it ended.

        Raises:
            PausedError: the job is paused, and AWS's was cancelled for it.
            InfrastructureError: the task was asked to stop, or AWS can't be reached for long.
        """
        while True:
            progress = self.look(current)
            if progress is not None and progress.is_over:
                return
            if self._pause is not None and (progress is None or progress.status != "Cancelling"):
                self._pause.check(current.name, current.job_id)
            self._stopped.wait(self.poll_interval_s)
            self.check_stopped(current)

    def harvest(self, ended: Round) -> Summary:
        """
        Bring what AWS's report says of round *ended* into the job's own form, once the report is there.

        Raises:
            S3BatchError: see `managed.harvest`.
            InfrastructureError: the task was asked to stop.
        """
        while True:
            try:
                return self.harvest_now(ended)
            except ReportPendingError as error:
                self.log(str(error))
                if self._stopped.wait(max(self.poll_interval_s, REPORT_INTERVAL_S)):
                    raise

    def harvest_now(self, ended: Round) -> Summary:
        """Do as `harvest` does, but raise `ReportPendingError` instead of waiting."""
        return harvest(ended, storage=self.storage, control=self.hook.control, policy=self.policy, progress=self.log)

    def stop(self, *, cancels: bool) -> None:
        """End all waiting now, and cancel the job that is waited for, or about to be, if *cancels*. Never raises."""
        self._cancels = cancels
        self._stopped.set()
        if self._watch is not None:
            self._let_go(self._watch.job_id)

    def check_stopped(self, current: Round | None = None) -> None:
        """
        Go on only if nobody called `stop`; *current* is the round that is waited for.

        Raises:
            InfrastructureError: somebody did.
        """
        if not self._stopped.is_set():
            return
        if current is None:
            raise InfrastructureError("the task was asked to stop before it made a job")
        self._let_go(current.job_id)
        raise InfrastructureError(f"{current.name}: the task was asked to stop; the next attempt goes on")

    def _let_go(self, job_id: str) -> None:
        """Cancel the job, once, or say that it goes on."""
        if job_id == self._let_go_of:
            return
        self._let_go_of = job_id
        if not self._cancels:
            self.log(f"AWS job {job_id} goes on without this task; the next attempt finds it.")
            return
        try:
            status = self.hook.cancel_job(job_id, CANCELLED_BY_TASK)
        except S3BatchError as error:
            self.log(f"AWS job {job_id} was not cancelled with this task: {error}")
        else:
            self.log(f"AWS job {job_id} was cancelled with this task, it is {status}; the next attempt does the rest.")


class LoneBucketJob(BucketJob):
    """
    As `BucketJob`, for a list of objects that is not our manifest.

    Args:
        source: URL of a CSV manifest, empty if AWS makes one; and whether it names versions.
        arguments: those of `BucketJob`, of which *ref* names the folder and what is shown of the list.
    """

    def __init__(self, *arguments: Any, source: tuple[str, bool], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.source = source

    def _pause_of(self) -> BucketPause | None:
        """Return nothing: what a cancelled job has not reached, AWS alone knows, so nobody could do the rest."""
        return None

    def _begun(self, settings: ManagedSettings, *, resume: bool, try_number: int) -> Round | None:  # noqa: ARG002
        self.check_stopped()
        folder = S3Url.parse(self.ref.job_url, what="job_url")
        asked = LoneJob(folder, self.task_id, self.operation, settings, *self.source)
        return begin_lone_job(asked, storage=self.storage, control=self.hook.control, resume=resume, progress=self.log)

    def harvest_now(self, ended: Round) -> Summary:
        """Do as `BucketJob.harvest_now` does."""
        return harvest_lone_job(
            ended, storage=self.storage, control=self.hook.control, policy=self.policy, progress=self.log
        )
