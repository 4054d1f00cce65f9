"""`s3_batch_job`: a whole job as one task group."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import TaskGroup

from airflow_s3batch.assets import assets_in, delivered_urls
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.outcomes import VANISHED
from airflow_s3batch.hooks.arguments import raise_for
from airflow_s3batch.hooks.s3 import DEFAULT_CONN_ID
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operators.batch_operation import POLICY, BatchOperationOperator, operation_problems
from airflow_s3batch.operators.managed import ManagedBatchJobOperator
from airflow_s3batch.operators.managed_arguments import managed_argument_problems, worker_argument_problems
from airflow_s3batch.operators.manifest import ManifestOperator, engine_problems, params_problems, staging_problems
from airflow_s3batch.operators.manifest_groups import planned_in_groups, planning_problems
from airflow_s3batch.operators.origins import Origin
from airflow_s3batch.operators.report import BatchReportOperator, report_problems

if TYPE_CHECKING:
    from airflow.sdk import Asset, XComArg

    from airflow_s3batch.manifests.sources.dataset import Source


def s3_batch_job(
    group_id: str,
    *,
    operation: Operation | Sequence[Operation],
    job_url: str,
    inventory: str | Asset | Sequence[str | Asset] | XComArg | None = None,
    source: Source | None = None,
    where: str | None = None,
    columns: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    sql: str | None = None,
    tables: Mapping[str, str] | None = None,
    engine: str = "worker",
    include_delete_markers: bool = False,
    keep_versions: int | str | None = None,
    sample: int | str | None = None,
    since: str | None = None,
    compare: Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
    as_of: datetime | str | None = None,
    max_inventory_age: timedelta | None = None,
    max_age: timedelta | None = None,
    min_objects: int | str | None = None,
    max_objects: int | str | None = None,
    max_bytes: int | str | None = None,
    allowed_buckets: str | Sequence[str] = (),
    allowed_prefixes: str | Sequence[str] = (),
    max_change: float | None = None,
    objects_per_shard: int | None = None,
    max_shards: int = 200,
    planning_tasks: int | None = None,
    memory_limit: str | None = None,
    staging_dir: str | None = None,
    staging_limit: int | str | None = None,
    tolerate: Collection[str] = tuple(sorted(VANISHED)),
    failure_threshold: float = 0.5,
    keep_going: bool = False,
    allowed_failures: float = 0,
    notifications: Sequence[Any] = (),
    outlets: Asset | Sequence[Any] = (),
    max_concurrency: int = 128,
    max_requests_per_s: float | None = None,
    request_timeout_s: float = 60.0,
    max_attempts: int = 8,
    replay_unsafe: bool = False,
    resume: bool = True,
    aws_conn_id: str | None = DEFAULT_CONN_ID,
    job_aws_conn_id: str | None = None,
    source_aws_conn_id: str | None = None,
    role_arn: str | None = None,
    account_id: str | None = None,
    priority: int | str | None = None,
    confirmation_required: bool | None = None,
    description: str | None = None,
    job_tags: Mapping[str, str] | None = None,
    report_scope: str | None = None,
    expected_bucket_owner: bool | str | None = None,
    deferrable: bool | None = None,
    poll_interval_s: float | None = None,
    cancel_on_kill: bool | None = None,
    region_name: str | None = None,
    verify: bool | str | None = None,
    botocore_config: Mapping[str, Any] | None = None,
    pool: str | None = None,
    max_active_tis_per_dagrun: int | None = None,
    default_args: Mapping[str, Any] | None = None,
    **unknown: Any,
) -> TaskGroup:
    """
    Add a job to the current Dag: ``manifest`` → ``run`` (one mapped task per shard, or per bucket) → ``report``.

    The report task decides the colour of the run. Wrong arguments are told all at once.

    Where the objects come from is told by *inventory*, or by *source*: any of `airflow_s3batch.sources`, such as
    ``Listing("s3://lake/raw/")`` or ``CompletionReport("s3://ops/s3batch/…")``. Which of them are meant, and what must
    hold of them, is told by *where* and the arguments after it, as `ManifestOperator` documents them.

    *planning_tasks* spreads the planning of a very large inventory over so many mapped tasks, each on a group of its
    data files: two tasks, ``groups`` and ``group``, come before ``manifest`` then.

    *group_id* names the task group; the tasks are ``<group_id>.manifest`` and so on. *engine* says who sends the
    requests: ``"worker"``, Airflow workers; or ``"managed"``, AWS S3 Batch Operations. The rest of the Dag stays as it
    is, and so do manifest, report and notifications.

    For the managed engine are *role_arn* (which it needs), *account_id*, *priority*, *confirmation_required*,
    *description*, *job_tags*, *report_scope*, *expected_bucket_owner*, *deferrable*, *poll_interval_s* and
    *cancel_on_kill*; for the worker engine *failure_threshold*, *keep_going*, *max_concurrency*, *max_requests_per_s*
    (for all mapped tasks together), *request_timeout_s*, *max_attempts* and *source_aws_conn_id*. What AWS can't do as
    one of these asks is an error; workers have no use for those of the managed engine, but *confirmation_required* is
    an error there.

    *outlets* are the report task's: each asset among them gets an event when the job has succeeded, with its counts and
    URLs as ``extra``.

    *resume* ``False`` makes each attempt start over instead of keeping what earlier ones have done. *job_aws_conn_id*
    is the connection for the inventory and the job's files, if they lie in another store than the objects. *pool* and
    *max_active_tis_per_dagrun* bound how many mapped tasks run at the same time. *default_args* are for all three
    tasks. *unknown* takes names that don't exist, to tell them with the other mistakes. The operators document the
    arguments: `InventoryToManifestOperator`, `BatchOperationOperator`, `ManagedBatchJobOperator`,
    `BatchReportOperator`.

    Raises:
        ArgumentError: lists all that is wrong; also inside a mapped task group, where Airflow can't map ``run``.
    """
    selecting: dict[str, Any] = {
        "where": where,
        "columns": columns,
        "sql": sql,
        "tables": tables,
        "include_delete_markers": include_delete_markers,
        "keep_versions": keep_versions,
        "sample": sample,
        "since": since,
        "compare": compare,
        "exclude": exclude,
        "min_objects": min_objects,
        "max_objects": max_objects,
        "max_bytes": max_bytes,
        "allowed_buckets": allowed_buckets,
        "allowed_prefixes": allowed_prefixes,
        "max_change": max_change,
        "objects_per_shard": objects_per_shard,
        "max_shards": max_shards,
    }
    planning = {
        "engine": engine,
        "params": params,
        "memory_limit": memory_limit,
        "staging_dir": staging_dir,
        "staging_limit": staging_limit,
    }
    of_inventory = {"as_of": as_of, "max_inventory_age": max_age if max_inventory_age is None else max_inventory_age}
    try:
        origin = Origin.of(delivered_urls(inventory), source, of_inventory)
    except ArgumentError as error:
        raise_for(f"s3_batch_job {group_id!r}", [*_unknown_names(unknown), str(error)])
        raise
    verdict: dict[str, Any] = {"tolerate": tolerate, "allowed_failures": allowed_failures}
    policy: dict[str, Any] = {
        **verdict,
        "replay_unsafe": replay_unsafe,
        "failure_threshold": failure_threshold,
        "keep_going": keep_going,
        "max_concurrency": max_concurrency,
        "max_requests_per_s": max_requests_per_s,
        "request_timeout_s": request_timeout_s,
        "max_attempts": max_attempts,
    }
    settings: dict[str, Any] = {
        "role_arn": role_arn,
        "account_id": account_id,
        "priority": priority,
        "confirmation_required": confirmation_required,
        "description": description,
        "job_tags": job_tags,
        "report_scope": report_scope,
        "expected_bucket_owner": expected_bucket_owner,
        "deferrable": deferrable,
        "poll_interval_s": poll_interval_s,
        "cancel_on_kill": cancel_on_kill,
    }
    managed = {name: value for name, value in settings.items() if value is not None}
    worker = {**policy, "source_aws_conn_id": source_aws_conn_id}
    raise_for(
        f"s3_batch_job {group_id!r}",
        [
            *_unknown_names(unknown),
            *engine_problems(engine),
            *params_problems(params),
            *staging_problems(staging_limit),
            *origin.problems({**selecting, "job_url": job_url}),
            *_planning_problems(planning_tasks, source, selecting),
            *_work_problems(engine, operation, worker, managed),
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
        origin.operator,
        planning_tasks,
        {
            **origin.arguments,
            **selecting,
            **planning,
            "job_url": job_url,
            "resume": resume,
            "job_aws_conn_id": job_aws_conn_id,
            **({"inlets": assets} if (assets := assets_in(inventory)) else {}),
            **store,
        },
        {
            "operation": operation,
            "resume": resume,
            "job_aws_conn_id": job_aws_conn_id,
            **store,
            **({**verdict, "replay_unsafe": replay_unsafe, **managed} if engine == "managed" else worker),
            **{name: value for name, value in limits.items() if value is not None},
        },
        {"notifications": notifications, "outlets": _listed(outlets), **verdict},
        store if job_aws_conn_id in (None, aws_conn_id) else {"aws_conn_id": job_aws_conn_id},
    )


def _planning_problems(planning_tasks: Any, source: Source | None, selecting: Mapping[str, Any]) -> list[str]:
    """Return all that is wrong with planning in several tasks, if that is asked for."""
    if planning_tasks is None:
        return []
    if source is not None:
        return [f"planning_tasks={planning_tasks!r} goes with inventory=; any other source is planned by one task"]
    return planning_problems(planning_tasks, selecting)


def _work_problems(engine: str, operation: Any, worker: dict[str, Any], managed: dict[str, Any]) -> list[str]:
    """Return all that is wrong with what is asked of *engine*, *worker* and *managed* being each engine's arguments."""
    if engine != "managed":
        found = operation_problems(operation, **{name: worker[name] for name in worker if name in POLICY})
        if managed.get("confirmation_required"):
            found.append("confirmation_required=True: nobody is asked by engine='worker'; put an approval before it")
        return found
    return [
        *managed_argument_problems(operation, **{"role_arn": None, **managed}),
        *worker_argument_problems(worker),
    ]


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
    operator: type[ManifestOperator],
    planning_tasks: int | None,
    selection: Mapping[str, Any],
    work: Mapping[str, Any],
    report: Mapping[str, Any],
    job_store: Mapping[str, Any],
) -> TaskGroup:
    """Fill *group*; *work* is what the mapped tasks are given, *job_store* where the job's files lie."""
    with group:
        if planning_tasks is None:
            manifest = operator(task_id="manifest", **selection)
        else:
            manifest = planned_in_groups(planning_tasks, selection)
        run: Any
        if selection["engine"] == "managed":
            run = ManagedBatchJobOperator.partial(task_id="run", **work).expand(bucket=manifest.output)
        else:
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


def _listed(outlets: Any) -> list[Any]:
    """Return *outlets* as a list; like Airflow, take one for a list of one."""
    return list(outlets) if isinstance(outlets, (list, tuple, set, frozenset)) else [outlets] if outlets else []


def _unknown_names(names: Collection[str]) -> list[str]:
    known = [name for name in inspect.signature(s3_batch_job).parameters if name != "unknown"]
    found = []
    for name in names:
        close = difflib.get_close_matches(name, known, n=1)
        found.append(f"there is no argument {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
    return found
