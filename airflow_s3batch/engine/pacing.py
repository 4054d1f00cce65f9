"""When to send: back-off for one request, slow-down and recovery for the whole run."""

from __future__ import annotations

import random
from collections.abc import Callable

BASE_S = 0.2
LONGEST_S = 20.0


def backoff_s(attempt: int, chance: Callable[[], float] = random.random) -> float:
    """
    Return how long to wait before the next try after *attempt* failed ones (from 1): full jitter.

    Source:
        https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
    """
    return float(min(LONGEST_S, BASE_S * 2 ** (attempt - 1)) * chance())


class Window:
    """
    How many requests may be in flight: shrinks when the store asks to slow down, and recovers.

    A slow-down takes three tenths of the window (down to 1) and holds new requests back for a moment, at most once per
    `CALM_S` since the requests of one window fail together. Each answered window of successes gives one back.
    """

    CALM_S = 1.0
    SHRINK = 0.7

    def __init__(self, most: int) -> None:
        """*most* is the size to start from and to return to."""
        self.most = most
        self.size = float(most)
        self.slow_downs = 0
        self._quiet_until = 0.0
        self._held_until = 0.0

    def allows(self, in_flight: int, now: float) -> bool:
        """Return whether one more request may start."""
        return in_flight < self.size and now >= self._held_until

    def on_success(self) -> None:
        """Recover a little."""
        if self.size < self.most:
            self.size = min(self.most, self.size + 1 / self.size)

    def on_throttle(self, now: float) -> None:
        """Shrink, unless that was just done."""
        self.slow_downs += 1
        if now >= self._quiet_until:
            self.size = max(1.0, self.size * self.SHRINK)
            self._quiet_until = now + self.CALM_S
            self._held_until = now + 0.25
