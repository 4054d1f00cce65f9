"""One line every few seconds about how far a shard is, and what holds it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


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
    """

    requests: int
    in_flight: int
    slow_downs: int
    window: float
    most: int
    allowed_per_s: float | None = None
    job_per_s: float = 0.0
    sharers: int = 1


class Progress:
    """
    Writes progress lines; the first after *every_s* seconds.

    Args:
        done: objects that have their outcome from earlier attempts.
        total: objects of the shard.
        load: asked once for each line.
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
        load: Callable[[], Load],
        write: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._name = name
        self._before = done
        self._total = total
        self._every_s = every_s
        self._load = load
        self._write = write
        self._clock = clock
        self._last = clock()
        self._last_done = 0
        self._last_requests = 0

    def tick(self, done: int, failed: int) -> None:
        """Write a line if it is time; *done* and *failed* count this attempt's outcomes."""
        now = self._clock()
        elapsed_s = now - self._last
        if elapsed_s < self._every_s:
            return
        load = self._load()
        rate, requests_per_s = (done - self._last_done) / elapsed_s, (load.requests - self._last_requests) / elapsed_s
        self._last, self._last_done, self._last_requests = now, done, load.requests
        self._write(self.line(done, failed, load, rate, requests_per_s))

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
            whole = f" ({_rate(load.job_per_s)} over {load.sharers:,} shards)" if load.sharers > 1 else ""
            parts.append(f"{_rate(requests_per_s)} of {_rate(load.allowed_per_s)} requests/s{whole}")
        parts += [f"{load.in_flight:,} in flight", f"{failed:,} failed"]
        if load.slow_downs:
            window = f" (window {load.window:,.0f} of {load.most:,})" if load.window < load.most else ""
            parts.append(f"{load.slow_downs:,} slowdowns{window}")
        return ", ".join(parts)


def _rate(per_s: float) -> str:
    return f"{per_s:,.0f}" if per_s >= 10 else f"{per_s:.3g}"
