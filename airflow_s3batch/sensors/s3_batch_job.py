"""`S3BatchJobSensor`: waits for the end of a job of AWS S3 Batch Operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_s3batch.hooks.airflow_names import AirflowException, AirflowFailException, AirflowSkipException, conf
from airflow_s3batch.hooks.arguments import is_template, raise_for
from airflow_s3batch.hooks.errors import airflow_error, airflow_errors
from airflow_s3batch.hooks.policies import policy_problems
from airflow_s3batch.hooks.s3 import DEFAULT_CONN_ID, StoreSettings
from airflow_s3batch.triggers.s3_batch_job import S3BatchJobTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_s3batch.managed import JobProgress
    from airflow_s3batch.triggers.job_watch import JobWatch

POLL_INTERVAL_S = 60.0


class S3BatchJobSensor(BaseSensorOperator):
    """
    Wait until a job of AWS S3 Batch Operations is over, whoever made it; return its status and counts.

    A job that was cancelled or failed makes the task fail without retries, and so does one in which more objects failed
    than *allowed_failures*: AWS calls a job ``Complete`` even if all of its objects failed.

    Returns ``{"job_id": …, "job_status": …, "total": …, "succeeded": …, "failed": …}``.

    Args:
        job_id: which job.
        account_id: the account that it belongs to; that of the credentials if left out.
        allowed_failures: a number of objects, or a fraction below 1.
        deferrable: wait in the triggerer, without a worker slot, after a first look; ``[operators]
            default_deferrable`` if left out.
        poke_interval: seconds between two looks, 60 unless told otherwise; AWS asks for 30 at least.
        aws_conn_id: see `S3BatchOperator`, also for *region_name*, *verify* and *botocore_config*.
        kwargs: what every Airflow sensor takes: ``timeout``, ``mode``, ``soft_fail``, ….
    """

    template_fields: Sequence[str] = ("job_id", "account_id", "aws_conn_id", "region_name")
    _watch: JobWatch | None = None

    def __init__(
        self,
        *,
        job_id: str,
        account_id: str | None = None,
        allowed_failures: float = 0,
        deferrable: bool | None = None,
        poke_interval: timedelta | float = POLL_INTERVAL_S,
        aws_conn_id: str | None = DEFAULT_CONN_ID,
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.job_id = job_id
        self.account_id = account_id
        self.allowed_failures = allowed_failures
        self.deferrable = (
            conf.getboolean("operators", "default_deferrable", fallback=False) if deferrable is None else deferrable
        )
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
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
            found = self.poke(context)
        except AirflowFailException as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise
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
        found = self._final_look(context)
        if not found.is_done:
            raise AirflowException(f"Job {self.job_id}: the trigger saw its end, but AWS can't be asked now; retry")
        return found.xcom_value

    def _final_look(self, context: Context) -> PokeReturnValue:
        try:
            return self.poke(context)
        except AirflowFailException as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise
        finally:
            self._watch = None

    def _new_watch(self) -> JobWatch:
        from airflow_s3batch.triggers.job_watch import JobWatch

        settings = StoreSettings(self.aws_conn_id, self.region_name, self.verify, self.botocore_config)
        return JobWatch(settings.batch_hook(self.account_id), self.job_id, log=self.log.info)

    def _trigger(self) -> S3BatchJobTrigger:
        return S3BatchJobTrigger(
            job_id=self.job_id,
            account_id=self.account_id,
            poll_interval_s=self.poke_interval,
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            botocore_config=self.botocore_config,
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
