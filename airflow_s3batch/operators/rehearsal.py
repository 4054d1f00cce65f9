"""`BatchRehearsalOperator`: the operation on a few random objects, before the job is run on the rest."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.outcomes import VANISHED
from airflow_s3batch.hooks.airflow_names import AirflowSkipException
from airflow_s3batch.hooks.arguments import as_flag, as_int, bool_problems, flag_problems, is_template, raise_for
from airflow_s3batch.hooks.task_ids import check_task_ids
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.declared import declared
from airflow_s3batch.operators.approved import approval_task_problems, check_approval
from airflow_s3batch.operators.batch_operation import POLICY, RETRIES, operation_problems
from airflow_s3batch.operators.pausing import PausableOperator, deferrable_problems

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_s3batch.core.shared_rate import SharedRate
    from airflow_s3batch.engine.checks.rehearsal import Rehearsal
    from airflow_s3batch.engine.policy import Policy


class BatchRehearsalOperator(PausableOperator):
    """
    Really do *operation* to some random objects of the manifest; `BatchOperationOperator` does the rest afterwards.

    The objects are the same in every attempt. What was rehearsed is not done again, and each object has one row in the
    report. If more failed than *allowed_failures* the task fails without retries, so the job is not run; clearing it
    rehearses again what failed. Skipped where the manifest is empty. Returns counts.

    Args:
        operation: what to do to each object, as the operation task is given it; text fields are templates.
        shards: what the manifest task returns.
        objects: how many to rehearse on; all, if the manifest has no more. A template may hold it.
        operation_task_id: of the task that does the rest.
        allowed_failures: how many of the rehearsal's objects may fail, a number or a fraction below 1. What is
            tolerated does not count.
        dry_run: rehearse nothing: the job is a dry run. Or a template of ``true`` or ``false``.
        approval_task_id: full id of a `BatchApprovalOperator` that comes before: without its yes nothing is done.
        kwargs: the others are those of `BatchOperationOperator`, and mean the same.
    """

    template_fields: Sequence[str] = (
        "operation",
        "shards",
        "objects",
        "operation_task_id",
        "dry_run",
        "shared_rate",
        "job_aws_conn_id",
        "source_aws_conn_id",
        *PausableOperator.template_fields,
    )
    template_fields_renderers = {"operation": "json", "shards": "json"}  # noqa: RUF012 - as Airflow declares it
    dry_run: bool | str = False  # type: ignore[assignment] # in place of a method of this name that Airflow never calls

    def __init__(
        self,
        *,
        operation: Operation | Sequence[Operation],
        shards: Any,
        objects: int | str,
        operation_task_id: str,
        tolerate: Collection[str] = tuple(sorted(VANISHED)),
        allowed_failures: float = 0,
        failure_threshold: float = 0.5,
        keep_going: bool = False,
        max_concurrency: int = 128,
        max_requests_per_s: float | None = None,
        shared_rate: SharedRate | None = None,
        request_timeout_s: float = 60.0,
        max_attempts: int = 8,
        replay_unsafe: bool = False,
        if_running: str | None = None,
        resume: bool = True,
        dry_run: bool | str = False,
        deferrable: bool = True,
        approval_task_id: str | None = None,
        job_aws_conn_id: str | None = None,
        source_aws_conn_id: str | None = None,
        retries: int | None = RETRIES,
        **kwargs: Any,
    ) -> None:
        super().__init__(retries=retries, **kwargs)
        self.operation = operation
        self.shards = shards
        self.objects = objects
        self.operation_task_id = operation_task_id
        self.tolerate = tolerate
        self.allowed_failures = allowed_failures
        self.failure_threshold = failure_threshold
        self.keep_going = keep_going
        self.max_concurrency = max_concurrency
        self.max_requests_per_s = max_requests_per_s
        self.shared_rate = shared_rate
        self.request_timeout_s = request_timeout_s
        self.max_attempts = max_attempts
        self.replay_unsafe = replay_unsafe
        self.if_running = if_running
        self.resume = resume
        self.dry_run = dry_run
        self.deferrable = deferrable
        self.approval_task_id = approval_task_id
        self.job_aws_conn_id = job_aws_conn_id
        self.source_aws_conn_id = source_aws_conn_id
        policy = {name: getattr(self, name) for name in POLICY}
        raise_for(
            type(self).__name__,
            [
                *rehearsal_problems(objects),
                *operation_problems(operation, **policy),
                *flag_problems("dry_run", dry_run),
                *approval_task_problems(approval_task_id),
                *deferrable_problems(deferrable),
                *bool_problems(resume=resume),
            ],
        )
        self.operation = declared(operation)

    def run(self, context: Context) -> dict[str, Any]:
        """Do what is left of the sample."""
        if as_flag("dry_run", self.dry_run):
            self.log.info("A dry run: nothing is rehearsed.")
            return {"objects": 0, "dry_run": True}
        check_task_ids(self, context, "operation_task_id")
        raise_for(type(self).__name__, rehearsal_problems(as_int("objects", self.objects)))
        job_url = _job_of(self.shards)
        if not job_url:
            raise AirflowSkipException("The manifest is empty, so there is nothing to rehearse.")
        files = self.job_store.storage
        check_approval(self.approval_task_id, job_url, self.operation, files, self.log.info, context["ti"])
        with self.stoppable() as stop:
            rehearsal = self._rehearse(job_url, context["ti"].try_number, stop)
        self.log.info("%s.", rehearsal.sentence())
        return rehearsal.counts()

    @property
    def paused_job(self) -> str:
        """URL of the folder of the job that is rehearsed."""
        return _job_of(self.shards)

    def _rehearse(self, job_url: str, try_number: int, stop: threading.Event) -> Rehearsal:
        from airflow_s3batch.engine.checks.rehearsal import rehearse

        access = self.store.access_with_source(self.source_aws_conn_id)
        return rehearse(
            job_url,
            self.operation,
            as_int("objects", self.objects) or 0,
            access=access,
            storage=self.job_storage(access),
            task_id=self.operation_task_id,
            try_number=try_number,
            policy=self._policy(),
            resume=self.resume or self._goes_on,
            progress=self.log.info,
            stop=stop,
            shares_store=self.job_store == self.store,
        )

    def _policy(self) -> Policy:
        from airflow_s3batch.engine.policy import Policy

        values = {name: getattr(self, name) for name in POLICY}
        return Policy(**{**values, "tolerate": frozenset(self.tolerate)})


def rehearsal_problems(objects: Any) -> list[str]:
    """Return what is wrong with the number of objects to rehearse on; a template waits for the run."""
    if is_template(objects):
        return []
    if isinstance(objects, bool) or not isinstance(objects, int) or objects < 1:
        return [f"objects={objects!r} is not a number of objects above 0 to rehearse on"]
    return []


def _job_of(shards: Any) -> str:
    """
    Return the folder of the job that *shards*, the manifest task's output, are of; empty if there are none.

    Raises:
        ArgumentError: they are something else.
    """
    entries = shards if isinstance(shards, (list, tuple)) else None
    if entries is None or not all(isinstance(entry, Mapping) and entry.get("job") for entry in entries):
        told = repr(shards)[:200]
        raise ArgumentError(f"shards={told} is not what the manifest task returns; pass shards=manifest.output")
    return str(entries[0]["job"]) if entries else ""
