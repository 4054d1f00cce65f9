"""One line every few seconds about how far a shard is."""

from __future__ import annotations

from collections.abc import Callable


class Progress:
    """
    Writes progress lines; the first after *every_s* seconds.

    Args:
        done: objects that have their outcome from earlier attempts.
        total: objects of the shard.
        write: takes the finished line.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        name: str,
        done: int,
        total: int,
        *,
        every_s: float,
        write: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._name = name
        self._before = done
        self._total = total
        self._every_s = every_s
        self._write = write
        self._clock = clock
        self._last = clock()
        self._last_done = 0

    def tick(self, done: int, failed: int, slow_downs: int) -> None:
        """Write a line if it is time; *done* and *failed* count this attempt's outcomes."""
        now = self._clock()
        if now - self._last < self._every_s:
            return
        rate = (done - self._last_done) / (now - self._last)
        self._last, self._last_done = now, done
        self._write(self.line(done, failed, slow_downs, rate))

    def line(self, done: int, failed: int, slow_downs: int, rate: float) -> str:
        """Return ``put_object_tagging 410,000/1,204,511 (34 %) 3,120/s, 37 failed, 2 slowdowns``."""
        so_far = self._before + done
        share = 100 * so_far // self._total if self._total else 100
        slow = f", {slow_downs:,} slowdowns" if slow_downs else ""
        return f"{self._name} {so_far:,}/{self._total:,} ({share} %) {rate:,.0f}/s, {failed:,} failed{slow}"
