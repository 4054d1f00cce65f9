"""`s3_batch_job`: a whole job as one task group."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import TaskGroup

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.outcomes import VANISHED
from airflow_s3batch.hooks.arguments import raise_for
from airflow_s3batch.hooks.s3 import DEFAULT_CONN_ID
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operators.batch_operation import BatchOperationOperator, operation_problems
from airflow_s3batch.operators.manifest import InventoryToManifestOperator, selection_problems
from airflow_s3batch.operators.report import BatchReportOperator, report_problems

if TYPE_CHECKING:
    from airflow.sdk import XComArg

ENGINES = ("worker",)


def s3_batch_job(
    group_id: str,
    *,
    inventory: str | XComArg,
    where: str,
    operation: Operation,
    job_url: str,
    columns: Mapping[str, str] | None = None,
    engine: str = "worker",
    include_delete_markers: bool = False,
    as_of: datetime | str | None = None,
    max_age: timedelta | None = None,
    min_objects: int | str | None = None,
    max_objects: int | str | None = None,
    objects_per_shard: int | None = None,
    max_shards: int = 200,
    tolerate: Collection[str] = tuple(sorted(VANISHED)),
    failure_threshold: float = 0.5,
    keep_going: bool = False,
    allowed_failures: float = 0,
    notifications: Sequence[Any] = (),
    max_concurrency: int = 128,
    max_requests_per_s: float | None = None,
    request_timeout_s: float = 60.0,
    max_attempts: int = 8,
    replay_unsafe: bool = False,
    resume: bool = True,
    aws_conn_id: str | None = DEFAULT_CONN_ID,
    job_aws_conn_id: str | None = None,
    region_name: str | None = None,
    verify: bool | str | None = None,
    botocore_config: Mapping[str, Any] | None = None,
    pool: str | None = None,
    max_active_tis_per_dagrun: int | None = None,
    default_args: Mapping[str, Any] | None = None,
    **unknown: Any,
) -> TaskGroup:
    """
    Add a job to the current Dag: ``manifest`` → ``run`` (one mapped task per shard) → ``report``.

    The report task decides the colour of the run. Wrong arguments are told all at once.

    *group_id* names the task group; the tasks are ``<group_id>.manifest`` and so on. *engine* is ``"worker"``: Airflow
    workers send the requests. *resume* ``False`` makes each attempt start over instead of keeping what earlier ones
    have done. *job_aws_conn_id* is the connection for the inventory and the job's files, if they lie in another store
    than the objects. *pool* and *max_active_tis_per_dagrun* bound how many mapped tasks run at the same time;
    *max_requests_per_s* holds for all of them together. *default_args* are for all three tasks. *unknown* takes names
    that don't exist, to tell them with the other mistakes. The rest goes to the operators, which document it:
    `InventoryToManifestOperator`, `BatchOperationOperator`, `BatchReportOperator`.

    Raises:
        ArgumentError: lists all that is wrong; also inside a mapped task group, where Airflow can't map ``run``.
    """
    selection: dict[str, Any] = {
        "inventory": inventory,
        "where": where,
        "job_url": job_url,
        "columns": columns,
        "include_delete_markers": include_delete_markers,
        "as_of": as_of,
        "max_age": max_age,
        "min_objects": min_objects,
        "max_objects": max_objects,
        "objects_per_shard": objects_per_shard,
        "max_shards": max_shards,
    }
    policy: dict[str, Any] = {
        "tolerate": tolerate,
        "failure_threshold": failure_threshold,
        "keep_going": keep_going,
        "allowed_failures": allowed_failures,
        "max_concurrency": max_concurrency,
        "max_requests_per_s": max_requests_per_s,
        "request_timeout_s": request_timeout_s,
        "max_attempts": max_attempts,
        "replay_unsafe": replay_unsafe,
    }
    raise_for(
        f"s3_batch_job {group_id!r}",
        [
            *_unknown_names(unknown),
            *_engine_problems(engine),
            *selection_problems(**selection),
            *operation_problems(operation, **policy),
            *report_problems(notifications, None, None),
        ],
    )
    store = {
        "aws_conn_id": aws_conn_id,
        "region_name": region_name,
        "verify": verify,
        "botocore_config": botocore_config,
    }
    limits = {"pool": pool, "max_active_tis_per_dagrun": max_active_tis_per_dagrun}
    return _tasks(
        _group(group_id, default_args or {}),
        {**selection, "resume": resume},
        {
            "operation": operation,
            "resume": resume,
            "job_aws_conn_id": job_aws_conn_id,
            **store,
            **policy,
            **{name: value for name, value in limits.items() if value is not None},
        },
        {"notifications": notifications, "tolerate": tolerate, "allowed_failures": allowed_failures},
        store if job_aws_conn_id in (None, aws_conn_id) else {"aws_conn_id": job_aws_conn_id},
    )


def _group(group_id: str, default_args: Mapping[str, Any]) -> TaskGroup:
    """
    Return the job's task group, in the current one.

    Raises:
        ArgumentError: a group around it is mapped.
    """
    group = TaskGroup(group_id, default_args=dict(default_args))  # type: ignore[arg-type]
    mapped = next(iter(group.iter_mapped_task_groups()), None)
    if mapped is not None:
        raise ArgumentError(
            f"s3_batch_job {group_id!r}: task group {mapped.group_id!r} around it is mapped (expand): Airflow can map "
            "no task in it; loop over the items in the Dag file instead: for x in …: s3_batch_job(f'job_{x}', …)"
        )
    return group


def _tasks(
    group: TaskGroup,
    selection: Mapping[str, Any],
    work: Mapping[str, Any],
    report: Mapping[str, Any],
    job_store: Mapping[str, Any],
) -> TaskGroup:
    """Fill *group*; *work* is what the mapped tasks are given, *job_store* where the job's files lie."""
    with group:
        manifest = InventoryToManifestOperator(task_id="manifest", **selection, **job_store)
        run = BatchOperationOperator.partial(task_id="run", **work).expand(shard=manifest.output)
        last = BatchReportOperator(
            task_id="report",
            manifest_task_id=manifest.task_id,
            operation_task_id=run.task_id,
            **report,
            **job_store,
        )
        manifest >> run >> last
    return group


def _unknown_names(names: Collection[str]) -> list[str]:
    known = [name for name in inspect.signature(s3_batch_job).parameters if name != "unknown"]
    found = []
    for name in names:
        close = difflib.get_close_matches(name, known, n=1)
        found.append(f"there is no argument {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
    return found


def _engine_problems(engine: Any) -> list[str]:
    if engine == "managed":
        return ["engine='managed' (AWS S3 Batch Operations) is not in this version; use engine='worker'"]
    return [] if engine in ENGINES else [f"engine={engine!r} is unknown; use 'worker'"]
