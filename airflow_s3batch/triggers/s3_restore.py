"""`S3RestoreTrigger`: waits for restores without a worker slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.triggers.base import S3BatchTrigger, beside_loop

if TYPE_CHECKING:
    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.reports.restores.restore_state import Waiting

MAX_CONCURRENCY = 16


class S3RestoreTrigger(S3BatchTrigger):
    """
    Ask every *poll_interval_s* seconds for the few objects that stand for all that are being restored.

    One event ends it: ``{"status": "due"}`` once all of them are ready, so that a worker can look at the rest, or
    ``{"status": "error", "message": …, "is_retryable": …}``. A look is a HEAD for each of at most some hundred objects,
    sent from a thread, so that the triggerer's loop goes on. It changes nothing: a triggerer that is restarted reads
    the same file again, and when the task is killed, nothing has to be cancelled.

    Args:
        state_url: of the file in the job's folder that names the objects.
        poll_interval_s: seconds between two looks, and before the first.
        job_aws_conn_id: connection for that file, if it is in another store than the objects.
        silent_fail: go on looking after trouble that may pass.
        store: see `S3BatchTrigger`.
    """

    def __init__(
        self,
        *,
        state_url: str,
        poll_interval_s: float = 300.0,
        job_aws_conn_id: str | None = None,
        silent_fail: bool = False,
        **store: Any,
    ) -> None:
        super().__init__(poll_interval_s=poll_interval_s, **store)
        self.state_url = state_url
        self.job_aws_conn_id = job_aws_conn_id
        self.silent_fail = silent_fail

    def own_arguments(self) -> dict[str, Any]:  # noqa: D102
        return {
            "state_url": self.state_url,
            "job_aws_conn_id": self.job_aws_conn_id,
            "silent_fail": self.silent_fail,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until none is waited for, or something is broken."""
        try:
            await self._wait()
            yield _event(status="due")
        except S3BatchError as error:
            yield _event(status="error", message=str(error), is_retryable=error.is_retryable)

    async def _wait(self) -> None:
        await asyncio.sleep(self.poll_interval_s)
        access = await beside_loop(self.store.access)
        waiting = await self._named()
        while waiting and (waiting := await self._look(access, waiting)):
            self.log.info("%d of the objects that were looked at are still being restored.", len(waiting))
            await asyncio.sleep(self.poll_interval_s)

    async def _named(self) -> list[Waiting]:
        """Return the objects that the state's file names; none where there is no file yet."""
        from airflow_s3batch.reports.restores.restore_state import RestoreState

        storage = await beside_loop(self.store.with_connection(self.job_aws_conn_id).storage)
        state = await asyncio.to_thread(RestoreState.read, storage, S3Url.parse(self.state_url))
        return [] if state is None else state.waiting

    async def _look(self, access: S3Access, waiting: list[Waiting]) -> list[Waiting]:
        from airflow_s3batch.engine.policy import Policy
        from airflow_s3batch.reports.restores.restore_look import still_restoring

        try:
            return await asyncio.to_thread(still_restoring, access, Policy(max_concurrency=MAX_CONCURRENCY), waiting)
        except S3BatchError as error:
            if not (self.silent_fail and error.is_retryable):
                raise
            self.log.warning("%s", error)
            return waiting


def _event(**payload: Any) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]
