"""How many objects had an outcome when: gathered from the commits' times, in memory that no job makes grow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

WIDTHS_S = (1, 2, 10, 30, 60, 300, 600, 1_800, 3_600, 14_400, 86_400, 604_800, 2_419_200, 29_030_400)
"""Each is a multiple of the one before, so that bins can be put together."""

MOST_BINS = 2_048
MOST_POINTS = 240

SUDDEN_S = 0.1
"""What took less counts as done at once: its rate would be so large that others are lost beside it in a sum."""


class RangeWork(NamedTuple):
    """What one attempt did in one range: ISO times of first request and last outcome, with a zone, and the counts."""

    started: str
    ended: str
    succeeded: int = 0
    failed: int = 0


class Point(NamedTuple):
    """Outcomes in the bin that begins at *at*, in seconds since 1970."""

    at: int
    succeeded: int
    failed: int


class _Turns:
    """
    What changes within a bin: a range that begins adds its rate, one that ends takes it away.

    Attributes:
        rate: sum of the changes, in outcomes per second: succeeded, failed.
        moment: sum of each change times when it happens, in seconds since the origin.
        sudden: outcomes of ranges that took less than `SUDDEN_S`.
        begun: ranges that began, less those that ended.
    """

    __slots__ = ("begun", "moment", "rate", "sudden")

    def __init__(self) -> None:
        self.rate = [0.0, 0.0]
        self.moment = [0.0, 0.0]
        self.sudden = [0, 0]
        self.begun = 0

    def add(self, other: _Turns) -> None:
        for n in (0, 1):
            self.rate[n] += other.rate[n]
            self.moment[n] += other.moment[n]
            self.sudden[n] += other.sudden[n]
        self.begun += other.begun


class Timeline:
    """
    Outcomes over time.

    Those of a range count as evenly spread between its first request and its last outcome: nobody notes the time of
    each. Attempts count one by one, so an object that was done twice is there twice.
    """

    def __init__(self) -> None:
        self._bins: dict[int, _Turns] = {}
        self._level = 0
        self._origin = 0.0
        self._totals = [0, 0]

    def add(self, work: RangeWork) -> None:
        """Count the outcomes of one range."""
        started, ended = (_second(text) for text in (work.started, work.ended))
        if not self._bins:
            self._origin = started
        counts = (work.succeeded, work.failed)
        for n in (0, 1):
            self._totals[n] += counts[n]
        if ended - started < SUDDEN_S:
            turns = self._turns(started)
            turns.sudden = [before + more for before, more in zip(turns.sudden, counts, strict=True)]
        else:
            rates = [count / (ended - started) for count in counts]
            self._turn(started, rates, 1)
            self._turn(ended, rates, -1)
        while len(self._bins) > MOST_BINS and self._widen():
            pass

    def to_json(self) -> dict[str, Any]:
        """Return ``bin_s`` and ``points``; bins in which nothing was done are left out. Empty if nothing ever was."""
        if not self._bins:
            return {}
        while self._active() > MOST_POINTS and self._widen():
            pass
        return {"bin_s": self._width, "points": [list(point) for point in self._points()]}

    @property
    def _width(self) -> int:
        return WIDTHS_S[self._level]

    def _turns(self, moment: float) -> _Turns:
        return self._bins.setdefault(int(moment // self._width), _Turns())

    def _turn(self, moment: float, rates: list[float], sign: int) -> None:
        turns = self._turns(moment)
        turns.begun += sign
        for n in (0, 1):
            turns.rate[n] += sign * rates[n]
            turns.moment[n] += sign * rates[n] * (moment - self._origin)

    def _widen(self) -> bool:
        """Put bins together; return whether there is a next width."""
        if self._level + 1 == len(WIDTHS_S):
            return False
        times = WIDTHS_S[self._level + 1] // self._width
        self._level += 1
        bins: dict[int, _Turns] = {}
        for index, turns in self._bins.items():
            bins.setdefault(index // times, _Turns()).add(turns)
        self._bins = bins
        return True

    def _stretches(self) -> Iterator[tuple[int, int, _Turns]]:
        """Yield the bins in which ranges begin or end, each with the first bin behind it in which nothing is done."""
        indexes, begun = sorted(self._bins), 0
        for index, after in zip(indexes, [*indexes[1:], indexes[-1] + 1], strict=True):
            begun += self._bins[index].begun
            yield index, after if begun else index + 1, self._bins[index]

    def _active(self) -> int:
        return sum(end - index for index, end, _ in self._stretches())

    def _points(self) -> Iterator[Point]:
        known, told = _Turns(), [0, 0]
        for index, end, turns in self._stretches():
            known.add(turns)
            for number in range(index, end):
                until = (number + 1) * self._width - self._origin
                new = [self._until(known, n, until) - told[n] for n in (0, 1)]
                new = [max(count, 0) for count in new]
                told = [before + more for before, more in zip(told, new, strict=True)]
                yield Point(number * self._width, *new)

    def _until(self, known: _Turns, n: int, until: float) -> int:
        """Return how many outcomes there are up to *until*, if *known* are all turns up to then."""
        going_on = known.rate[n] * until if known.begun else 0.0  # else the rates' sum is 0, but for rounding
        found = round(going_on - known.moment[n] + known.sudden[n])
        return min(max(found, 0), self._totals[n])


def _second(text: str) -> float:
    """Return the second since 1970 of an ISO time; one before that is no time of a store."""
    return max(datetime.fromisoformat(text).timestamp(), 0.0)
