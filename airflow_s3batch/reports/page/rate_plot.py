"""The plot of the rate over time: what was done in each stretch of time, pauses left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from markupsafe import Markup

from airflow_s3batch.core.amounts import duration
from airflow_s3batch.reports.page.bars import WIDTH, axis
from airflow_s3batch.reports.page.svg import picture, round_steps, tag

HEIGHT = 230
MOST_ROWS = 24
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 22, 40
_MOST_PAUSE = 34.0
_LEAST_PAUSE = 4
_PAUSES_SHARE = 0.25
_LABEL_ROOM = 62.0
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)

Points = Sequence[Sequence[int]]


class Stretch(NamedTuple):
    """Points without a pause between them, drawn from *left* on; *pause_s* lies before them, drawn *gap* wide."""

    points: Points
    left: float
    pause_s: int
    gap: float


class RatePlot:
    """
    The plot of a summary's ``timeline``, and its figures as a table.

    Attributes:
        points: second since 1970, succeeded, failed, of each bin in which something was done.
    """

    def __init__(self, timeline: Mapping[str, Any], kind: str = "done") -> None:
        """*kind* is the CSS class of what did not fail."""
        self._kind = kind
        self.bin_s = int(timeline.get("bin_s", 1))
        self.points: Points = timeline.get("points", ())
        self._most = max((sum(point[1:]) for point in self.points), default=0) / self.bin_s
        self._steps = round_steps(self._most)
        self._floor = HEIGHT - _BOTTOM
        self._scale = (self._floor - _TOP) / self._steps[-1]

    @property
    def most(self) -> float:
        """The highest rate, in objects per second."""
        return self._most

    def drawn(self) -> Markup:
        """Return the picture."""
        drawn = [
            *axis(self._steps, self._scale, self._floor, WIDTH),
            tag("text", "objects per second", x=0, y=10),
        ]
        stretches = list(self._stretches())
        room = self._room(len(stretches) - 1)
        for stretch in stretches:
            drawn += self._area(stretch, room)
            if stretch.pause_s:
                drawn.append(self._pause(stretch))
        drawn += self._times(stretches, room)
        first, last = (_clock(self.points[n][0]) for n in (0, -1))
        return picture(
            drawn,
            width=WIDTH,
            height=HEIGHT,
            name="rate",
            title="Objects per second over time",
            description=f"From {first} to {last} UTC, up to {self._most:,.0f} objects per second; "
            f"{len(stretches) - 1} pauses are left out. The table below has the figures.",
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return the figures of the plot, in at most 24 rows of equally many bins."""
        times = -(-len(self.points) // MOST_ROWS)
        groups = [self.points[first : first + times] for first in range(0, len(self.points), times or 1)]
        return [
            {
                "at": _clock(group[0][0]),
                "span": duration(len(group) * self.bin_s),
                "succeeded": sum(point[1] for point in group),
                "failed": sum(point[2] for point in group),
                "rate": sum(point[1] + point[2] for point in group) / (len(group) * self.bin_s),
            }
            for group in groups
        ]

    def _stretches(self) -> Iterator[Stretch]:
        groups = list(_without_pauses(self.points, self.bin_s))
        pauses = len(groups) - 1
        room, pause, left, until = self._room(pauses), self._pause_room(pauses), float(_LEFT), 0
        for number, group in enumerate(groups):
            left += pause if number else 0.0
            yield Stretch(group, left, group[0][0] - until if number else 0, pause)
            left, until = left + len(group) * room, group[-1][0] + self.bin_s

    def _pause_room(self, pauses: int) -> float:
        return min(_MOST_PAUSE, _PAUSES_SHARE * (WIDTH - _LEFT - _RIGHT) / pauses) if pauses else 0.0

    def _room(self, pauses: int) -> float:
        """Return the width of a bin."""
        bins = sum(map(len, _without_pauses(self.points, self.bin_s)))
        return (WIDTH - _LEFT - _RIGHT - pauses * self._pause_room(pauses)) / max(bins, 1)

    def _area(self, stretch: Stretch, room: float) -> Iterator[Markup]:
        """Yield the areas of what succeeded and, on top of it, of what failed."""
        lower = [0.0] * len(stretch.points)
        for kind, place in ((self._kind, 1), ("failed", 2)):
            upper = [below + point[place] / self.bin_s for below, point in zip(lower, stretch.points, strict=True)]
            if upper != lower:
                yield tag("path", d=self._outline(lower, upper, stretch.left, room), class_=kind)
            lower = upper

    def _outline(self, lower: Sequence[float], upper: Sequence[float], left: float, room: float) -> str:
        def line(levels: Sequence[float]) -> Iterator[str]:
            for place, level in enumerate(levels):
                height = self._floor - level * self._scale
                yield f"{left + place * room:.1f} {height:.1f}"
                yield f"{left + (place + 1) * room:.1f} {height:.1f}"

        return f"M{' L'.join([*line(upper), *reversed([*line(lower)])])} Z"

    def _pause(self, stretch: Stretch) -> Markup:
        middle = stretch.left - stretch.gap / 2
        what = tag("title", f"Nothing was done for {duration(stretch.pause_s)}")
        return tag("line", what, x1=middle, x2=middle, y1=_TOP, y2=self._floor, class_="pause")

    def _times(self, stretches: Sequence[Stretch], room: float) -> Iterator[Markup]:
        """Yield times below the axis: where a stretch begins, and round ones in it; a date wherever it changes."""
        free, day, step = 0.0, "", self._round_step(room)
        for stretch in stretches:
            for place, point in enumerate(stretch.points):
                at = stretch.left + place * room
                if (place and point[0] % step) or at < free or at > WIDTH - 0.6 * _LABEL_ROOM:
                    continue
                date, clock = _clock(point[0]).split(" ")
                yield tag("line", x1=at, x2=at, y1=self._floor, y2=self._floor + 4, class_="zero")
                yield tag("text", clock if self.bin_s < 60 else clock[:5], x=at, y=self._floor + 16)
                if date != day:
                    yield tag("text", date, x=at, y=self._floor + 29)
                free, day = at + _LABEL_ROOM + (10 if date != day else 0), date

    def _round_step(self, room: float) -> int:
        """Return the seconds between two times below the axis."""
        steps = [step for step in _TIME_STEPS if step >= self.bin_s and step / self.bin_s * room >= _LABEL_ROOM]
        return steps[0] if steps else self.bin_s


def _without_pauses(points: Points, bin_s: int) -> Iterator[list[Sequence[int]]]:
    """Yield the points between pauses; where nothing was done for a few bins only, points of 0 are put in."""
    group: list[Sequence[int]] = []
    for point in points:
        missing = (point[0] - group[-1][0]) // bin_s - 1 if group else 0
        if missing > _LEAST_PAUSE:
            yield group
            group = []
        else:
            group += [(point[0] - n * bin_s, 0, 0) for n in range(missing, 0, -1)]
        group.append(point)
    yield group


def _clock(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"
