"""A store that throttles above a rate, and a loop that sends as the executor does, in simulated time."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_s3batch.engine.pacing import Pace, backoff_s

TICK_S = 0.002


@dataclass
class ThrottlingStore:
    """
    Answers after *latency_s*; what exceeds ``limit(now)`` requests a second it refuses at once.

    Attributes:
        served: requests done, by second; *refused* likewise.
        sizes: of the window, by second, at the second's end.
    """

    pace: Pace
    limit: Callable[[float], float]
    latency_s: float = 0.05
    served: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    sizes: dict[int, float] = field(default_factory=dict)
    _answers: list[tuple[float, int, bool, int]] = field(default_factory=list)
    _waiting: list[tuple[float, int, int]] = field(default_factory=list)
    _number: int = 0
    _room: float = 0.0

    def run(self, seconds: int, seed: int = 1) -> None:
        """Keep the window full for *seconds*."""
        chance = random.Random(seed)
        for tick in range(int(seconds / TICK_S)):
            now = tick * TICK_S
            allowed = self.limit(now)
            self._room = min(max(1.0, allowed * 0.1), self._room + allowed * TICK_S)
            self._receive(now, chance)
            self._send(now, chance)
            self.sizes[int(now)] = self.pace.window.size

    def _receive(self, now: float, chance: random.Random) -> None:
        while self._answers and self._answers[0][0] <= now:
            _, number, is_served, attempt = heapq.heappop(self._answers)
            if is_served:
                self.served[int(now)] += 1
                self.pace.on_success(now)
            else:
                self.refused[int(now)] += 1
                self.pace.on_throttle(now)
                heapq.heappush(self._waiting, (now + backoff_s(attempt, chance.random), number, attempt + 1))

    def _send(self, now: float, chance: random.Random) -> None:
        while self._waiting and self._waiting[0][0] <= now and self.pace.allows(len(self._answers), now):
            self._start(now, heapq.heappop(self._waiting)[2], chance)
        most = self.pace.window.most
        while len(self._answers) + len(self._waiting) < most and self.pace.allows(len(self._answers), now):
            self._start(now, 1, chance)

    def _start(self, now: float, attempt: int, chance: random.Random) -> None:
        self.pace.on_sent()
        self._number += 1
        is_served = self._room >= 1.0
        self._room -= is_served
        delay_s = (self.latency_s if is_served else 0.005) * chance.uniform(0.9, 1.1)
        heapq.heappush(self._answers, (now + delay_s, self._number, is_served, attempt))
