"""`AthenaQueryTrigger`: waits for the end of a query of Athena without a worker slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.triggers.base import S3BatchTrigger, beside_loop

if TYPE_CHECKING:
    from airflow_s3batch.manifests.sources.athena.client import Athena, QueryState


class AthenaQueryTrigger(S3BatchTrigger):
    """
    Look at the query every *poll_interval_s* seconds; one event ends it.

    The event is ``{"status": "over", "query_id": …}``, however the query ended, or ``{"status": "error", "message": …,
    "is_retryable": …, "query_id": …}``. Trouble that may pass is borne for some looks.

    Args:
        query_id: Athena's QueryExecutionId.
        poll_interval_s: seconds between two looks.
        cancel_on_kill: stop the query when somebody clears the task, or marks it as failed or succeeded, while it is
            deferred. Airflow tells a trigger so from 3.3 on; before that the query goes on.
        store: see `S3BatchTrigger`.
    """

    def __init__(
        self, *, query_id: str, poll_interval_s: float = 15.0, cancel_on_kill: bool = True, **store: Any
    ) -> None:
        super().__init__(poll_interval_s=poll_interval_s, **store)
        self.query_id = query_id
        self.cancel_on_kill = cancel_on_kill

    def own_arguments(self) -> dict[str, Any]:  # noqa: D102
        return {"query_id": self.query_id, "cancel_on_kill": self.cancel_on_kill}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the query is over, or can't be looked at."""
        try:
            state = await self._end(await self._athena())
        except S3BatchError as error:
            yield self._event(status="error", message=str(error), is_retryable=error.is_retryable)
        else:
            self.log.info("%s", state.sentence())
            yield self._event(status="over")

    async def on_kill(self) -> None:
        """
        Stop the query if *cancel_on_kill* says so.

        Airflow (from 3.3 on) calls it when a user acts on the deferred task; not on a restart of the triggerer, nor
        when the task's time is up. What it raises, Airflow writes to the log.
        """
        if self.cancel_on_kill:
            athena = await self._athena()
            await asyncio.to_thread(athena.stop, self.query_id)
            self.log.info("Athena query %s was stopped with the task.", self.query_id)

    async def _athena(self) -> Athena:
        def connected() -> Athena:
            from airflow_s3batch.manifests.sources.athena.client import Athena

            return Athena(self.store.access())

        return await beside_loop(connected)

    async def _end(self, athena: Athena) -> QueryState:
        """Return where the query is once it is over."""
        from airflow_s3batch.manifests.sources.athena.unload import PATIENCE

        troubles = 0
        while True:
            try:
                state = await asyncio.to_thread(athena.look, self.query_id)
            except S3BatchError as error:
                troubles += 1
                if not error.is_retryable or troubles > PATIENCE:
                    raise
                self.log.info("Athena was not reached; the query goes on, and the next look may succeed: %s", error)
            else:
                troubles = 0
                if state.is_over:
                    return state
            await asyncio.sleep(self.poll_interval_s)

    def _event(self, **payload: Any) -> TriggerEvent:
        return TriggerEvent({**payload, "query_id": self.query_id})  # type: ignore[no-untyped-call]
