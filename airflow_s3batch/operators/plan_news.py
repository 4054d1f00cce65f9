"""News of a manifest task: which objects are meant, and why there is no manifest."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any, Self

from airflow_s3batch.core.errors import S3BatchError, SelectionError
from airflow_s3batch.core.iso_times import iso_now
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.news import PLAN_KEY, PlanNews
from airflow_s3batch.hooks.news import push, without_secrets
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.declared import declared
from airflow_s3batch.operators.job_tasks import declared_by, jobs_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.operators.slots import Slots

GUARDS = (
    "min_objects",
    "max_objects",
    "max_bytes",
    "allowed_buckets",
    "allowed_prefixes",
    "max_change",
    "max_inventory_age",
)


class PlanTold:
    """
    Tells that *task*, a manifest operator, begins, and how it ended. A context manager around its work.

    Nothing of this can fail the task.
    """

    def __init__(self, ti: Any, task: Any) -> None:
        self._ti = ti
        self._news = PlanNews(state="planning", started=iso_now())
        with contextlib.suppress(Exception):
            self._news = planned(task, self._news)

    def __enter__(self) -> Self:
        self._push()
        return self

    def __exit__(self, _: object, error: BaseException | None, *more: object) -> None:
        from airflow_s3batch.manifests.sources.athena.unload import QueryRunningError

        if error is None or isinstance(error, QueryRunningError):  # the task waits, and goes on
            return
        state = "refused" if isinstance(error, SelectionError) else "failed"
        reason = str(error) if isinstance(error, S3BatchError) else f"{type(error).__name__}: {error}"
        self._news = dataclasses.replace(
            self._news, state=state, reason=str(without_secrets(reason) or ""), ended=iso_now()
        )
        self._push()

    def published(
        self,
        manifest: Manifest,
        storage: Storage,
        cost: Mapping[str, Any] | None = None,
        slots: Slots | None = None,
    ) -> None:
        """Tell what *manifest* holds, what working on it is expected to cost, and how many shards run at a time."""
        self._news = dataclasses.replace(
            self._news,
            state="published",
            job=str(manifest.job_url),
            rows=manifest.rows,
            bytes=manifest.bytes,
            shards=len(manifest.shards),
            storage_classes=dict(manifest.storage_classes),
            cost=cost,
            slots=slots.number if slots else 0,
            slots_by=slots.by if slots else "",
            ended=iso_now(),
        )
        with contextlib.suppress(Exception):
            from airflow_s3batch.manifests.planning.pin import read_job

            job = read_job(storage, JobLayout(manifest.job_url))
            self._news = dataclasses.replace(self._news, as_of=job.source.get("created") if job else None)
        self._push()

    def _push(self) -> None:
        push(self._ti, PLAN_KEY, self._news.to_json)


def planned(task: Any, news: PlanNews) -> PlanNews:
    """Return *news* with what the rendered arguments of *task* say, secrets masked."""
    jobs = jobs_of(task)
    operation, dry_run = declared_by(task, jobs[0].get("operation", ""))
    operation = getattr(task, "operation", None) or operation
    values = {name: getattr(task, name, None) for name in GUARDS}
    told = without_secrets(
        {
            "operation": declared(operation).to_json() if isinstance(operation, Operation | list | tuple) else None,
            "sql": str(task.sql or task.where or ""),
            "columns": dict(task.columns or {}),
            "params": dict(task.bindings),
        }
    )
    return dataclasses.replace(
        news,
        **(told or {}),
        engine=str(task.engine),
        dry_run=dry_run is True,
        source=task.source().kind,
        source_name=task.source().name(),
        guards={name: _shown(value) for name, value in values.items() if value not in (None, (), [], "")},
        jobs=tuple(jobs),
        task_id=str(task.task_id),
    )


def _shown(value: Any) -> Any:
    return value if isinstance(value, int | float | list | tuple) else str(value)
