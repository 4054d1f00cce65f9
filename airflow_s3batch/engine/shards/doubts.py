"""
Doubts: failures that another attempt at the same shard may have caused.

An attempt that was alone when it began takes "gone" and "changed" at their word. If a second one began at the same
time, that may be the other's doing. Such failures are therefore held back until a listing made afterwards shows that
there is no other; each attempt leaves its announcement before it touches an object. If there is one, these objects, and
all that come, are done as replays, which look what became of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.engine.shards.shard_state import attempt_time
from airflow_s3batch.operations.base import Replay

if TYPE_CHECKING:
    from airflow_s3batch.core.layout import GenerationLayout
    from airflow_s3batch.core.outcomes import Outcome
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.engine.shards.attempt import Attempt
    from airflow_s3batch.engine.shards.shard_state import ShardState
    from airflow_s3batch.engine.wire.exchange import Work
    from airflow_s3batch.operations.base import Operation

_STATUSES = frozenset({404, 409, 412})
_EVERY_S = 1.0

log = logging.getLogger(__name__)


class Doubts:
    """
    What is held back. Belongs to the thread that works on the objects.

    Attributes:
        again: objects that are to be done again, as replays.
        has_rival: another attempt is, or was, at work.
        began: Unix time at which the first attempt was named, once there is a rival.
    """

    def __init__(
        self,
        storage: Storage,
        generation: GenerationLayout,
        attempt: Attempt,
        state: ShardState,
        operation: Operation,
        record: Callable[[Work, Outcome], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*record* takes outcomes that are not in doubt, or no longer."""
        self._storage = storage
        self._announcements = generation.shard(attempt.shard) / "attempt-"
        self._own = attempt.id
        self._settled = state.settled
        self._may_doubt = operation.replay is Replay.CHECK and not state.unsettled
        self._record = record
        self._clock = clock
        self._held: list[tuple[Work, Outcome]] = []
        self._due = 0.0
        self.again: list[Work] = []
        self.has_rival = False
        self.began = 0.0

    def take(self, work: Work, outcome: Outcome) -> None:
        """Hold *outcome* back if it is in doubt, else record it."""
        if not self._may_doubt or not outcome.error_code or outcome.http_status not in _STATUSES:
            self._record(work, outcome)
            return
        if not self._held:
            self._due = self._clock() + _EVERY_S
        self._held.append((work, outcome))

    def until_rival(self, works: Iterator[Work | None]) -> Iterator[Work | None]:
        """Return *works*, but no more of them once there is a rival."""
        return self._until_rival(works) if self._may_doubt else works

    def _until_rival(self, works: Iterator[Work | None]) -> Iterator[Work | None]:
        for work in works:
            yield work
            if self.has_rival:
                return

    def tick(self) -> None:
        """Settle what is held back, a second after it came."""
        if self._held and self._clock() >= self._due:
            self.settle()

    def settle(self) -> None:
        """Record what is held back, or put it into `again`, by what a listing shows now."""
        held, self._held = self._held, []
        if held and not self.has_rival:
            self._look()
        for work, outcome in held:
            if self.has_rival:
                self.again.append(work)
            else:
                self._record(work, outcome)

    def _look(self) -> None:
        try:
            names = {file.url.key.rpartition("attempt-")[2] for file in self._storage.list(self._announcements)}
        except S3BatchError as error:
            log.warning("whether another attempt is at work can't be seen, so it is assumed: %s", error)
            names = {self._own, ""}
        attempts = {name.removesuffix(".json") for name in names} - self._settled
        self.has_rival = attempts != {self._own}
        self.began = min((attempt_time(name) for name in attempts if attempt_time(name)), default=0.0)
