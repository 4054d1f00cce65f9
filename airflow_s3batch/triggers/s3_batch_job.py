"""`S3BatchJobTrigger`: waits for the end of a job of AWS S3 Batch Operations without a worker slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_s3batch.core.errors import PausedError, S3BatchError
from airflow_s3batch.core.news import PROGRESS_KEY as PROGRESS_NEWS_KEY
from airflow_s3batch.core.news import ProgressNews
from airflow_s3batch.hooks.news import push
from airflow_s3batch.hooks.s3 import StoreSettings
from airflow_s3batch.triggers.base import S3BatchTrigger, beside_loop

if TYPE_CHECKING:
    from airflow_s3batch.hooks.s3_batch import S3BatchHook
    from airflow_s3batch.managed import JobProgress
    from airflow_s3batch.managed.news import AwsTold
    from airflow_s3batch.triggers.bucket_pause import BucketPause
    from airflow_s3batch.triggers.job_watch import JobWatch

PROGRESS_KEY = "progress"
"""XCom key under which the counts of a running job are kept up to date."""


class S3BatchJobTrigger(S3BatchTrigger):
    """
    Look after the job every *poll_interval_s* seconds; one event ends it.

    The event is ``{"status": "over", "job_status": …}`` or ``{"status": "error", "message": …, "is_retryable": …}``,
    with ``job_id`` and ``carried``. Trouble that may pass is borne for some looks. While the task is deferred, its
    log tells what changes, and its XCom ``progress`` holds the counts.

    Args:
        job_id: which job.
        account_id: the account that it belongs to; that of the credentials if left out.
        poll_interval_s: seconds between two looks.
        cancel_on_kill: cancel the job when somebody clears the task, or marks it as failed or succeeded, while it is
            deferred. Airflow tells a trigger so from 3.3 on; before that the job goes on.
        carried: comes back with the event; JSON-ready.
        pauses_first: let *poll_interval_s* pass before the first look.
        news: what the task has told of the job; the trigger tells on, under the same key.
        pausable: ``job_url`` of our job, and the fields of `StoreSettings` of its files: while it is paused by its
            ``control.json``, AWS's job is cancelled, and the event is ``{"status": "paused", "message": …}``.
        store: see `S3BatchTrigger`.
    """

    def __init__(
        self,
        *,
        job_id: str,
        account_id: str | None = None,
        poll_interval_s: float = 30.0,
        cancel_on_kill: bool = False,
        carried: Mapping[str, Any] | None = None,
        pauses_first: bool = False,
        news: Mapping[str, Any] | None = None,
        pausable: Mapping[str, Any] | None = None,
        **store: Any,
    ) -> None:
        super().__init__(poll_interval_s=poll_interval_s, **store)
        self.job_id = job_id
        self.account_id = account_id
        self.cancel_on_kill = cancel_on_kill
        self.carried = carried
        self.pauses_first = pauses_first
        self.news = news
        self.pausable = pausable

    def own_arguments(self) -> dict[str, Any]:  # noqa: D102
        return {
            "job_id": self.job_id,
            "account_id": self.account_id,
            "cancel_on_kill": self.cancel_on_kill,
            "carried": dict(self.carried) if self.carried else None,
            "pauses_first": self.pauses_first,
            "news": dict(self.news) if self.news else None,
            "pausable": dict(self.pausable) if self.pausable else None,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the job is over, or can't be looked at."""
        if self.pauses_first:
            await asyncio.sleep(self.poll_interval_s)
        try:
            progress = await self._end(await self._watch())
        except PausedError as error:
            yield self._event(status="paused", message=str(error))
        except S3BatchError as error:
            yield self._event(status="error", message=str(error), is_retryable=error.is_retryable)
        else:
            yield self._event(status="over", job_status=progress.status)

    async def on_kill(self) -> None:
        """
        Cancel the job if *cancel_on_kill* says so.

        Airflow (from 3.3 on) calls it when a user acts on the deferred task; not on a restart of the triggerer, nor
        when the task's time is up. What it raises, Airflow writes to the log.
        """
        if not self.cancel_on_kill:
            return
        from airflow_s3batch.managed import CANCELLED_BY_TASK

        hook = await self._hook()
        status = await asyncio.to_thread(hook.cancel_job, self.job_id, CANCELLED_BY_TASK)
        self.log.info("Job %s was cancelled with the task; it is %s.", self.job_id, status)

    async def _hook(self) -> S3BatchHook:

        def connected() -> S3BatchHook:
            hook = self.store.batch_hook(self.account_id)
            _ = hook.control
            return hook

        return await beside_loop(connected)

    async def _watch(self) -> JobWatch:
        from airflow_s3batch.triggers.job_watch import JobWatch

        return JobWatch(await self._hook(), self.job_id, log=self.log.info)

    async def _end(self, watch: JobWatch) -> JobProgress:
        """Return where the job is once it is over."""
        told: dict[str, Any] = {}
        news, pause = self._told(), await self._pause(watch.hook)
        while True:
            progress = await asyncio.to_thread(watch.look)
            if progress is not None and news is not None:
                await self._tell(news.of(progress))
            if progress is not None and progress.is_over:
                return progress
            if progress is not None and (counts := _counts(progress)) != told:
                told = counts
                await self._show(counts)
            if pause is not None and (progress is None or progress.status != "Cancelling"):
                await asyncio.to_thread(pause.check, f"AWS job {self.job_id}", self.job_id)
            await asyncio.sleep(self.poll_interval_s)

    async def _pause(self, hook: S3BatchHook) -> BucketPause | None:
        """Return what heeds a pause of our job, ``None`` if nothing has to."""
        from airflow_s3batch.managed import Round
        from airflow_s3batch.triggers.bucket_pause import BucketPause

        if not self.pausable or not self.carried:
            return None
        settings = StoreSettings(**{name: value for name, value in self.pausable.items() if name != "job_url"})
        try:
            storage = await beside_loop(settings.storage)
        except S3BatchError as error:
            self.log.warning("Whether the job is paused can't be seen: %s", error)
            return None
        return BucketPause(Round.from_json(self.carried).ref, storage, hook, self.log.info)

    def _told(self) -> AwsTold | None:
        """Return what makes the news, ``None`` if the task has not told any."""
        from airflow_s3batch.managed.news import AwsTold

        first = ProgressNews.from_json(self.news)
        return None if first is None else AwsTold(first)

    async def _tell(self, news: ProgressNews) -> None:
        """Let the task's XCom hold *news*; nothing fails for it."""
        ti = self.task_instance
        if ti is None:
            return
        try:
            await beside_loop(lambda: push(ti, PROGRESS_NEWS_KEY, news.to_json))
        except Exception as error:  # noqa: BLE001 - whatever Airflow raises here must not end the wait
            self.log.debug("The news can't be told: %s", error)

    async def _show(self, counts: Mapping[str, Any]) -> None:
        """Let the task's XCom tell *counts*; where Airflow does not let a trigger do so, only the log tells."""
        ti = self.task_instance
        if ti is None:
            return

        def push() -> None:
            from airflow.sdk.execution_time.xcom import XCom

            XCom.set(
                key=PROGRESS_KEY,
                value=dict(counts),
                dag_id=ti.dag_id,
                task_id=ti.task_id,
                run_id=ti.run_id,
                map_index=-1 if ti.map_index is None else ti.map_index,
            )

        try:
            await beside_loop(push)
        except Exception as error:  # noqa: BLE001 - whatever Airflow raises here must not end the wait
            self.log.debug("The counts can't be shown as XCom: %s", error)

    def _event(self, **payload: Any) -> TriggerEvent:
        return TriggerEvent({**payload, "job_id": self.job_id, "carried": self.carried})  # type: ignore[no-untyped-call]


def _counts(progress: JobProgress) -> dict[str, Any]:
    return {
        "job_status": progress.status,
        "total": progress.total,
        "succeeded": progress.succeeded,
        "failed": progress.failed,
    }
