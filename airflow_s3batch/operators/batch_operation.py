"""`BatchOperationOperator`: one operation on every object of a shard, by an Airflow worker."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.layout import task_id_problems
from airflow_s3batch.core.manifest import ShardRef
from airflow_s3batch.core.outcomes import DRY_RUN, VANISHED, Summary
from airflow_s3batch.hooks.arguments import as_flag, bool_problems, flag_problems, raise_for
from airflow_s3batch.hooks.policies import policy_problems
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.declared import declared, worker_problems
from airflow_s3batch.operators.approved import approval_task_problems, check_approval
from airflow_s3batch.operators.lineage import shard_lineage
from airflow_s3batch.operators.mapped import with_slots
from airflow_s3batch.operators.outlets import tell_nothing
from airflow_s3batch.operators.pausing import PausableOperator, deferrable_problems
from airflow_s3batch.operators.shard_news import ShardTold

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial

    from airflow_s3batch.core.shared_rate import SharedRate
    from airflow_s3batch.engine.policy import Policy

RETRIES = 3
MAP_INDEX_TEMPLATE = "shard {{ task.shard.shard }} · {{ '{:,}'.format(task.shard.rows) }} objects"


class BatchOperationOperator(PausableOperator):
    """
    Run *operation* on every object of one shard; mapped over the shards that `InventoryToManifestOperator` returns.

    A later attempt keeps what succeeded and works on the rest, whether Airflow retries or somebody clears the task.
    Once everything is recorded, the task fails without retries if more objects failed than *allowed_failures*; trouble
    of the store or the network is retried. Returns the shard's counts.

    ``s3batch pause``, ``resume`` and ``speed`` act on the running job: see `PausableOperator`.

    Args:
        operation: what to do to each object, or a list of operations to do in order; text fields are templates.
        shard: one shard's dict; comes through ``expand``.
        tolerate: error codes that are reported but don't count as failures.
        failure_threshold: stop early once this share of the objects failed, from 1,000 objects on: the shard's own, or
            those of the whole job, so that a lost job does not go on in other shards.
        keep_going: no share of failures stops anything; every object is attempted.
        allowed_failures: a number of objects, or a fraction below 1, up to which the shard is a success.
        max_concurrency: requests in flight in one task.
        max_requests_per_s: requests a second of the whole job, shared fairly by the shards that run at the time.
            Repeats count, and a request for many objects counts once. ``None`` is no limit.
        shared_rate: a `SharedRate`: requests a second that all running jobs below the same ``job_url`` share which
            state the same name; beside *max_requests_per_s*, or instead of it.
        request_timeout_s: limit for one request.
        max_attempts: how often one request is sent at most.
        replay_unsafe: do again what a crash or a missing answer left open, even where the operation says that this
            isn't safe.
        if_running: what to do if another job below the same ``job_url`` is at work on the same objects: ``"warn"`` in
            the log and on the job's page; ``"refuse"``, and fail without retries; ``"wait"`` until that has ended. If
            left out: refuse where that job does just the same and doing it twice at the same time may do harm (the
            operation destroys data, or calls functions), else warn.
        resume: ``False`` starts over with every object, beside what earlier attempts have left.
        dry_run: look at each object, and send nothing that changes anything; or a template of ``true`` or ``false``.
            Each row fails as ``DryRun``, which is tolerated, or with what the look has shown. A job that was a dry run
            is not resumed by a real one.
        deferrable: while the job is paused, wait in the triggerer, without a worker slot; ``False``, for a deployment
            without one, waits in place.
        approval_task_id: full id of a `BatchApprovalOperator`: without its yes to this operation on this manifest,
            nothing is done. A dry run needs none.
        job_aws_conn_id: connection for the job's files, if the objects' store is another one. Unless that is AWS, the
            operation is first tried on a scratch object below ``.s3batch-scratch/`` in the objects' bucket.
        source_aws_conn_id: connection that reads the copy's source, if another one; *aws_conn_id* then is that of the
            target.
        kwargs: see `S3BatchOperator`; unless given here or in ``default_args``, ``retries`` is 3, ``weight_rule`` is
            ``absolute``, and ``max_active_tis_per_dagrun`` is 8 (``[s3batch] max_active_tis_per_dagrun``, else no more
            than half of ``[core] parallelism``), so that a job leaves others room.
    """

    template_fields: Sequence[str] = (
        "operation",
        "shard",
        "dry_run",
        "shared_rate",
        "job_aws_conn_id",
        "source_aws_conn_id",
        *PausableOperator.template_fields,
    )
    template_fields_renderers = {"operation": "json", "shard": "json"}  # noqa: RUF012 - as Airflow declares it
    dry_run: bool | str = False  # type: ignore[assignment] # in place of a method of this name that Airflow never calls

    def __init__(
        self,
        *,
        operation: Operation | Sequence[Operation],
        shard: Mapping[str, Any],
        tolerate: Collection[str] = tuple(sorted(VANISHED)),
        failure_threshold: float = 0.5,
        keep_going: bool = False,
        allowed_failures: float = 0,
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
        map_index_template: str | None = MAP_INDEX_TEMPLATE,
        **kwargs: Any,
    ) -> None:
        super().__init__(retries=retries, map_index_template=map_index_template, **kwargs)
        self.operation = operation
        self.shard = shard
        self.tolerate = tolerate
        self.failure_threshold = failure_threshold
        self.keep_going = keep_going
        self.allowed_failures = allowed_failures
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
        found = [*task_id_problems(self.task_id), *bool_problems(resume=resume)]
        found.extend(_problems(operation, dry_run, self._policy_arguments(), approval_task_id))
        raise_for(type(self).__name__, [*found, *deferrable_problems(deferrable)])
        self.operation = declared(operation)

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """
        Take the arguments that all shards share; ``expand(shard=…)`` follows.

        They are checked here, while the Dag is parsed. Airflow 3.1 knows only its own defaults at this point, not
        those of ``__init__``, so ours are filled in.
        """
        policy = {name: kwargs[name] for name in POLICY if name in kwargs}
        own = kwargs.get("dry_run", False), policy, kwargs.get("approval_task_id")
        found = [*_problems(kwargs.get("operation"), *own), *bool_problems(resume=kwargs.get("resume", True))]
        raise_for(cls.__name__, [*found, *deferrable_problems(kwargs.get("deferrable", True))])
        kwargs["operation"] = declared(kwargs.get("operation"))
        defaults = {"retries": RETRIES, "map_index_template": MAP_INDEX_TEMPLATE}
        return with_slots(super().partial(**kwargs), kwargs, defaults)

    def run(self, context: Context) -> dict[str, Any]:
        """Work on what is left of the shard."""
        ref = _shard_ref(self.shard)
        dry_run = as_flag("dry_run", self.dry_run)
        if not dry_run:
            files = self.job_store.storage
            check_approval(self.approval_task_id, ref.job_url, self.operation, files, self.log.info, context["ti"])
        told_by = ShardTold(context["ti"], ref, self.operation.name, dry_run=dry_run)  # type: ignore[union-attr]
        with self.stoppable() as stop, told_by as told:
            summary = self._run_shard(ref, context["ti"].try_number, stop, told, dry_run=dry_run)
        if dry_run:
            tell_nothing(context, self)
            return _dry_counts(ref, summary)
        counts = _counts(ref, summary)
        self.note_lineage(lambda: shard_lineage(ref, self.operation, counts, self.job_store.storage()))
        return counts

    def _run_shard(
        self, ref: ShardRef, try_number: int, stop: threading.Event, told: ShardTold, *, dry_run: bool
    ) -> Summary:
        from airflow_s3batch.engine.shards.shard import run_shard

        access = self.store.access_with_source(self.source_aws_conn_id)
        return run_shard(
            ref,
            self.operation,
            access=access,
            storage=self.job_storage(access),
            task_id=self.task_id,
            try_number=try_number,
            policy=self._policy(),
            resume=self.resume or self._goes_on,
            progress=self.log.info,
            stop=stop,
            shares_store=self.job_store == self.store,
            tell=told.tell,
            dry_run=dry_run,
        )

    @property
    def paused_job(self) -> str:
        """URL of the folder of the job that this task works on."""
        return _shard_ref(self.shard).job_url

    def _policy_arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in POLICY}

    def _policy(self) -> Policy:
        from airflow_s3batch.engine.policy import Policy

        return Policy(**{**self._policy_arguments(), "tolerate": frozenset(self.tolerate)})


POLICY = (
    "tolerate",
    "failure_threshold",
    "keep_going",
    "allowed_failures",
    "max_concurrency",
    "max_requests_per_s",
    "shared_rate",
    "request_timeout_s",
    "max_attempts",
    "replay_unsafe",
    "if_running",
)


def operation_problems(operation: Any, **policy: Any) -> list[str]:
    """Return all that is wrong with an operation argument and with values of the policy."""
    return [*policy_problems(**policy), *worker_problems(operation)]


def _problems(operation: Any, dry_run: Any, policy: Mapping[str, Any], approval_task_id: Any) -> list[str]:
    return [
        *operation_problems(operation, **policy),
        *flag_problems("dry_run", dry_run),
        *approval_task_problems(approval_task_id),
    ]


def _shard_ref(shard: Any) -> ShardRef:
    try:
        return ShardRef.from_xcom(shard)
    except (TypeError, KeyError, ValueError):
        raise ArgumentError(
            f"shard={shard!r} is not what InventoryToManifestOperator returns; "
            "map the task with .expand(shard=manifest.output); after a change of engine, clear the manifest task, too"
        ) from None


def _counts(ref: ShardRef, summary: Summary) -> dict[str, Any]:
    """Return what goes to XCom: counts only."""
    return {
        "shard": ref.shard,
        "objects": ref.rows,
        "succeeded": summary.earlier + summary.succeeded,
        "failed": summary.failed,
        "requests": summary.requests,
        "seconds": round(summary.duration_s, 1),
    }


def _dry_counts(ref: ShardRef, summary: Summary) -> dict[str, Any]:
    """Return what goes to XCom of a dry run: nothing has succeeded."""
    would_be = summary.tally.codes.get(DRY_RUN, 0)
    return {
        **_counts(ref, summary),
        "succeeded": 0,
        "failed": summary.failed - would_be,
        "would_be_done": summary.earlier + would_be,
        "dry_run": True,
    }
