"""Plots of bars: what became of the objects, how large they are, and how the runs compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from airflow_s3batch.reports.page.svg import picture, round_steps, tag
from airflow_s3batch.reports.page.words import short_number

WIDTH = 760
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 22, 40
_LEAST = 2.0
_MOST_WIDTH = 72.0


class Part(NamedTuple):
    """A part of a bar: its CSS class, what it stands for, and how many."""

    kind: str
    label: str
    number: int


class Column(NamedTuple):
    """A column of a plot, made of *parts* from the bottom up; *label* may have two lines."""

    label: str
    parts: tuple[Part, ...]

    @property
    def number(self) -> int:
        """The sum of its parts."""
        return sum(part.number for part in self.parts)


def share_bar(parts: Sequence[Part], *, name: str, title: str, description: str) -> Markup:
    """Return one bar, the parts side by side; a part that is there can be seen, however small."""
    there = [part for part in parts if part.number]
    widths = _widths([part.number for part in there])
    drawn, left = [], 0.0
    for part, width in zip(there, widths, strict=True):
        what = tag("title", f"{part.label}: {part.number:,}")
        drawn.append(tag("rect", what, x=left, y=0, width=width, height=28, class_=part.kind))
        left += width
    return picture(drawn, width=WIDTH, height=28, name=name, title=title, description=description)


def _widths(numbers: Sequence[int]) -> list[float]:
    total = sum(numbers)
    raw = [max(number / total * WIDTH, 3 * _LEAST) for number in numbers] if total else []
    return [width * WIDTH / sum(raw) for width in raw]


def column_plot(
    columns: Sequence[Column], *, name: str, title: str, description: str, unit: str, height: int = 210
) -> Markup:
    """Return a plot of stacked columns with an axis of numbers."""
    steps = round_steps(max((column.number for column in columns), default=0))
    steps = [step for step in steps if step == int(step)] or [0.0, 1.0]
    depth = height - _TOP - _BOTTOM
    scale = depth / steps[-1]
    drawn = [*axis(steps, scale, height - _BOTTOM, WIDTH), tag("text", unit, x=0, y=10)]
    room = (WIDTH - _LEFT - _RIGHT) / max(len(columns), 1)
    every = max(1, -(-len(columns) // 12))
    for place, column in enumerate(columns):
        left = _LEFT + place * room
        width = min(room * 0.72, _MOST_WIDTH)
        drawn += _column(column, left + (room - width) / 2, width, height - _BOTTOM, scale)
        if place % every == 0:
            drawn += _label(column.label, left + room / 2, height - _BOTTOM + 14)
    return picture(drawn, width=WIDTH, height=height, name=name, title=title, description=description)


def axis(steps: Sequence[float], scale: float, floor: float, width: int) -> list[Markup]:
    """Return the lines and numbers of a vertical axis whose 0 is at *floor*."""
    drawn = []
    for step in steps:
        at = floor - step * scale
        drawn.append(tag("line", x1=_LEFT, x2=width - _RIGHT, y1=at, y2=at, class_="zero" if not step else "grid"))
        drawn.append(tag("text", short_number(step), x=_LEFT - 6, y=at + 3.5, class_="tick end"))
    return drawn


def _column(column: Column, left: float, width: float, floor: float, scale: float) -> list[Markup]:
    drawn, top = [], float(floor)
    for part in column.parts:
        if part.number:
            height = max(part.number * scale, _LEAST)
            top -= height
            what = tag("title", f"{column.label.replace(chr(10), ' ')}: {part.number:,} {part.label}")
            drawn.append(tag("rect", what, x=left, y=top, width=width, height=height, class_=part.kind))
    return drawn


def _label(text: str, middle: float, top: float) -> list[Markup]:
    return [
        tag("text", line, x=middle, y=top + 12 * number, class_="tick middle")
        for number, line in enumerate(text.split("\n")[:2])
    ]


def legend(parts: Sequence[Part], total: int) -> list[Mapping[str, Any]]:
    """Return what a legend says of *parts*: kind, label, number and share of *total*."""
    return [{**part._asdict(), "share": part.number / total if total else 0.0} for part in parts]
