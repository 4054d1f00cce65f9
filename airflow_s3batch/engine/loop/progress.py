"""How far a shard is, and what holds it back: every few seconds a line for the log, and a `Snapshot` for the news."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from airflow_s3batch.core.control import Control
from airflow_s3batch.core.news import Codes
from airflow_s3batch.engine.loop.failures import Failures
from airflow_s3batch.engine.rates.shared_share import SharedView


class Load(NamedTuple):
    """
    What a run asks of the store at the moment.

    Attributes:
        requests: sent so far.
        in_flight: of them without an answer.
        slow_downs: how often the store asked to slow down so far.
        window: how many requests may be in flight; *most* of them if the store does not complain.
        allowed_per_s: requests a second that this run may send; ``None`` without a limit.
        job_per_s: the limit of the whole job, shared by *sharers* runs.
        retries: how many of *requests* were repeats.
        shared: what is known of a rate that several jobs share; ``None`` if there is none.
    """

    requests: int
    in_flight: int
    slow_downs: int
    window: float
    most: int
    allowed_per_s: float | None = None
    job_per_s: float = 0.0
    sharers: int = 1
    retries: int = 0
    shared: SharedView | None = None


IDLE = Load(0, 0, 0, 0, 0)

Point = tuple[float, int, int, int]
"""Seconds since the attempt began, objects done (with those of earlier attempts), failures, slow-downs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    How far an attempt at a shard is at one moment.

    Attributes:
        name: of the operation, snake case.
        total: objects of the shard.
        done: with an outcome, those included that succeeded in earlier attempts.
        failed: of them, in this attempt; what a dry run would do is none of them.
        rate: objects a second since the last snapshot; *requests_per_s* likewise. ``None`` in the first and last one.
        elapsed_s: since the attempt began.
        codes: failures by code.
        bytes: size of the objects that succeeded in this attempt, as far as the manifest knows it.
        history: at most `History.MOST` points, evenly over the time; the last one is this moment.
        state: ``running``, ``paused``, ``stopped`` (before its last object) or ``ended``.
        sentence: why it does not run any more; empty else.
        control: what was asked of the running job, JSON-ready, as it is heeded; ``None`` for nothing.
        shards: how many shards the job has.
        notice: what people should know of other jobs, in whole sentences; empty if nothing.
    """

    name: str
    total: int
    done: int
    failed: int
    rate: float | None
    requests_per_s: float | None
    elapsed_s: float
    load: Load
    codes: Codes
    history: tuple[Point, ...]
    state: str = "running"
    sentence: str = ""
    control: Mapping[str, Any] | None = None
    bytes: int = 0
    shards: int = 1
    notice: str = ""


class History:
    """Points over time, of bounded number: once there are too many, every other one is dropped."""

    MOST = 60

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._stride = 1
        self._offered = 0

    def add(self, point: Point) -> None:
        """Take *point*, the latest; whether it is kept depends on how many there are."""
        if self._offered % self._stride == 0:
            self._points.append(point)
        self._offered += 1
        if len(self._points) >= self.MOST:
            del self._points[1::2]
            self._stride *= 2

    def until(self, last: Point) -> tuple[Point, ...]:
        """Return the points, and *last* behind them."""
        return (*(point for point in self._points if point[0] < last[0]), last)


class Progress:
    """
    Takes a snapshot when the work begins, every *every_s* seconds, and at its end; writes a line of each but the first.

    Args:
        name: of the operation.
        done: objects that have their outcome from earlier attempts.
        total: objects of the shard.
        load: asked once for each snapshot; `follow` replaces it.
        write: takes the finished line.
        clock: monotonic seconds.
        tell: takes the snapshot.
        shards: of the job.
        notice: of the snapshots.

    Attributes:
        failures: counted by whoever records outcomes; *bytes* likewise, of what succeeded.
        control: of the snapshots to come.
    """

    def __init__(
        self,
        name: str,
        done: int,
        total: int,
        *,
        every_s: float,
        load: Callable[[], Load] = lambda: IDLE,
        write: Callable[[str], None],
        clock: Callable[[], float],
        tell: Callable[[Snapshot], None] = lambda _: None,
        shards: int = 1,
        notice: str = "",
    ) -> None:
        self._name = name
        self._before = done
        self._total = total
        self._every_s = every_s
        self._load = load
        self._write = write
        self._clock = clock
        self._tell = tell
        self._shards = shards
        self._notice = notice
        self._began = self._last = clock()
        self._done = self._last_done = 0
        self._last_requests = 0
        self._history = History()
        self.failures = Failures()
        self.bytes = 0
        self.control: Mapping[str, Any] | None = None
        self._asked = ""

    def follow(self, load: Callable[[], Load]) -> None:
        """Ask *load* from now on, and tell that the work begins."""
        self._load = load
        self._tell(self._snapshot(load(), None, None, self._clock()))

    def heed(self, control: Control) -> None:
        """Tell from now on what people ask of the job."""
        self.control = None if control.is_default else control.to_json()
        self._asked = control.note

    def tick(self, done: int, failed: int) -> None:
        """Take a snapshot if it is time; *done* and *failed* count this attempt's outcomes."""
        self._done = done
        now = self._clock()
        elapsed_s = now - self._last
        if elapsed_s < self._every_s:
            return
        load = self._load()
        rate, requests_per_s = (done - self._last_done) / elapsed_s, (load.requests - self._last_requests) / elapsed_s
        self._last, self._last_done, self._last_requests = now, done, load.requests
        self._write(self.line(done, failed, load, rate, requests_per_s))
        self._tell(self._snapshot(load, rate, requests_per_s, now))

    def end(self, state: str = "ended", sentence: str = "", *, done: int | None = None) -> None:
        """Tell that the attempt is over, or waits: *state* of `Snapshot`, and why; *done* counts its outcomes."""
        if done is not None:
            self._done = done
        self._tell(self._snapshot(self._load(), None, None, self._clock(), state, sentence))

    def _snapshot(
        self,
        load: Load,
        rate: float | None,
        requests_per_s: float | None,
        now: float,
        state: str = "running",
        sentence: str = "",
    ) -> Snapshot:
        elapsed_s, so_far, failed = now - self._began, self._before + self._done, self.failures.number
        point = (round(elapsed_s, 1), so_far, failed, load.slow_downs)
        self._history.add(point)
        return Snapshot(
            name=self._name,
            total=self._total,
            done=so_far,
            failed=failed,
            rate=rate,
            requests_per_s=requests_per_s,
            elapsed_s=elapsed_s,
            load=load,
            codes=self.failures.by_code(),
            bytes=self.bytes,
            history=self._history.until(point),
            state=state,
            sentence=sentence,
            control=self.control,
            shards=self._shards,
            notice=" ".join(filter(None, (self._notice, load.shared.sentence() if load.shared else ""))),
        )

    def line(self, done: int, failed: int, load: Load, rate: float, requests_per_s: float) -> str:
        """
        Return the line; what does not apply is left out.

        ``put_object_tagging 410,000/1,204,511 (34 %) 3,120/s, 3,122 of 3,500 requests/s (7,000 over 2 shards), 120 in
        flight, 37 failed, 2 slowdowns (window 88 of 128)``
        """
        so_far = self._before + done
        share = 100 * so_far // self._total if self._total else 100
        parts = [f"{self._name} {so_far:,}/{self._total:,} ({share} %) {_rate(rate)}/s"]
        if load.allowed_per_s is not None:
            parts.append(f"{_rate(requests_per_s)} of {_rate(load.allowed_per_s)} requests/s{_of_what(load)}")
        parts += [f"{load.in_flight:,} in flight", f"{failed:,} failed"]
        if load.slow_downs:
            window = f" (window {load.window:,.0f} of {load.most:,})" if load.window < load.most else ""
            parts.append(f"{load.slow_downs:,} slowdowns{window}")
        if self._asked:
            parts.append(self._asked)
        return ", ".join(parts)


def _of_what(load: Load) -> str:
    """Return what the allowed rate is a share of: `` (7,000 over 2 shards; lake: 9,000 over 3 jobs)``."""
    told = []
    if load.sharers > 1 and load.job_per_s < math.inf:
        told.append(f"{_rate(load.job_per_s)} over {load.sharers:,} shards")
    if load.shared is not None:
        jobs = "this job alone" if load.shared.jobs == 1 else f"{load.shared.jobs:,} jobs"
        told.append(f"{load.shared.name}: {_rate(load.shared.per_s)} over {jobs}")
    return f" ({'; '.join(told)})" if told else ""


def _rate(per_s: float) -> str:
    return f"{per_s:,.0f}" if per_s >= 10 else f"{per_s:.3g}"
