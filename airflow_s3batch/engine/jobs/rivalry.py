"""What to do about another job that is at work on the same objects: say so, refuse, or wait until it has ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import AccessError, PausedError, RivalError, S3BatchError
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.layout import GenerationLayout, JobLayout
from airflow_s3batch.core.running_record import RunningRecord
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.jobs.pause_watch import PATIENCE
from airflow_s3batch.engine.jobs.running import Running, is_open_at_aws, signs_of_life
from airflow_s3batch.engine.jobs.shards_seen import SILENT_S
from airflow_s3batch.operations.base import Replay

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.engine.jobs.running import Rival
    from airflow_s3batch.operations.base import Operation

WARN, REFUSE, WAIT = "warn", "refuse", "wait"
CHOICES = (WARN, REFUSE, WAIT)

log = logging.getLogger(__name__)


class RivalAtWorkError(PausedError):
    """
    Another job is at work on the same objects, and this one waits until it has ended.

    Attributes:
        rival: that job's `RunningRecord`, JSON-ready.
    """

    rival: Mapping[str, Any] | None = None


def heed_rivals(running: Running, operation: Operation, if_running: str | None, name: str) -> str:
    """
    Look for other jobs on the same objects; return a sentence to be shown, empty if there is none.

    Without *if_running* a job refuses where the same is being done by another one already and doing it twice at the
    same time may do harm: the operation destroys data, or must not be replayed. Else it warns. *name* is for errors.

    Raises:
        RivalError: there is another job, and this one is not to begin.
        RivalAtWorkError: there is another job, and this one is to wait.
    """
    try:
        rivals = running.rivals()
    except S3BatchError as error:
        log.warning("%s: whether other jobs are at work on the same objects can't be seen: %s", name, error)
        return ""
    if not rivals:
        return ""
    told = rivals[0].sentence()
    if if_running == WAIT:
        raise _waiting(rivals[0], f"{name}: waits, for {told}")
    if if_running == REFUSE or (if_running is None and rivals[0].is_same and _harms_twice(operation)):
        raise RivalError(
            f"{name}: {told}. Nothing was begun here. Wait until that job has ended and clear this task, or tell the "
            "task what to do with if_running=: 'wait' for it, or 'warn' and begin all the same"
        )
    log.warning("%s: %s. Rows are recorded once for each job, but objects may be worked on twice", name, told)
    return f"{told[0].upper()}{told[1:]}."


def told_of_others(storage: Storage, manifest: Manifest, operation: Operation | None) -> str:
    """Return a sentence on another job that is at work on the objects of *manifest*; empty if none is seen."""
    job = JobLayout(manifest.job_url)
    name, what = (operation.name, fingerprint(operation.to_json())) if operation else ("", "")
    try:
        running = Running(storage, job, "", job.operation("none").generation(1), manifest, operation=name, what=what)
        others = running.others() if manifest.rows else []
    except S3BatchError as error:
        log.info("%s: whether other jobs are at work on the same objects can't be seen: %s", job.url, error)
        return ""
    return others[0].sentence() if others else ""


def _waiting(rival: Rival, sentence: str) -> RivalAtWorkError:
    error = RivalAtWorkError(sentence)
    error.rival = asdict(rival.record)
    return error


def _harms_twice(operation: Operation) -> bool:
    return operation.destroys or operation.replay is Replay.UNSAFE


class RivalWatch:
    """
    Looks whether a rival is still at work, by whether its signs of life change. Not for several threads at once.

    Attributes:
        trouble: a sentence on what kept the last look from telling anything; empty if nothing did.
    """

    def __init__(
        self, storage: Storage, rival: Mapping[str, Any], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._storage = storage
        self._record = RunningRecord(**rival)
        self._clock = clock
        self._refusals = 0
        self._seen: object = None
        self._since = clock()
        self.trouble = ""

    def look(self) -> str:
        """
        Return why not to wait any longer, a sentence; empty if the rival may be at work. Never raises.

        Many refusals in a row are a reason, too, as for `PauseWatch`: the task that waits may see more.
        """
        try:
            seen = self._signs()
        except S3BatchError as error:
            self._refusals += isinstance(error, AccessError)
            self.trouble = f"whether {self._record.job_url} is still at work can't be seen: {error}"
            return self.trouble if self._refusals >= PATIENCE else ""
        self._refusals, self.trouble, now = 0, "", self._clock()
        if seen and (seen != self._seen or self._record.is_managed):
            self._seen, self._since = seen, now
        if seen and now - self._since <= SILENT_S:
            return ""
        return f"{self._record.job_url} is not at work any more"

    def _signs(self) -> object:
        """Return what changes as long as the rival is at work; nothing if it has ended in order."""
        if self._record.is_managed:
            return is_open_at_aws(self._storage, self._record)
        return sorted(signs_of_life(self._storage, GenerationLayout(S3Url.parse(self._record.generation))))
