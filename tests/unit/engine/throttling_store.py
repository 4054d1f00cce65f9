"""Runs against one store that throttles above a rate, each with its own window, in simulated time."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from airflow_s3batch.engine.rates.pacing import Pace, backoff_s

TICK_S = 0.002


@dataclass
class Run:
    """
    One of the runs; the others know nothing of it.

    Attributes:
        begins_s: when it joins; *ends_s* when it has nothing more to send.
        latency_s: of an answer to it.
        served: requests done, by second; *refused* likewise.
        sizes: of the window, by second, at the second's end.
    """

    pace: Pace
    begins_s: float = 0.0
    ends_s: float = 1e9
    latency_s: float = 0.05
    served: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    sizes: dict[int, float] = field(default_factory=dict)
    answers: list[tuple[float, int, bool, int]] = field(default_factory=list)
    waiting: list[tuple[float, int, int]] = field(default_factory=list)

    def mean(self, first: int, end: int) -> float:
        """Return how many requests a second were done from the second *first* to before *end*."""
        return sum(self.served[second] for second in range(first, end)) / (end - first)


@dataclass
class Store:
    """Serves *limit(now)* requests a second of all *runs* together; refuses the others at once."""

    limit: Callable[[float], float]
    runs: Sequence[Run]
    burst_s: float = 0.1
    _number: int = 0
    _room: float = 0.0

    def run(self, seconds: int, seed: int = 1) -> None:
        """Let all of them keep their windows full."""
        chance = random.Random(seed)
        for tick in range(int(seconds / TICK_S)):
            now = tick * TICK_S
            allowed = self.limit(now)
            self._room = min(max(1.0, allowed * self.burst_s), self._room + allowed * TICK_S)
            runs = list(self.runs)
            chance.shuffle(runs)
            for run in runs:
                self._receive(run, now, chance)
                if run.begins_s <= now < run.ends_s:
                    self._send(run, now, chance)
                run.sizes[int(now)] = run.pace.window.size

    def _receive(self, run: Run, now: float, chance: random.Random) -> None:
        while run.answers and run.answers[0][0] <= now:
            _, number, is_served, attempt = heapq.heappop(run.answers)
            if is_served:
                run.served[int(now)] += 1
                run.pace.on_success(now)
            else:
                run.refused[int(now)] += 1
                run.pace.on_throttle(now)
                heapq.heappush(run.waiting, (now + backoff_s(attempt, chance.random), number, attempt + 1))

    def _send(self, run: Run, now: float, chance: random.Random) -> None:
        pace, most = run.pace, run.pace.window.most
        while run.waiting and run.waiting[0][0] <= now and pace.allows(len(run.answers), now):
            self._start(run, now, heapq.heappop(run.waiting)[2], chance)
        while len(run.answers) + len(run.waiting) < most and pace.allows(len(run.answers), now):
            self._start(run, now, 1, chance)

    def _start(self, run: Run, now: float, attempt: int, chance: random.Random) -> None:
        run.pace.on_sent()
        self._number += 1
        is_served = self._room >= 1.0
        self._room -= is_served
        delay_s = (run.latency_s if is_served else 0.005) * chance.uniform(0.9, 1.1)
        heapq.heappush(run.answers, (now + delay_s, self._number, is_served, attempt))


def alone(seconds: int, limit: Callable[[float], float], run: Run) -> Run:
    """Return *run* after so many seconds with a store of its own."""
    Store(limit, [run]).run(seconds)
    return run


def fairness(shares: Sequence[float]) -> float:
    """
    Return Jain's index of *shares*: 1 if all are the same, 1/n if one has all.

    Source:
        https://arxiv.org/abs/cs/9809099
    """
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))
