"""Rate over time of a whole job, from what each shard has told of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from airflow_s3batch.core.news import ProgressNews
from airflow_s3batch.ui.work import parsed

MOST_POINTS = 90
LONGEST_S = 90 * 86_400.0


class Stretch(NamedTuple):
    """What a shard did from one time to another, both in seconds since 1970."""

    start: float
    end: float
    done: int
    failed: int
    slow_downs: int


def stretches(news: ProgressNews) -> list[Stretch]:
    """Return the stretches of time that the history of *news* tells of; none without the time at which it began."""
    began = parsed(news.started)
    if began is None:
        return []
    zero = began.timestamp()
    return [
        Stretch(zero + a[0], zero + b[0], b[1] - a[1], max(0, b[2] - a[2]), max(0, b[3] - a[3]))
        for a, b in zip(news.history, news.history[1:], strict=False)
    ]


def summed(told: Iterable[Stretch]) -> list[list[float]]:
    """
    Return ``[seconds since 1970, done a second, failed a second, slow-downs]`` at even steps, each about the step
    before it; at most `MOST_POINTS`, none if nothing took time. Times that no job can last for are left out.
    """
    known = list(told)
    if not known:
        return []
    end = max(stretch.end for stretch in known)
    known = [stretch for stretch in known if stretch.start >= end - LONGEST_S]
    start = min(stretch.start for stretch in known)
    step = max((end - start) / MOST_POINTS, 1.0)
    number = max(1, min(MOST_POINTS, int((end - start) / step) + 1))
    done, failed, slow_downs = ([0.0] * number for _ in range(3))
    for stretch in known:
        for index, share in _shares(stretch, start, step, number):
            done[index] += share * stretch.done
            failed[index] += share * stretch.failed
            slow_downs[index] += share * stretch.slow_downs
    return [
        [
            round(min(end, start + (index + 1) * step), 1),
            round(done[index] / step, 3),
            round(failed[index] / step, 3),
            round(slow_downs[index], 4),
        ]
        for index in range(number)
    ]


def _shares(stretch: Stretch, start: float, step: float, number: int) -> Iterable[tuple[int, float]]:
    """Yield which steps the stretch is in, and with which share of its time."""
    first = min(number - 1, int((stretch.start - start) / step))
    last = min(number - 1, int((stretch.end - start) / step))
    length = stretch.end - stretch.start
    if first == last or length <= 0:
        yield last, 1.0
        return
    for index in range(first, last + 1):
        begins = max(stretch.start, start + index * step)
        ends = stretch.end if index == last else min(stretch.end, start + (index + 1) * step)
        yield index, max(0.0, ends - begins) / length
