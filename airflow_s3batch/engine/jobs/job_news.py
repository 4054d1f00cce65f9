"""
What the pulses of a job's attempts tell: who is alive, and how many objects failed. No I/O, no clock of its own.

All times are the store's, from one listing, so that the workers' clocks don't matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.files.storage import StoredFile

RUNS = "runs"
ENDED = "ended"
ALIVE_BEATS = 3
OLD_NEWS = timedelta(hours=1)
"""Failures told longer ago stop nobody: by then somebody may have lifted their cause."""

_NAME = re.compile(r"shard-(\d{5,9})_(\d{4,}-\d{13,}-[0-9a-f]{6})_(\d{1,12})_(\d{1,12})_(runs|ended)", re.ASCII)


class Pulse(NamedTuple):
    """
    The newest that an attempt at a shard has told.

    Attributes:
        done: objects of the shard with an outcome, those included that succeeded in earlier attempts.
        failed: how many of them failed for reasons that count and that another attempt won't change.
        is_over: the attempt has ended in order.
        at: when it was written.
    """

    shard: int
    attempt: str
    done: int
    failed: int
    is_over: bool
    at: datetime


class Failures(NamedTuple):
    """Sums over shards: of *done* objects *failed* failed, in *shards* shards."""

    done: int = 0
    failed: int = 0
    shards: int = 0


@dataclass(frozen=True, slots=True)
class JobNews:
    """
    One listing of the pulses, as one of the attempts sees it.

    Attributes:
        own: the attempt that looks; *shard* is its shard.
        pulses: the newest of each attempt; its own among them, if the listing had it.
        joined: when its own first pulse was written.
    """

    own: str
    shard: int
    pulses: Mapping[str, Pulse]
    joined: datetime | None

    @property
    def now(self) -> datetime | None:
        """The store's time: when the attempt's own pulse was written, else the newest of all."""
        if self.own in self.pulses:
            return self.pulses[self.own].at
        return max((pulse.at for pulse in self.pulses.values()), default=None)

    def others_alive(self, every_s: float) -> list[Pulse]:
        """Return what the other attempts told that run, as far as one can know; they beat every *every_s* seconds."""
        now = self.now
        if now is None:
            return []
        since = now - timedelta(seconds=ALIVE_BEATS * every_s + 1)
        others = (pulse for attempt, pulse in self.pulses.items() if attempt != self.own)
        return [pulse for pulse in others if not pulse.is_over and pulse.at >= since]

    def elsewhere(self, *, heeds_old: bool) -> Failures:
        """
        Return the sums over the other shards, of each its newest attempt.

        What was done counts always. What failed counts unless it was told before this attempt began, where *heeds_old*
        is false, and for an hour at most.
        """
        newest = {pulse.shard: pulse for _, pulse in sorted(self.pulses.items()) if pulse.shard != self.shard}
        counting = [p for p in newest.values() if p.failed and self._is_news(p, heeds_old=heeds_old)]
        return Failures(
            done=sum(pulse.done for pulse in newest.values()),
            failed=sum(pulse.failed for pulse in counting),
            shards=len(counting),
        )

    def _is_news(self, pulse: Pulse, *, heeds_old: bool) -> bool:
        if self.now is None or pulse.at < self.now - OLD_NEWS:
            return False
        return heeds_old or (self.joined is not None and pulse.at > self.joined)


def read_pulses(files: Iterable[StoredFile], manifest: Manifest) -> dict[str, Pulse]:
    """
    Return the newest pulse of each attempt; of two (it was killed while it replaced one) the one that tells more.

    Foreign files, and numbers that can't be, are passed over.
    """
    found: dict[str, Pulse] = {}
    for file in files:
        match = _NAME.fullmatch(file.url.key.rpartition("/")[2])
        if match is None:
            continue
        pulse = Pulse(int(match[1]), match[2], int(match[3]), int(match[4]), match[5] == ENDED, file.last_modified)
        if pulse.shard >= len(manifest.shards) or not pulse.failed <= pulse.done <= manifest.shards[pulse.shard].rows:
            continue
        known = found.get(pulse.attempt, pulse)
        telling = max(known, pulse, key=lambda entry: (entry.is_over, entry.done, entry.failed))
        found[pulse.attempt] = telling._replace(at=max(known.at, pulse.at))
    return found
