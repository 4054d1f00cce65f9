"""`BatchOperationOperator`: one operation on every object of a shard, by an Airflow worker."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.manifest import ShardRef
from airflow_s3batch.core.outcomes import VANISHED, Summary
from airflow_s3batch.hooks.arguments import raise_for
from airflow_s3batch.hooks.policies import policy_problems
from airflow_s3batch.hooks.s3 import storage_on
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.declared import declared, worker_problems
from airflow_s3batch.operators.base import S3BatchOperator
from airflow_s3batch.operators.lineage import shard_lineage
from airflow_s3batch.operators.mapped import with_defaults

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial

    from airflow_s3batch.engine.policy import Policy

RETRIES = 3
MAP_INDEX_TEMPLATE = "shard {{ task.shard.shard }} · {{ '{:,}'.format(task.shard.rows) }} objects"


class BatchOperationOperator(S3BatchOperator):
    """
    Run *operation* on every object of one shard; mapped over the shards that `InventoryToManifestOperator` returns.

    A later attempt keeps what succeeded and works on the rest, whether Airflow retries or somebody clears the task.
    Once everything is recorded, the task fails without retries if more objects failed than *allowed_failures*; trouble
    of the store or the network is retried. Returns the shard's counts.

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
        request_timeout_s: limit for one request.
        max_attempts: how often one request is sent at most.
        replay_unsafe: do again what a crash or a missing answer left open, even where the operation says that this
            isn't safe.
        resume: ``False`` starts over with every object, beside what earlier attempts have left.
        job_aws_conn_id: connection for the job's files, if the objects' store is another one. Unless that is AWS, the
            operation is first tried on a scratch object below ``.s3batch-scratch/`` in the objects' bucket.
        source_aws_conn_id: connection that reads the copy's source, if another one; *aws_conn_id* then is that of the
            target.
        kwargs: see `S3BatchOperator`; ``retries`` is 3 unless given here or in ``default_args``.
    """

    template_fields: Sequence[str] = (
        "operation",
        "shard",
        "job_aws_conn_id",
        "source_aws_conn_id",
        *S3BatchOperator.template_fields,
    )
    template_fields_renderers = {"operation": "json", "shard": "json"}  # noqa: RUF012 - as Airflow declares it
    _stop: threading.Event | None = None
    _is_killed = False

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
        request_timeout_s: float = 60.0,
        max_attempts: int = 8,
        replay_unsafe: bool = False,
        resume: bool = True,
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
        self.request_timeout_s = request_timeout_s
        self.max_attempts = max_attempts
        self.replay_unsafe = replay_unsafe
        self.resume = resume
        self.job_aws_conn_id = job_aws_conn_id
        self.source_aws_conn_id = source_aws_conn_id
        raise_for(type(self).__name__, operation_problems(operation, **self._policy_arguments()))
        self.operation = declared(operation)

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """
        Take the arguments that all shards share; ``expand(shard=…)`` follows.

        They are checked here, while the Dag is parsed. Airflow 3.1 knows only its own defaults at this point, not
        those of ``__init__``, so ours are filled in.
        """
        names = [name for name in POLICY if name in kwargs]
        raise_for(cls.__name__, operation_problems(kwargs.get("operation"), **{name: kwargs[name] for name in names}))
        kwargs["operation"] = declared(kwargs.get("operation"))
        if isinstance(kwargs.get("tolerate"), (set, frozenset)):
            kwargs["tolerate"] = sorted(kwargs["tolerate"])  # a set would be serialized differently by each parse
        defaults = {"retries": RETRIES, "map_index_template": MAP_INDEX_TEMPLATE}
        return with_defaults(super().partial(**kwargs), kwargs, defaults)

    def run(self, context: Context) -> dict[str, Any]:
        """Work on what is left of the shard."""
        ref = _shard_ref(self.shard)
        self._stop = threading.Event()
        if self._is_killed:  # while Airflow was still making the connection
            self._stop.set()
        try:
            summary = self._run_shard(ref, context["ti"].try_number, self._stop)
        finally:
            self._stop = None  # an event can't be copied, and Airflow copies operators
        counts = _counts(ref, summary)
        job_store = self.store.with_connection(self.job_aws_conn_id)
        self.note_lineage(lambda: shard_lineage(ref, self.operation, counts, job_store.storage()))
        return counts

    def _run_shard(self, ref: ShardRef, try_number: int, stop: threading.Event) -> Summary:
        from airflow_s3batch.engine.shard import run_shard

        access = self.store.access_with_source(self.source_aws_conn_id)
        job_store = self.store.with_connection(self.job_aws_conn_id)
        return run_shard(
            ref,
            self.operation,
            access=access,
            storage=storage_on(access) if job_store == self.store else job_store.storage(),
            task_id=self.task_id,
            try_number=try_number,
            policy=self._policy(),
            resume=self.resume,
            progress=self.log.info,
            stop=stop,
            shares_store=job_store == self.store,
        )

    def on_kill(self) -> None:
        """Let the engine record what is done, and end; called by Airflow on SIGTERM and on a timeout."""
        self._is_killed = True
        if self._stop is not None:
            self._stop.set()

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
    "request_timeout_s",
    "max_attempts",
    "replay_unsafe",
)


def operation_problems(operation: Any, **policy: Any) -> list[str]:
    """Return all that is wrong with an operation argument and with values of the policy."""
    return [*policy_problems(**policy), *worker_problems(operation)]


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
