"""`s3_batch_job`: a whole job as one task group."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_s3batch.approvals import Approval, approval_for, approval_problems, destroys
from airflow_s3batch.assets import assets_in, delivered_urls
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.outcomes import VANISHED
from airflow_s3batch.hooks.arguments import bool_problems, config_problems, raise_for
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operators.manifest import engine_problems, staging_problems
from airflow_s3batch.operators.origins import Origin
from airflow_s3batch.operators.params import own_params, params_problems
from airflow_s3batch.operators.report import report_problems
from airflow_s3batch.operators.slots import OPTION, slot_problems
from airflow_s3batch.operators.verification import POLICY as VERIFICATION_POLICY
from airflow_s3batch.task_group.refusals import (
    spread_problems,
    stage_problems,
    tls_problems,
    unknown_names,
    work_problems,
)
from airflow_s3batch.task_group.store_arguments import LEFT_OUT, store_arguments
from airflow_s3batch.task_group.task_arguments import (
    arguments_by_task,
    default_args_problems,
    task_args_problems,
    tasks_of,
)
from airflow_s3batch.task_group.wiring import JobTasks, job_group

if TYPE_CHECKING:
    from airflow.sdk import Asset, TaskGroup, XComArg

    from airflow_s3batch.core.shared_rate import SharedRate
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
    dry_run: bool | str = False,
    rehearse: int | str | None = None,
    approval: bool | Approval | None = None,
    verification: bool | int | str = False,
    prices: str | None = None,
    notifications: Sequence[Any] = (),
    outlets: Asset | Sequence[Any] = (),
    max_concurrency: int = 128,
    max_requests_per_s: float | None = None,
    shared_rate: SharedRate | None = None,
    request_timeout_s: float = 60.0,
    max_attempts: int = 8,
    replay_unsafe: bool = False,
    if_running: str | None = None,
    resume: bool = True,
    aws_conn_id: str | None = LEFT_OUT,
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
    task_args: Mapping[str, Mapping[str, Any]] | None = None,
    default_args: Mapping[str, Any] | None = None,
    **unknown: Any,
) -> TaskGroup:
    """
    Add a job to the current Dag: ``manifest`` → ``run`` (one mapped task per shard, or per bucket) → ``report``.

    Where it is asked for, ``approve`` and ``rehearse`` come before ``run``, and ``verify`` behind it.

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
    *description*, *job_tags*, *report_scope*, *expected_bucket_owner*, *poll_interval_s* and *cancel_on_kill*; for the
    worker engine *failure_threshold*, *keep_going*, *max_concurrency*, *max_requests_per_s* (for all mapped tasks
    together), *shared_rate* (for all jobs that state the same `SharedRate`), *request_timeout_s*, *max_attempts* and
    *source_aws_conn_id*. *deferrable* says where tasks wait: for AWS's job, or while somebody has paused theirs. What
    AWS can't do as one of these asks is an error; workers have no use for those of the managed engine, but
    *confirmation_required* is an error there.

    *dry_run* (or a template of ``true`` and ``false``) looks at each object, changes none, and reports what would be
    done. *rehearse* really does the operation to so many random objects first, and to the rest only if no more of them
    failed than *allowed_failures*. *approval* asks somebody, with the figures, before anything is done: ``None`` where
    the operation destroys data, ``True`` always, ``False`` never, an `Approval` as it says; after the rehearsal if the
    operation destroys nothing. *verification* reads all objects that succeeded once more (``True``), or so many random
    ones, and compares them with what the operation should have left; not to be mixed up with *verify*, which is about
    TLS. *prices* names a price table for the cost estimate (``docs/cost.md``).

    *if_running* says what to do if another job below the same *job_url* is at work on the same objects: ``"warn"``,
    ``"refuse"`` or ``"wait"``; see `BatchOperationOperator` and ``docs/several-jobs.md``.

    *outlets* are the report task's: each asset among them gets an event when the job has succeeded, with its counts and
    URLs as ``extra``.

    *resume* ``False`` makes each attempt start over instead of keeping what earlier ones have done. *job_aws_conn_id*
    is the connection for the inventory and the job's files, if they lie in another store than the objects.

    *max_active_tis_per_dagrun* and *pool* are for the mapped tasks (``group``, ``run``, ``verify``), of which there can
    be hundreds. So many of each run at a time: by default 8, and never more than half of ``[core] parallelism``, so
    that a job leaves the rest of an Airflow room; tasks that only wait for AWS in the triggerer have no such limit.
    *default_args* are Airflow's arguments for all tasks, *task_args* for single ones: ``{"run": {"queue": "s3"}}``.
    *aws_conn_id*, *region_name*, *verify* and *botocore_config* that are left out are those of ``default_args``, the
    job's or the Dag's, as for operators that stand alone.
    ``docs/pools.md`` has pools, queues, priorities and executors.

    *unknown* takes names that don't exist, to tell them with the other mistakes. The operators document the
    arguments: `InventoryToManifestOperator`, `BatchOperationOperator`, `ManagedBatchJobOperator`,
    `BatchRehearsalOperator`, `BatchApprovalOperator`, `BatchVerificationOperator`, `BatchReportOperator`.

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
        "params": own_params(params),
        "memory_limit": memory_limit,
        "staging_dir": staging_dir,
        "staging_limit": staging_limit,
    }
    of_inventory = {"as_of": as_of, "max_inventory_age": max_age if max_inventory_age is None else max_inventory_age}
    try:
        origin = Origin.of(delivered_urls(inventory), source, of_inventory)
    except ArgumentError as error:
        raise_for(f"s3_batch_job {group_id!r}", [*unknown_names(unknown, _ARGUMENTS), str(error)])
        raise
    verdict: dict[str, Any] = {"tolerate": tolerate, "allowed_failures": allowed_failures}
    policy: dict[str, Any] = {
        **verdict,
        "replay_unsafe": replay_unsafe,
        "if_running": if_running,
        "failure_threshold": failure_threshold,
        "keep_going": keep_going,
        "max_concurrency": max_concurrency,
        "max_requests_per_s": max_requests_per_s,
        "shared_rate": shared_rate,
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
    asked = None if approval_problems(operation, approval) else approval_for(operation, approval, dry_run)
    names = tasks_of(planning_tasks, asked, rehearse, verification)
    raise_for(
        f"s3_batch_job {group_id!r}",
        [
            *unknown_names(unknown, _ARGUMENTS),
            *engine_problems(engine),
            *params_problems(params),
            *staging_problems(staging_limit),
            *origin.problems({**selecting, "job_url": job_url}),
            *spread_problems(planning_tasks, source, selecting),
            *work_problems(engine, operation, {**worker, "dry_run": dry_run}, managed),
            *stage_problems(engine, operation, dry_run, rehearse, approval, verification),
            *tls_problems(verify),
            *config_problems(botocore_config),
            *bool_problems(resume=resume),
            *slot_problems({OPTION: max_active_tis_per_dagrun}),
            *task_args_problems(names, task_args),
            *default_args_problems(default_args, _ARGUMENTS),
            *report_problems(notifications, None, None),
        ],
    )
    group = job_group(group_id, default_args or {})
    store = store_arguments(
        group, aws_conn_id=aws_conn_id, region_name=region_name, verify=verify, botocore_config=botocore_config
    )
    is_one_store = job_aws_conn_id in (None, store["aws_conn_id"])
    limits = {"pool": pool, OPTION: max_active_tis_per_dagrun}
    mapped = {name: value for name, value in limits.items() if value is not None}
    on_objects = {"operation": operation, "job_aws_conn_id": job_aws_conn_id, **store}
    on_workers = {
        **on_objects,
        "source_aws_conn_id": source_aws_conn_id,
        **({} if deferrable is None else {"deferrable": deferrable}),
    }
    tasks = JobTasks(
        manifest=origin.operator,
        planning_tasks=planning_tasks,
        selection={
            **origin.arguments,
            **selecting,
            **planning,
            "job_url": job_url,
            "resume": resume,
            "prices": prices,
            **({"inlets": assets} if (assets := assets_in(inventory)) else {}),
            **on_objects,
        },
        approval=None if asked is None else {**on_objects, "approval": asked, "dry_run": dry_run, "engine": engine},
        approves_first=rehearse is None or destroys(operation),
        rehearsal=None
        if rehearse is None
        else {**on_workers, **policy, "objects": rehearse, "resume": resume, "dry_run": dry_run},
        work={
            **(
                {**on_objects, **verdict, "replay_unsafe": replay_unsafe, "if_running": if_running, **managed}
                if engine == "managed"
                else {**on_workers, **policy, "dry_run": dry_run}
            ),
            "resume": resume,
        },
        verification=None
        if verification is False
        else {
            **on_workers,
            **{name: policy[name] for name in VERIFICATION_POLICY},
            "objects": None if verification is True else verification,
        },
        airflow=arguments_by_task(names, task_args, mapped),
        report={"notifications": notifications, "outlets": _listed(outlets), **verdict},
        job_store=store if is_one_store else {**dict.fromkeys(store), "aws_conn_id": job_aws_conn_id},
    )
    return tasks.fill(group)


def _listed(outlets: Any) -> list[Any]:
    """Return *outlets* as a list; like Airflow, take one for a list of one."""
    return list(outlets) if isinstance(outlets, (list, tuple, set, frozenset)) else [outlets] if outlets else []


_ARGUMENTS = tuple(name for name in inspect.signature(s3_batch_job).parameters if name != "unknown")
