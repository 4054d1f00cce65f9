"""News of an operation task of the worker engine: how far its shard is."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Self

from airflow_s3batch.core.errors import PausedError
from airflow_s3batch.core.iso_times import iso_now
from airflow_s3batch.core.news import PROGRESS_KEY, ProgressNews
from airflow_s3batch.hooks.news import without_secrets
from airflow_s3batch.operators.metrics import TaskMetrics, task_tags
from airflow_s3batch.operators.news import Herald, every_s

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import ShardRef
    from airflow_s3batch.engine.loop.progress import Snapshot


class ShardTold:
    """
    Tells by XCom, and by Airflow's metrics, how an attempt at shard *ref* goes.

    A context manager around `run_shard`, which is given `tell`.

    Args:
        ti: the task instance.
        ref: which shard of which job.
        operation: its name in logs.
        dry_run: whether nothing is changed.
    """

    def __init__(self, ti: Any, ref: ShardRef, operation: str, *, dry_run: bool = False) -> None:
        self._ti = ti
        self._herald = Herald(ti, PROGRESS_KEY)
        self._news = ProgressNews(
            job=ref.job_url, shard=ref.shard, operation=operation, dry_run=dry_run, rows=ref.rows, started=iso_now()
        )
        self._metrics = None if dry_run else TaskMetrics(task_tags(ti, operation, "worker"), ref.shard)

    def __enter__(self) -> Self:
        self._herald.__enter__()
        if is_resumed(self._ti):  # what was told before the task was deferred is still there, and still true
            before = told_before(self._ti)
            self._news = dataclasses.replace(self._news, done=before.succeeded if before else 0)
        self._tell()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *more: object) -> None:
        if error is not None:
            state = "paused" if isinstance(error, PausedError) else "stopped"
            if self._news.state == "running" or state == "paused":
                why = str(error).partition("\n")[0]
                self._news = dataclasses.replace(self._news, state=state, sentence=str(without_secrets(why) or ""))
                self._tell()
        self._herald.__exit__(kind, error, *more)
        if self._metrics is not None:
            self._metrics.close()

    def tell(self, snapshot: Snapshot) -> None:
        """Take the latest *snapshot*; called by the engine."""
        if self._metrics is not None:
            self._metrics.take(snapshot)
        load = snapshot.load
        self._news = dataclasses.replace(
            self._news,
            state=snapshot.state,
            sentence=snapshot.sentence,
            rows=snapshot.total,
            done=snapshot.done,
            failed=snapshot.failed,
            rate=_rounded(snapshot.rate),
            requests_per_s=_rounded(snapshot.requests_per_s),
            in_flight=load.in_flight,
            slow_downs=load.slow_downs,
            window=_rounded(load.window),
            most=load.most,
            allowed_per_s=_rounded(load.allowed_per_s),
            codes=snapshot.codes,
            history=snapshot.history,
            control=snapshot.control,
            notice=str(without_secrets(snapshot.notice) or ""),
        )
        self._herald.keep_to(every_s(snapshot.shards))
        self._tell()

    def _tell(self) -> None:
        self._news = dataclasses.replace(self._news, at=iso_now())
        self._herald.tell(self._news.to_json)


def is_resumed(ti: Any) -> bool:
    """Whether *ti* goes on after a deferral, so that Airflow has kept its XComs."""
    return bool(getattr(getattr(ti, "_ti_context_from_server", None), "next_method", None))


def told_before(ti: Any) -> ProgressNews | None:
    """Return what *ti* has told last; ``None`` if that can't be had."""
    try:
        return ProgressNews.from_json(ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index, key=PROGRESS_KEY))
    except Exception:  # noqa: BLE001 - whatever Airflow raises here must not end the work
        return None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
