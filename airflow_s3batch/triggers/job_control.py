"""`S3BatchJobControlTrigger`: waits without a worker slot until a paused job may go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from airflow.triggers.base import TriggerEvent

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.triggers.base import S3BatchTrigger, beside_loop

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.engine.jobs.pause_watch import PauseWatch
    from airflow_s3batch.engine.jobs.rivalry import RivalWatch

POLL_INTERVAL_S = 10.0


class S3BatchJobControlTrigger(S3BatchTrigger):
    """
    Look at a paused job's ``control.json`` every *poll_interval_s* seconds; one event, ``{"why": …}``, ends it.

    The event has *carried*, too.

    All triggers of one job in one triggerer share a connection, and look only once. Where the triggerer may not read
    the file, the task is sent on after `PATIENCE` looks, to look itself.

    Args:
        job_url: folder of the job.
        carried: comes back with the event; JSON-ready.
        rival: `RunningRecord` of another job; it is waited for instead, until it is not at work any more.
        poll_interval_s: seconds between two looks.
        store: of the job's files; see `S3BatchTrigger`.
    """

    def __init__(
        self,
        *,
        job_url: str,
        carried: Mapping[str, Any] | None = None,
        rival: Mapping[str, Any] | None = None,
        poll_interval_s: float = POLL_INTERVAL_S,
        **store: Any,
    ) -> None:
        super().__init__(poll_interval_s=poll_interval_s, **store)
        self.job_url = job_url
        self.carried = carried
        self.rival = rival

    def own_arguments(self) -> dict[str, Any]:  # noqa: D102
        rival = {"rival": dict(self.rival)} if self.rival else {}
        return {"job_url": self.job_url, "carried": dict(self.carried) if self.carried else None, **rival}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until the job may go on."""
        shared, told = _shared_by(self), ""
        while not (why := await shared.look(self)):
            if shared.trouble != told:
                told = shared.trouble
                self.log.info("%s", told or self._waits_for)
            await asyncio.sleep(self.poll_interval_s)
        yield TriggerEvent({"why": why, "carried": self.carried})  # type: ignore[no-untyped-call]

    @property
    def _waits_for(self) -> str:
        return f"{self.rival['job_url']} is still at work." if self.rival else f"{self.job_url} is still paused."

    async def connected(self) -> Storage:
        """
        Return the store of the job's files.

        Raises:
            S3BatchError: the connection can't be used.
        """
        return await beside_loop(self.store.storage)


class _Shared:
    """What the triggers of one job share."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._watch: PauseWatch | RivalWatch | None = None
        self._refused = 0
        self._looked_s = float("-inf")
        self.trouble = ""

    async def look(self, trigger: S3BatchJobControlTrigger) -> str:
        """Return why not to wait any longer; empty if the job was paused just now."""
        clock = asyncio.get_running_loop().time
        async with self._lock:
            if clock() - self._looked_s < trigger.poll_interval_s / 2:
                return ""
            why = await self._really_look(trigger)
            if not why:
                self._looked_s = clock()
            return why

    async def _really_look(self, trigger: S3BatchJobControlTrigger) -> str:
        from airflow_s3batch.engine.jobs.pause_watch import PATIENCE, PauseWatch
        from airflow_s3batch.engine.jobs.rivalry import RivalWatch

        if self._watch is None:
            try:
                storage = await trigger.connected()
            except S3BatchError as error:
                self._refused += 1
                self.trouble = str(error)
                return self.trouble if self._refused >= PATIENCE else ""
            job = JobLayout(S3Url.parse(trigger.job_url))
            self._watch = RivalWatch(storage, trigger.rival) if trigger.rival else PauseWatch(storage, job)
        why = await asyncio.to_thread(self._watch.look)
        self.trouble = self._watch.trouble
        return why


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[str, _Shared]] = WeakKeyDictionary()


def _shared_by(trigger: S3BatchJobControlTrigger) -> _Shared:
    known = _shared.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    name = json.dumps({**trigger.serialize()[1], "carried": None}, sort_keys=True, default=str)
    return known.setdefault(name, _Shared())
