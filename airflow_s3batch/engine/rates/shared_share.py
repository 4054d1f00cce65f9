"""One attempt's share of a rate that several jobs share: what it asks for, and what it may take of it when."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.shared_rate import LEAST_PER_S
from airflow_s3batch.engine.jobs.job_news import ALIVE_BEATS
from airflow_s3batch.engine.rates.even_shares import Wish, share_of

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import StoredFile

ALL = "all"
STALE = timedelta(hours=1)
"""After that nobody waits for whoever left a file; it may be deleted."""

_JOINERS_SHARE = 0.03
_IDLE = 0.7
_ROOM_TO_GROW = 1.5
_STEP = 1.25
_NUMBER = r"\d{1,12}(?:\.\d{1,6})?"
_NAME = re.compile(
    rf"([A-Za-z0-9.-]{{1,150}})_(\d{{4,}}-\d{{13,}}-[0-9a-f]{{6}})_({_NUMBER})_({_NUMBER}|all)", re.ASCII
)


class Rated(Protocol):
    """What has a rate in requests a second that can be set."""

    rate: float


@dataclass(frozen=True, slots=True)
class Sharer:
    """
    What one attempt has told the others that share a rate.

    Attributes:
        job: name of the job's folder.
        limit: of all jobs together, as its Dag states it.
        per_s: what it wants of that; infinite for all that it can get.
        at: when it was told, by the store's clock.
    """

    job: str
    attempt: str
    limit: float
    per_s: float
    at: datetime

    @property
    def wish(self) -> Wish:
        """What it wants."""
        return Wish(self.job, self.attempt, self.per_s)


def job_name(folder: str) -> str:
    """Return how the job in the folder of this name is called in `sharer_name`; another folder has another name."""
    return folder if re.fullmatch(r"[A-Za-z0-9.-]{1,150}", folder, re.ASCII) else fingerprint(folder)


def sharer_name(job: str, attempt: str, limit: float, per_s: float) -> str:
    """Return the name of the file by which an attempt tells the others; `read_sharers` reads it."""
    wanted = ALL if math.isinf(per_s) else f"{max(LEAST_PER_S, per_s):.6f}"
    return f"{job}_{attempt}_{limit:.6f}_{wanted}"


def read_sharers(files: Iterable[StoredFile]) -> dict[str, Sharer]:
    """Return the newest of each attempt; what is foreign, or can't be, is passed over."""
    found: dict[str, Sharer] = {}
    for file in files:
        match = _NAME.fullmatch(file.url.key.rpartition("/")[2])
        if match is None or float(match[3]) < LEAST_PER_S:
            continue
        wanted = math.inf if match[4] == ALL else float(match[4])
        told = Sharer(match[1], match[2], float(match[3]), wanted, file.last_modified)
        known = found.get(told.attempt, told)
        found[told.attempt] = max(known, told, key=lambda entry: (entry.at, entry.per_s))
    return found


def alive(sharers: Iterable[Sharer], now: datetime, every_s: float) -> list[Sharer]:
    """Return those that told something within the last beats before *now*, the store's time."""
    since = now - timedelta(seconds=ALIVE_BEATS * every_s + 1)
    return [sharer for sharer in sharers if sharer.at >= since]


class SharedView(NamedTuple):
    """
    What an attempt knows of a shared rate.

    Attributes:
        per_s: the limit that counts: the lowest that is stated.
        jobs: that share it, its own included; *attempts* likewise.
    """

    name: str
    per_s: float
    jobs: int
    attempts: int

    def sentence(self) -> str:
        """Return who shares it, for people."""
        others = self.jobs - 1
        told = f"with {others:,} other job{'s' * (others != 1)}" if others else "with no other job at the moment"
        return f"Shares the rate {self.name!r}, {self.per_s:,g} requests/s, {told}."


class SharedShare:
    """
    One attempt's share, kept in *cap*.

    A rise of what it wants, from nothing at first, counts only once all others have beaten since they could see it, and
    so made room; a fall counts at once. So the sum of all shares never exceeds the limit, but for what joiners take
    until there is room: next to nothing. An attempt that could not use seven tenths of its share for a beat wants half
    as much again as it used; once it uses that, it wants all again.

    Attributes:
        stated: the limit that this attempt's Dag states.
        wanted: what is to be told with the next beat.
        view: what is known of all.
    """

    def __init__(
        self,
        cap: Rated,
        name: str,
        stated: float,
        job: str,
        attempt: str,
        *,
        shards: int,
        every_s: float,
        clock: Callable[[], float],
        sent: Callable[[], int],
    ) -> None:
        """*shards* is how many the job has; *every_s* between beats; *sent* counts the attempt's requests."""
        self.stated = stated
        self.wanted = math.inf
        self.view = SharedView(name, stated, 1, 1)
        self._cap = cap
        self._job = job
        self._attempt = attempt
        self._shards = shards
        self._every_s = every_s
        self._clock = clock
        self._sent = sent
        self._own = math.inf
        self._told: float | None = None
        self._told_at: datetime | None = None
        self._granted: float | None = None
        self._heard = self._looked = clock()
        self._counted = sent()
        self._cap.rate = self._least(1)

    def limit_to(self, per_s: float) -> None:
        """Take into account that the attempt may send no more than *per_s* for another reason; infinite for none."""
        self._own = per_s

    def wish(self) -> float:
        """Return what to tell with this beat; called once for each, before `hear`."""
        now, sent = self._clock(), self._sent()
        elapsed_s, used = now - self._looked, sent - self._counted
        if elapsed_s >= self._every_s / 2:
            self._looked, self._counted = now, sent
            is_idle = self._granted is not None and used < _IDLE * elapsed_s * min(self._cap.rate, self._own)
            self.wanted = _stepped(_ROOM_TO_GROW * used / elapsed_s) if is_idle else math.inf
        return min(self.wanted, self._own)

    def hear(self, told: float, sharers: Mapping[str, Sharer]) -> list[Sharer]:
        """
        Take the share that is left; return the others that are alive.

        *told* is what this attempt has told with this beat, *sharers* what was told by all.
        """
        own = sharers.get(self._attempt)
        now = own.at if own else max((sharer.at for sharer in sharers.values()), default=None)
        if now is None:
            return []
        self._note(told, now)
        others = [other for other in alive(sharers.values(), now, self._every_s) if other.attempt != self._attempt]
        has_room = all(self._told_at is not None and other.at > self._told_at for other in others)
        if has_room or (self._granted is not None and told < self._granted):
            self._granted = told
        self._heard = self._clock()
        limit = min([self.stated, *(other.limit for other in others)])
        jobs = len({self._job, *(other.job for other in others)})
        self.view = self.view._replace(per_s=limit, jobs=jobs, attempts=len(others) + 1)
        if self._granted is None:
            self._cap.rate = self._least(jobs)
        else:
            own_wish = Wish(self._job, self._attempt, self._granted)
            self._cap.rate = share_of(own_wish, [other.wish for other in others], limit)
        return others

    def check(self) -> None:
        """Fall back if nothing was heard for too long; the others count this attempt as dead then."""
        if self._clock() - self._heard > ALIVE_BEATS * self._every_s:
            careful = self.view.per_s / (self._shards * max(2, self.view.jobs))
            self._cap.rate = careful if self._granted is None else min(self._cap.rate, careful)

    def _note(self, told: float, now: datetime) -> None:
        """Keep in mind since when the others can know of what is wanted now."""
        if self._told is None or told > self._told:
            self._told_at = now
        self._told = told

    def _least(self, jobs: int) -> float:
        return self.view.per_s * _JOINERS_SHARE / (self._shards * jobs)


def _stepped(per_s: float) -> float:
    """Return *per_s*, or up to a quarter more: few values, so that few files have to be renamed."""
    return float(_STEP ** math.ceil(math.log(max(per_s, 1.0), _STEP)))
