"""Simulates the mapped tasks of a job: a scheduler starts them, slots bound them, the store's rate is shared."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

_DONE = 1e-6
"""Objects: what rounding leaves of a shard that is finished."""


@dataclass(frozen=True, slots=True)
class Setting:
    """
    Where a job runs.

    Attributes:
        slots: tasks that run at the same time.
        starts_per_s: task instances that the scheduler starts a second.
        startup_s: from a task's start to its first request.
        ending_s: from a task's last request to its slot being free again.
        task_rate: requests a second that one task sends when nothing holds it back.
        store_rate: requests a second that the store takes from all tasks together.
    """

    slots: int
    starts_per_s: float
    startup_s: float
    ending_s: float
    task_rate: float
    store_rate: float


@dataclass(frozen=True, slots=True)
class Course:
    """
    How a job went.

    Attributes:
        hours: from the first start to the last end.
        mean_rate: objects a second over all of it.
        peak_rate: most requests a second at any time.
        busy: share of the slots' time in which requests were sent, until the last task was started.
        tail_hours: from the moment when the first slot found no shard any more to the end.
    """

    hours: float
    mean_rate: float
    peak_rate: float
    busy: float
    tail_hours: float


class _Run:
    """The state of a simulation; time in seconds."""

    def __init__(self, shards: Sequence[int], setting: Setting) -> None:
        self.setting = setting
        self.waiting = list(reversed(shards))
        self.now = 0.0
        self.next_start = 0.0
        self.starting: list[tuple[float, int]] = []
        self.ending: list[float] = []
        self.working: list[float] = []
        self.share = 0.0
        """Objects that a task that has worked from the beginning would have done; *working* holds shares at the end."""
        self.peak = self.sent_s = self.slots_s = 0.0
        self.dry = 0.0

    @property
    def taken(self) -> int:
        return len(self.starting) + len(self.working) + len(self.ending)

    @property
    def rate(self) -> float:
        """Requests a second of each working task."""
        if not self.working:
            return self.setting.task_rate
        return min(self.setting.task_rate, self.setting.store_rate / len(self.working))

    def next_event(self) -> float:
        """Return when something happens next."""
        moments = []
        if self.waiting and self.taken < self.setting.slots:
            moments.append(max(self.next_start, self.now))
        if self.starting:
            moments.append(self.starting[0][0])
        if self.ending:
            moments.append(self.ending[0])
        if self.working:
            moments.append(self.now + (self.working[0] - self.share) / self.rate)
        return min(moments)

    def advance(self, moment: float) -> None:
        """Let the working tasks work until *moment*."""
        passed, self.now = moment - self.now, moment
        self.share += passed * self.rate
        self.peak = max(self.peak, self.rate * len(self.working))
        if self.waiting:
            self.sent_s += passed * len(self.working)
            self.slots_s += passed * min(self.setting.slots, self.taken + len(self.waiting))

    def happen(self) -> None:
        """Do all that is due now."""
        while self.working and self.working[0] <= self.share + _DONE:
            heapq.heappop(self.working)
            heapq.heappush(self.ending, self.now + self.setting.ending_s)
        while self.starting and self.starting[0][0] <= self.now:
            heapq.heappush(self.working, self.share + heapq.heappop(self.starting)[1])
        while self.ending and self.ending[0] <= self.now:
            heapq.heappop(self.ending)
        if self.waiting and self.taken < self.setting.slots and self.next_start <= self.now:
            heapq.heappush(self.starting, (self.now + self.setting.startup_s, self.waiting.pop()))
            self.next_start = self.now + 1 / self.setting.starts_per_s
            self.dry = self.now


def simulated(shards: Sequence[int], setting: Setting) -> Course:
    """Return how a job goes whose mapped tasks have so many objects each, one request per object."""
    run = _Run(shards, setting)
    while run.waiting or run.taken:
        run.advance(run.next_event())
        run.happen()
    total = sum(shards)
    return Course(
        hours=run.now / 3600,
        mean_rate=total / run.now if run.now else 0.0,
        peak_rate=run.peak,
        busy=run.sent_s / run.slots_s if run.slots_s else 1.0,
        tail_hours=(run.now - run.dry) / 3600,
    )
