"""`S3RestoreSensor`: waits until the objects of a restore job can be read."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import PokeReturnValue

from airflow_s3batch.core.errors import ArgumentError, ManifestError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.airflow_names import AirflowException, AirflowSensorTimeout, AirflowSkipException
from airflow_s3batch.hooks.arguments import clauses, is_template, raise_for
from airflow_s3batch.hooks.errors import airflow_error, airflow_errors
from airflow_s3batch.hooks.policies import policy_problems
from airflow_s3batch.hooks.s3 import storage_on
from airflow_s3batch.hooks.task_ids import check_task_ids
from airflow_s3batch.sensors.base import S3BatchSensor
from airflow_s3batch.triggers.s3_restore import S3RestoreTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_s3batch.reports.restores.restores import RestoreWatch

POLL_INTERVAL_S = 300.0
TOTALS_KEY = "manifest"
"""XCom key under which a manifest task tells where its job is."""

_LINE_EVERY_S = 10.0


class S3RestoreSensor(S3BatchSensor):
    """
    Wait until every object of a `RestoreObject` job can be read, so that e.g. `CopyObject` may follow.

    It is cheap: the objects are gone through in order until about a hundred are met that are still being restored; only
    these are asked at each look, until they are ready, and then it goes on. In sum each object is asked about once.
    What was seen is kept in the job's folder (``restores.json``), so that retries and restarts go on there; once all
    was seen, the next sensor, or this one when it is cleared, looks at all again. Deferred, the triggerer asks for that
    hundred, and a worker for the rest.

    Objects that are gone, or that were never archived, are not waited for; nor, once the job has its completion report,
    are archived ones whose restore has failed (``allowed_failures`` has decided about those; when the job was cleared
    and has another report, they are looked at again). Before that all archived ones are waited for. If an object is
    archived although the report says that its restore was accepted, because the copy has expired or the object was
    written anew, the task fails at once.

    Returns ``{"objects": …, "readable": …, "gone": …, "unrestored": …}``.

    Args:
        operation_task_id: the restore job's operation task, e.g. ``"restore.run"``; full task id, task group included.
        manifest_task_id: its manifest task, e.g. ``"restore.manifest"``; or
        job: the job's folder, for a job of another Dag.
        poke_interval: seconds between two looks, 300 unless told otherwise: restores take minutes to days.
        max_concurrency: requests in flight while a worker looks.
        max_requests_per_s: limit on these; ``None`` is no limit.
        job_aws_conn_id: connection for the job's files, if they are in another store than the objects.
        kwargs: see `S3BatchSensor`.
    """

    template_fields: Sequence[str] = (
        "operation_task_id",
        "manifest_task_id",
        "job",
        "job_aws_conn_id",
        *S3BatchSensor.template_fields,
    )

    def __init__(
        self,
        *,
        operation_task_id: str,
        manifest_task_id: str | None = None,
        job: str | None = None,
        poke_interval: timedelta | float = POLL_INTERVAL_S,
        max_concurrency: int = 64,
        max_requests_per_s: float | None = None,
        job_aws_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.operation_task_id = operation_task_id
        self.manifest_task_id = manifest_task_id
        self.job = job
        self.max_concurrency = max_concurrency
        self.max_requests_per_s = max_requests_per_s
        self.job_aws_conn_id = job_aws_conn_id
        raise_for(
            type(self).__name__,
            [
                *_job_problems(operation_task_id, manifest_task_id, job),
                *policy_problems(max_concurrency=max_concurrency, max_requests_per_s=max_requests_per_s),
            ],
        )

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at all that may be ready by now."""
        end = time.monotonic() + self.timeout
        with airflow_errors():
            watch = self._watch(context)
            while watch.look(_LINE_EVERY_S) and time.monotonic() < end:
                self.log.info("%s", watch.sentence())
            self.log.info("%s", watch.sentence())
        if not watch.is_done:
            return PokeReturnValue(is_done=False)
        state = watch.state
        counts = {"readable": state.readable, "gone": state.gone, "unrestored": state.unrestored}
        return PokeReturnValue(is_done=True, xcom_value={"objects": watch.rows, **counts})

    def execute(self, context: Context) -> Any:
        """Look; then wait here, or in the triggerer."""
        if self.manifest_task_id is not None:
            with airflow_errors():
                check_task_ids(self, context, "manifest_task_id", "operation_task_id")
        if not self.deferrable:
            return super().execute(context)
        return self._look_or_defer(context, datetime.now(UTC))

    def execute_complete(self, context: Context, event: Mapping[str, Any], started: str = "") -> Any:
        """
        Look at the rest, now that what the trigger asked for is ready; wait again if that is not.

        Args:
            context: Airflow's.
            event: the trigger's.
            started: ISO time of the first look; without it, as in ``dag.test()``, the timeout counts from now.
        """
        if event["status"] == "error":
            raise airflow_error(event["message"], is_retryable=event["is_retryable"])
        return self._look_or_defer(context, datetime.fromisoformat(started) if started else datetime.now(UTC))

    def _look_or_defer(self, context: Context, started: datetime) -> Any:
        found = self.careful_poke(context)
        if found.is_done:
            return found.xcom_value
        left = started + timedelta(seconds=self.timeout) - datetime.now(UTC)
        if left <= timedelta(0):
            raise self.time_is_up()
        with airflow_errors():
            trigger = self._trigger(context)
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            kwargs={"started": started.isoformat()},
            timeout=left,
        )
        return None

    def time_is_up(self) -> AirflowException:
        """Return what to raise when the sensor's timeout has passed."""
        text = f"Objects are still being restored after {self.timeout:,.0f} s, the sensor's timeout."
        return AirflowSkipException(text) if self.soft_fail else AirflowSensorTimeout(text)

    def _watch(self, context: Context) -> RestoreWatch:
        from airflow_s3batch.engine.policy import Policy
        from airflow_s3batch.reports.restores.restores import RestoreWatch

        store = self.store
        job_store = store.with_connection(self.job_aws_conn_id)
        access = store.access()
        return RestoreWatch(
            storage_on(access) if job_store == store else job_store.storage(),
            access,
            self._job_url(context),
            self.operation_task_id,
            Policy(max_concurrency=self.max_concurrency, max_requests_per_s=self.max_requests_per_s),
        )

    def _trigger(self, context: Context) -> S3RestoreTrigger:
        from airflow_s3batch.core.layout import JobLayout

        return S3RestoreTrigger(
            state_url=str(JobLayout(self._job_url(context)).operation(self.operation_task_id).restores),
            poll_interval_s=self.poke_interval,
            job_aws_conn_id=self.job_aws_conn_id,
            **self.store_arguments,
            silent_fail=self.silent_fail,
        )

    def _job_url(self, context: Context) -> S3Url:
        """
        Return the folder of the job.

        Raises:
            ManifestError: the manifest task has published none in this run.
        """
        job: Any = self.job
        if job is None:
            totals = context["ti"].xcom_pull(task_ids=self.manifest_task_id, key=TOTALS_KEY)
            job = totals.get("job") if isinstance(totals, Mapping) else None
        if not job:
            raise ManifestError(
                f"there is no restore job to wait for: task {self.manifest_task_id!r} has published no manifest in "
                "this run; make it run before this sensor"
            )
        return S3Url.parse(str(job), what="job")


def _job_problems(operation_task_id: Any, manifest_task_id: Any, job: Any) -> list[str]:
    found = []
    if not isinstance(operation_task_id, str) or not operation_task_id:
        found.append(f"operation_task_id={operation_task_id!r}: expected the id of the restore job's operation task")
    if (manifest_task_id is None) == (job is None):
        found.append("give either manifest_task_id or job")
    if job is not None and not is_template(job):
        try:
            S3Url.parse(job, what="job")
        except (ArgumentError, AttributeError, TypeError) as error:
            found.append(clauses(error) if isinstance(error, ArgumentError) else f"job={job!r} is not an S3 URL")
    return found
