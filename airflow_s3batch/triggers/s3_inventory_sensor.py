"""`S3InventorySensorTrigger`: waits for one inventory delivery on behalf of the sensor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.triggers.base import S3BatchTrigger, beside_loop
from airflow_s3batch.triggers.delivery_look import delivery_url

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage


class S3InventorySensorTrigger(S3BatchTrigger):
    """
    Look for a delivery every *poll_interval_s* seconds; one event ends it.

    The event is ``{"status": "found", "url": …}`` or ``{"status": "error", "message": …, "is_retryable": …}``.
    A damaged newest delivery is an error, though there may be a sound older one.

    Nothing has to be cancelled when the task is killed: a look leaves nothing behind.

    Args:
        inventory: a delivery's ``manifest.json``, or the folder of an inventory configuration.
        as_of: ISO 8601, or ``None``.
        max_age_s: in seconds, or ``None``.
        poll_interval_s: seconds between two looks.
        silent_fail: go on looking after trouble that may pass.
        store: see `S3BatchTrigger`.
    """

    def __init__(
        self,
        *,
        inventory: str,
        as_of: str | None = None,
        max_age_s: float | None = None,
        poll_interval_s: float = 60.0,
        silent_fail: bool = False,
        **store: Any,
    ) -> None:
        super().__init__(poll_interval_s=poll_interval_s, **store)
        self.inventory = inventory
        self.as_of = as_of
        self.max_age_s = max_age_s
        self.silent_fail = silent_fail

    def own_arguments(self) -> dict[str, Any]:  # noqa: D102
        return {
            "inventory": self.inventory,
            "as_of": self.as_of,
            "max_age_s": self.max_age_s,
            "silent_fail": self.silent_fail,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until something is found or broken."""
        try:
            yield _event(status="found", url=await self._found())
        except S3BatchError as error:
            yield _event(status="error", message=str(error), is_retryable=error.is_retryable)

    async def _found(self) -> str:
        storage = await beside_loop(self.store.storage)
        while (url := await self._look(storage)) is None:
            await asyncio.sleep(self.poll_interval_s)
        return url

    async def _look(self, storage: Storage) -> str | None:
        try:
            return await asyncio.to_thread(
                delivery_url,
                storage,
                self.inventory,
                as_of=datetime.fromisoformat(self.as_of) if self.as_of else None,
                max_age=None if self.max_age_s is None else timedelta(seconds=self.max_age_s),
                log=self.log.info,
            )
        except S3BatchError as error:
            if not (self.silent_fail and error.is_retryable):
                raise
            self.log.warning("%s", error)
            return None


def _event(**payload: Any) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]
