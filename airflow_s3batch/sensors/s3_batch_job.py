"""`S3BatchJobSensor`: waits for the end of a job of AWS S3 Batch Operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import PokeReturnValue

from airflow_s3batch.hooks.airflow_names import AirflowException, AirflowFailException
from airflow_s3batch.hooks.arguments import is_template, raise_for
from airflow_s3batch.hooks.errors import airflow_error, airflow_errors
from airflow_s3batch.hooks.policies import policy_problems
from airflow_s3batch.sensors.base import S3BatchSensor
from airflow_s3batch.triggers.s3_batch_job import S3BatchJobTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_s3batch.managed import JobProgress
    from airflow_s3batch.triggers.job_watch import JobWatch

POLL_INTERVAL_S = 60.0


class S3BatchJobSensor(S3BatchSensor):
    """
    Wait until a job of AWS S3 Batch Operations is over, whoever made it; return its status and counts.

    A job that was cancelled or failed makes the task fail without retries, and so does one in which more objects failed
    than *allowed_failures*: AWS calls a job ``Complete`` even if all of its objects failed.

    Returns ``{"job_id": …, "job_status": …, "total": …, "succeeded": …, "failed": …}``.

    Args:
        job_id: which job.
        account_id: the account that it belongs to; that of the credentials if left out.
        allowed_failures: a number of objects, or a fraction below 1.
        poke_interval: seconds between two looks, 60 unless told otherwise; AWS asks for 30 at least.
        kwargs: see `S3BatchSensor`.
    """

    template_fields: Sequence[str] = ("job_id", "account_id", *S3BatchSensor.template_fields)
    _watch: JobWatch | None = None

    def __init__(
        self,
        *,
        job_id: str,
        account_id: str | None = None,
        allowed_failures: float = 0,
        poke_interval: timedelta | float = POLL_INTERVAL_S,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.job_id = job_id
        self.account_id = account_id
        self.allowed_failures = allowed_failures
        raise_for(type(self).__name__, _problems(job_id, allowed_failures))

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002 - Airflow's signature
        """Look once."""
        with airflow_errors():
            if self._watch is None:
                self._watch = self._new_watch()
            progress = self._watch.look()
        if progress is None or not progress.is_over:
            return PokeReturnValue(is_done=False)
        self._watch = None
        return PokeReturnValue(is_done=True, xcom_value=self._result(progress))

    def execute(self, context: Context) -> Any:
        """Look; then wait here, or in the triggerer."""
        try:
            if not self.deferrable:
                return super().execute(context)
            found = self.careful_poke(context)
        finally:
            self._watch = None  # it holds a client, and Airflow copies operators
        if found.is_done:
            return found.xcom_value
        self.defer(trigger=self._trigger(), method_name="execute_complete", timeout=timedelta(seconds=self.timeout))
        return None

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Take over what the trigger saw, and look at the counts."""
        if event["status"] == "error":
            raise airflow_error(event["message"], is_retryable=event["is_retryable"])
        try:
            found = self.careful_poke(context)
        finally:
            self._watch = None
        if not found.is_done:
            raise AirflowException(f"Job {self.job_id}: the trigger saw its end, but AWS can't be asked now; retry")
        return found.xcom_value

    def _new_watch(self) -> JobWatch:
        from airflow_s3batch.triggers.job_watch import JobWatch

        return JobWatch(self.store.batch_hook(self.account_id), self.job_id, log=self.log.info)

    def _trigger(self) -> S3BatchJobTrigger:
        return S3BatchJobTrigger(
            job_id=self.job_id,
            account_id=self.account_id,
            poll_interval_s=self.poke_interval,
            **self.store_arguments,
        )

    def _result(self, progress: JobProgress) -> dict[str, Any]:
        """
        Return the counts.

        Raises:
            AirflowFailException: the job did not do what it was made for.
        """
        from airflow_s3batch.engine.policy import allowed_count

        allowed = allowed_count(self.allowed_failures, progress.total)
        if progress.status != "Complete" or progress.failed > allowed:
            raise AirflowFailException(
                f"Job {self.job_id}: {progress.sentence().rstrip('.')}. Its completion report says what failed and why"
            )
        return {
            "job_id": self.job_id,
            "job_status": progress.status,
            "total": progress.total,
            "succeeded": progress.succeeded,
            "failed": progress.failed,
        }


def _problems(job_id: Any, allowed_failures: Any) -> list[str]:
    found = policy_problems(allowed_failures=allowed_failures)
    if not is_template(job_id) and not (isinstance(job_id, str) and job_id):
        found.append(f"job_id={job_id!r} is not the id of a job")
    return found
