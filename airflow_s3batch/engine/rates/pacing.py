"""When to send: back-off for one request, slow-down and recovery for the whole run."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from airflow_s3batch.engine.rates.rate import TokenBucket

BASE_S = 0.2
LONGEST_S = 20.0


def backoff_s(attempt: int, chance: Callable[[], float] = random.random) -> float:
    """
    Return how long to wait before the next try after *attempt* failed ones (from 1): full jitter.

    Source:
        https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
    """
    return float(min(LONGEST_S, BASE_S * 2 ** (attempt - 1)) * chance())


class Pace:
    """
    Says when the next request may start, and how long the loop may sleep at most until then.

    Attributes:
        most: how many requests may be in flight at most.
        window: how many may be at the moment.
        limiter: how many may be sent a second; ``None`` without a limit.
    """

    def __init__(self, most: int, max_requests_per_s: float | None = None, *, now: float = 0.0) -> None:
        """Begin at the time *now* with *most* requests in flight, *max_requests_per_s* of them a second."""
        self.most = most
        self.window = Window(most)
        self.limiter = TokenBucket(max_requests_per_s, now) if max_requests_per_s is not None else None
        self._due = 0.0

    def narrow(self, most: int | None) -> None:
        """Let no more than *most* requests be in flight; ``None`` is as many as at first, and there are never more."""
        window = self.window
        window.most = self.most if most is None else min(most, self.most)
        window.size = min(window.size, float(window.most))

    def allows(self, in_flight: int, now: float) -> bool:
        """Return whether one more request may start beside *in_flight* others."""
        window = self.window
        if in_flight >= window.size and in_flight:
            if not window.is_starting:
                return False
            window.open(now)
            if in_flight >= window.size:
                self._due = now + window.OPENING_S / 4
                return False
        if now < window.held_until:
            self._due = window.held_until
            return False
        if self.limiter is not None and (wait_s := self.limiter.wait_s(now)):
            self._due = now + wait_s
            return False
        if window.size < 1.0:
            window.pause(now)
        return True

    def room(self, in_flight: int, now: float) -> int:
        """Return how many requests may start beside *in_flight* others, before it is asked again."""
        if not self.allows(in_flight, now):
            return 0
        if self.limiter is not None or self.window.size < 1.0:
            return 1
        return math.ceil(self.window.size - in_flight)

    def on_sent(self) -> None:
        """Count a request: a new one, a repeat, one for many objects."""
        if self.limiter is not None:
            self.limiter.take()

    def on_success(self, now: float) -> None:
        """Recover a little."""
        if self.window.size < self.window.most:
            self.window.on_success(now)

    def on_throttle(self, now: float) -> None:
        """Slow down."""
        self.window.on_throttle(now)

    def wait_s(self, now: float) -> float:
        """
        Return how long the loop may sleep before it asks `allows` again; infinity where only an answer can help.

        Holds for the refusals since the last call: a loop that asks and sleeps in turn neither spins nor oversleeps.
        """
        due, self._due = self._due, 0.0
        return max(0.0, due - now) if due else math.inf


class Window:
    """
    How many requests may be in flight: opens, shrinks when the store asks to slow down, and recovers.

    It opens from `START`, doubling every `OPENING_S`, so that a run that joins others at a store that is at its limit
    does not push them aside. It is wide open within half a second if the store does not complain.

    At most once per `CALM_S`, for the requests of one window fail together, a slow-down takes three tenths of the
    window (two thirds of one that was just opening), or more where less was answered well since the last one, and holds
    new requests back for a moment. Then the window grows as TCP's CUBIC does, over time and not per answer, so that
    latency does not matter: fast at first, hardly at all near the size at which the store complained, then faster and
    faster, to see whether the store has room again. A small window is back there sooner than a large one (after
    `SOONEST_S` to `LATEST_S` seconds), so that runs which know nothing of one another end up with even shares. From 1
    to 500 takes less than a minute.

    A store that complains about one request at a time gets pauses between them: `size` is below 1 then.

    Attributes:
        most: the size to open to, and to return to.
        least: the smallest that a slow-down has left; *most* if there was none.
        slow_downs: how often the store asked.
        held_until: no request starts before this time.
        is_starting: it is opening, and the store has not complained yet.

    Source:
        https://www.rfc-editor.org/rfc/rfc9438#section-4.2
    """

    START = 16.0
    OPENING_S = 0.1
    REOPENING_S = 0.4
    CALM_S = 1.0
    HOLD_S = 0.25
    LEAST = 0.1
    PAUSE_S = 0.1
    SHRINK = 0.7
    OPENING_SHRINK = 0.35
    STRONGEST_SHRINK = 0.2
    PLATEAU_S = 4.0
    PLATEAU_SIZE = 20.0
    SOONEST_S = 2.0
    LATEST_S = 5.0

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = min(self.START, float(most))
        self.least = float(most)
        self.slow_downs = 0
        self.held_until = 0.0
        self.is_starting = self.size < most
        self._opening_s = self.OPENING_S
        self._doubled = math.inf
        self._shrunk = -math.inf
        self._plateau = float(most)
        self._plateau_s = self.PLATEAU_S
        self._good = self._bad = 0

    def open(self, now: float) -> None:
        """Grow with time; needs to be called only while `is_starting`, when the window is full."""
        if self._doubled == math.inf:
            self._doubled = now
        while now - self._doubled >= self._opening_s and self.is_starting:
            self._doubled += self._opening_s
            self.size = min(2 * self.size, float(self.most))
            self.is_starting = self.size < self.most

    def on_success(self, now: float) -> None:
        """Recover a little; needs to be called only while `size` is below `most`."""
        self._good += 1
        if self.is_starting:
            return
        steps = (now - self._shrunk) / self._plateau_s - 1.0
        size = self._plateau * (1.0 + (1.0 - self.SHRINK) * steps**3)
        self.size = min(float(self.most), max(self.size, size))

    def pause(self, now: float) -> None:
        """Hold the next request back, after one that starts now in a window smaller than one request."""
        self.held_until = now + self.PAUSE_S * (1.0 / self.size - 1.0)

    def on_throttle(self, now: float) -> None:
        """Shrink, unless that was just done."""
        self.slow_downs += 1
        self._bad += 1
        if now - self._shrunk < self.CALM_S:
            return
        shrink = self.OPENING_SHRINK if self.is_starting else self.SHRINK
        well = self._good / (self._good + self._bad) if now - self._shrunk < 2 * self.CALM_S else 1.0
        self.size = max(self.LEAST, self.size * max(self.STRONGEST_SHRINK, min(shrink, well)))
        self.least = min(self.least, self.size)
        self.is_starting = self.is_starting and self._opening_s == self.OPENING_S
        self._opening_s = self.REOPENING_S
        self._doubled = now + self.HOLD_S
        self._plateau = self.size / self.SHRINK
        self._plateau_s = self._recovery_s(self._plateau)
        self._good = self._bad = 0
        self._shrunk = now
        self.held_until = now + self.HOLD_S

    def _recovery_s(self, plateau: float) -> float:
        """Return in how many seconds the size *plateau* is reached again; a store that needs pauses is given time."""
        if plateau < 1.0:
            return self.PLATEAU_S
        return min(self.LATEST_S, max(self.SOONEST_S, self.PLATEAU_S * math.cbrt(plateau / self.PLATEAU_SIZE)))
