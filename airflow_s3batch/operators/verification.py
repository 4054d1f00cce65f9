"""`BatchVerificationOperator`: a second look at the objects that an operation succeeded on, by an Airflow worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule

from airflow_s3batch.core.errors import ArgumentError, JobChangedError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import ShardRef
from airflow_s3batch.core.outcomes import VANISHED, Summary, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.arguments import as_int, is_template, raise_for
from airflow_s3batch.hooks.policies import policy_problems
from airflow_s3batch.hooks.task_ids import check_task_ids
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.declared import declaration_problems, declared
from airflow_s3batch.operations.verification import DIFFERENCES
from airflow_s3batch.operators.mapped import with_slots
from airflow_s3batch.operators.pausing import PausableOperator

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial

    from airflow_s3batch.core.objects import S3Object
    from airflow_s3batch.core.shared_rate import SharedRate
    from airflow_s3batch.engine.checks.verification import Verification
    from airflow_s3batch.engine.files.storage import Storage

DEFAULTS: Mapping[str, Any] = {
    "retries": 3,
    "trigger_rule": TriggerRule.ALL_DONE,
    "map_index_template": (
        "{{ task.shard.get('bucket') or 'shard ' ~ task.shard.shard }} · {{ '{:,}'.format(task.shard.rows) }} objects"
    ),
}
POLICY = ("tolerate", "max_concurrency", "max_requests_per_s", "shared_rate", "request_timeout_s", "max_attempts")


class BatchVerificationOperator(PausableOperator):
    """
    Read again what the operation succeeded on, and compare it with what the operation should have left.

    Mapped over what the manifest task returns, whichever engine has done the work; sends requests that read, and has no
    means to send others. Runs whatever became of the operation's tasks (``trigger_rule`` is ``all_done``): what did not
    succeed is not looked at. A later attempt goes on where the last one ended, and looks once more at what differed.

    Fails, without Airflow's retries, if an object is not as it should be, or can't be looked at; trouble of the store
    is retried. The report counts and lists what differs, and is red then. Returns counts.

    Args:
        operation: the one that was done, or the list of them.
        operation_task_id: full task id, task group included, of the task that did it.
        shard: what the manifest task returns for one shard or bucket; comes through ``expand``.
        objects: look at so many objects of the whole job, chosen at random and the same in each attempt; ``None`` looks
            at all. Or a template.
        tolerate: codes of differences that are told and don't count, e.g. ``ChangedSince`` where others write to the
            objects meanwhile. The report goes by its own.
        max_concurrency: requests in flight in one task.
        max_requests_per_s: requests a second of all these tasks together; ``None`` is no limit.
        shared_rate: a `SharedRate`: requests a second that these tasks share with other jobs.
        request_timeout_s: limit for one request.
        max_attempts: how often one request is sent at most.
        deferrable: while the job is paused, wait in the triggerer, without a worker slot; else in place.
        job_aws_conn_id: connection for the job's files, if the objects' store is another one.
        source_aws_conn_id: connection that reads the copy's source, if another one; *aws_conn_id* then is that of the
            target.
        kwargs: see `S3BatchOperator`; ``retries`` is 3 unless given here or in ``default_args``, and what leaves others
            room is as for `BatchOperationOperator`.
    """

    template_fields: Sequence[str] = (
        "operation",
        "operation_task_id",
        "shard",
        "objects",
        "shared_rate",
        "job_aws_conn_id",
        "source_aws_conn_id",
        *PausableOperator.template_fields,
    )
    template_fields_renderers = {"operation": "json", "shard": "json"}  # noqa: RUF012 - as Airflow declares it

    def __init__(
        self,
        *,
        operation: Operation | Sequence[Operation],
        operation_task_id: str,
        shard: Mapping[str, Any],
        objects: int | str | None = None,
        tolerate: Collection[str] = tuple(sorted(VANISHED)),
        max_concurrency: int = 128,
        max_requests_per_s: float | None = None,
        shared_rate: SharedRate | None = None,
        request_timeout_s: float = 60.0,
        max_attempts: int = 8,
        deferrable: bool = True,
        job_aws_conn_id: str | None = None,
        source_aws_conn_id: str | None = None,
        retries: int | None = DEFAULTS["retries"],
        trigger_rule: str = DEFAULTS["trigger_rule"],
        map_index_template: str | None = DEFAULTS["map_index_template"],
        **kwargs: Any,
    ) -> None:
        super().__init__(retries=retries, trigger_rule=trigger_rule, map_index_template=map_index_template, **kwargs)
        self.operation = operation
        self.operation_task_id = operation_task_id
        self.shard = shard
        self.objects = objects
        self.tolerate = tolerate
        self.max_concurrency = max_concurrency
        self.max_requests_per_s = max_requests_per_s
        self.shared_rate = shared_rate
        self.request_timeout_s = request_timeout_s
        self.max_attempts = max_attempts
        self.deferrable = deferrable
        self.job_aws_conn_id = job_aws_conn_id
        self.source_aws_conn_id = source_aws_conn_id
        policy = {name: getattr(self, name) for name in POLICY}
        raise_for(type(self).__name__, verification_problems(operation, objects, **policy))
        self.operation = declared(operation)

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Take the arguments that all shards share, and check them; ``expand(shard=…)`` follows."""
        policy = {name: kwargs[name] for name in POLICY if name in kwargs}
        raise_for(cls.__name__, verification_problems(kwargs.get("operation"), kwargs.get("objects"), **policy))
        kwargs["operation"] = declared(kwargs.get("operation"))
        return with_slots(super().partial(**kwargs), kwargs, DEFAULTS)

    @property
    def paused_job(self) -> str:
        """URL of the folder of the job that this task works on."""
        return str(self.shard["job"])

    def run(self, context: Context) -> dict[str, Any]:
        """Look at what is left of the shard, or of the bucket's objects."""
        from airflow_s3batch.engine.checks.verification_verdict import judge_looks

        check_task_ids(self, context, "operation_task_id")
        raise_for(type(self).__name__, _number_problems(as_int("objects", self.objects)))
        with self.stoppable() as stop:
            verification, shards = self._verification(stop)
            verification.ask()
            summaries = []
            for index in shards:
                summaries.append(verification.look_at_shard(index, context["ti"].try_number))
                if stop.is_set():
                    break
        summary = _sum(summaries)
        judge_looks(f"verify {verification.operation.name}, {self._place}", summary, self.tolerate)
        return self._counts(summary)

    def _verification(self, stop: threading.Event) -> tuple[Verification, Sequence[int]]:
        from airflow_s3batch.engine.checks.verification import Verification
        from airflow_s3batch.reports.accounts.generations import find_run

        access = self.store.access_with_source(self.source_aws_conn_id)
        storage = self.job_storage(access)
        job_url = S3Url.parse(self.paused_job, what="job")
        run = find_run(storage, JobLayout(job_url).operation(self.operation_task_id))
        operation: Operation = declared(self.operation)
        if run.operation and operation.completed(run.operation) != operation.to_json():
            raise JobChangedError(
                f"{job_url / self.operation_task_id}: what was done is {dict(run.operation)}; the verification is "
                f"given {operation.to_json()}. Give it the same operation"
            )
        shards, concerns = self._shards(job_url, storage)
        verification = Verification(
            job_url=job_url,
            task_id=self.operation_task_id,
            operation=operation,
            folders=run.folders,
            access=access,
            storage=storage,
            objects=as_int("objects", self.objects),
            concerns=concerns,
            policy=self._policy(),
            progress=self.log.info,
            stop=stop,
        )
        return verification, shards

    def _shards(self, job_url: S3Url, storage: Storage) -> tuple[Sequence[int], Callable[[S3Object], bool]]:
        """Return which shards are looked at, and which of their objects."""
        from airflow_s3batch.engine.checks.verification import everything
        from airflow_s3batch.engine.jobs.job_manifest import published_manifest
        from airflow_s3batch.managed.buckets import BucketRef, shards_of

        try:
            if "bucket" not in self.shard:
                return [ShardRef.from_xcom(self.shard).shard], everything
            ref = BucketRef.from_xcom(self.shard)
        except (TypeError, KeyError, ValueError):
            raise ArgumentError(
                f"shard={self.shard!r} is not what a manifest task returns; map with .expand(shard=manifest.output)"
            ) from None
        shards = shards_of(ref, published_manifest(storage, JobLayout(job_url)), storage)
        return [shard.index for shard in shards], ref.concerns

    @property
    def _place(self) -> str:
        return f"bucket {self.shard['bucket']}" if "bucket" in self.shard else f"shard {self.shard['shard']}"

    def _policy(self) -> Any:
        from airflow_s3batch.engine.policy import Policy

        return Policy(
            tolerate=frozenset(self.tolerate),
            keep_going=True,
            max_concurrency=self.max_concurrency,
            max_requests_per_s=self.max_requests_per_s,
            shared_rate=self.shared_rate,
            request_timeout_s=self.request_timeout_s,
            max_attempts=self.max_attempts,
        )

    def _counts(self, summary: Summary) -> dict[str, Any]:
        """Return what goes to XCom: counts only."""
        differ = sum(number for code, number in summary.tally.codes.items() if code in DIFFERENCES)
        return {
            **{name: self.shard[name] for name in ("shard", "bucket") if name in self.shard},
            "checked": summary.earlier + summary.succeeded + differ,
            "differ": differ,
            "requests": summary.requests,
            "seconds": round(summary.duration_s, 1),
        }


def verification_problems(operation: Any, objects: Any, **policy: Any) -> list[str]:
    """Return all that is wrong with the arguments of a verification, a clause each."""
    found = [*declaration_problems(operation), *policy_problems(**policy)]
    if not is_template(objects):
        found += _number_problems(objects)
    return found or declared(operation).verification_problems()


def _number_problems(objects: Any) -> list[str]:
    is_number = not isinstance(objects, bool) and str(objects).isdigit() and int(str(objects)) > 0
    return (
        [] if objects is None or is_number else [f"objects={objects!r}: expected a number of objects, or None for all"]
    )


def _sum(summaries: Sequence[Summary]) -> Summary:
    tally = Tally()
    for summary in summaries:
        tally.add(summary.tally)
    return Summary(
        tally,
        sum(summary.requests for summary in summaries),
        duration_s=sum(summary.duration_s for summary in summaries),
        stopped=next((summary.stopped for summary in summaries if summary.stopped), ""),
        earlier=sum(summary.earlier for summary in summaries),
    )
