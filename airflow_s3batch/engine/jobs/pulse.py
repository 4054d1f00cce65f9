"""
The pulse of an attempt: signs of life by which the attempts at a job's shards know of one another, without a service.

An attempt leaves one tiny file whose *name* carries the news, so that one listing tells everything. It is advice: it
sets the pace and may stop a lost job early; nothing that is recorded about an object ever comes from it.
"""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Self

from airflow_s3batch.core.errors import AccessError
from airflow_s3batch.engine.jobs.job_news import ENDED, RUNS, JobNews, read_pulses

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_s3batch.core.layout import GenerationLayout
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.engine.rates.shared_pulse import SharedPulse

FIRST_BEAT_S = 2.0
LAST_BEAT_S = 1.0
"""How long the start and the end of an attempt wait for their beat; a store that is slower costs no more than that."""

log = logging.getLogger(__name__)


class Heart:
    """
    Beats while an attempt runs: tells its counts, then hears what the others have told. A context manager.

    Entering waits for the first beat, leaving for the last, both for a short time only. In between a thread of its own
    beats after 1, 2, 4, … seconds up to *every_s*. Each beat is a write, a listing, and, where the counts have changed,
    a delete of its own last file. Whatever goes wrong is logged once, and the attempt goes on with what it knows.

    Args:
        every_s: seconds between two beats.
        told: returns what to tell: objects of the shard that are done, and how many of them have failed for good.
        hear: takes what each beat has heard; called in the heart's thread, must not block.
        look: called in the heart's thread, too, after each beat and every *look_every_s* seconds at most between beats.
        beside: beats along, in the same thread: among the jobs that share a rate.
    """

    def __init__(
        self,
        storage: Storage,
        generation: GenerationLayout,
        manifest: Manifest,
        shard: int,
        attempt: str,
        *,
        every_s: float,
        told: Callable[[], tuple[int, int]],
        hear: Callable[[JobNews], None],
        look: Callable[[], None] = lambda: None,
        look_every_s: float = math.inf,
        beside: SharedPulse | None = None,
    ) -> None:
        self._storage = storage
        self._generation = generation
        self._manifest = manifest
        self._shard = shard
        self._attempt = attempt
        self._every_s = every_s
        self._told = told
        self._hear = hear
        self._look = look
        self._look_every_s = look_every_s
        self._beside = beside
        self._last: tuple[int, int, str] | None = None
        self._may_delete = True
        self._joined: datetime | None = None
        self._has_complained = False
        self._has_beaten = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._live, name="s3batch-pulse", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._has_beaten.wait(FIRST_BEAT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(LAST_BEAT_S)

    def beat(self) -> None:
        """
        Tell, then listen; in this order of two attempts that join at once at least one hears of the other.

        Raises:
            S3BatchError: the store does not let us.
        """
        self.tell(RUNS)
        pulses = read_pulses(self._storage.list(self._generation.pulses / ""), self._manifest)
        news = JobNews(self._attempt, self._shard, pulses, self._joined)
        if self._joined is None:
            self._joined = news.now
            news = JobNews(self._attempt, self._shard, pulses, self._joined)
        self._hear(news)

    def tell(self, state: str) -> None:
        """Replace the attempt's file by one that says how far it is; *state* is ``RUNS`` or ``ENDED``."""
        done, failed = self._told()
        last = self._last
        new = (done, failed, state)
        if last is not None and not self._may_delete and state == RUNS and done < 2 * last[0] + 1:
            new = last  # files would pile up: few names, each said again as a sign of life
        self._storage.write(self._generation.pulse(self._shard, self._attempt, *new), b"")
        self._last = new
        if last is not None and last != new and self._may_delete:
            self._drop(last)

    def _drop(self, last: tuple[int, int, str]) -> None:
        try:
            self._storage.delete(self._generation.pulse(self._shard, self._attempt, *last))
        except AccessError:
            self._may_delete = False
            raise

    def _live(self) -> None:
        for pause_s in pauses_s(self._every_s):
            self._try(self.beat)
            if self._beside is not None:
                self._beside.beat()
            self._has_beaten.set()
            if self._rest(pause_s):
                break
        if self._beside is not None:
            self._beside.leave()
        self._try(lambda: self.tell(ENDED))

    def _rest(self, pause_s: float) -> bool:
        """Look now and then for so long; return whether the attempt has ended meanwhile."""
        looks = max(1, math.ceil(pause_s / self._look_every_s))
        for _ in range(looks):
            self._try(self._look)
            if self._is_over.wait(pause_s / looks):
                return True
        return False

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - advice only: the attempt goes on without it
            if not self._has_complained:
                self._has_complained = True
                log.warning("the attempts at this job may not know of one another, so each is careful: %s", error)


def pauses_s(every_s: float, chance: Callable[[], float] = random.random) -> Iterator[float]:
    """Yield the pauses between beats: young attempts beat sooner, for much changes then; none in step with others."""
    pause_s = min(1.0, every_s)
    while True:
        yield pause_s * (0.9 + 0.2 * chance())
        pause_s = min(2 * pause_s, every_s)
