"""Plots: what is there can be seen, everything lies inside the picture, and axes have round numbers."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_s3batch.reports.page import words
from airflow_s3batch.reports.page.advice import advice
from airflow_s3batch.reports.page.bars import Column, Part, column_plot, share_bar
from airflow_s3batch.reports.page.rate_plot import RatePlot
from airflow_s3batch.reports.page.svg import round_steps, tag

NAMES = {"name": "p", "title": "t", "description": "d"}
NUMBERS = st.integers(0, 10**12)
POINTS = st.lists(
    st.tuples(st.integers(0, 50_000), NUMBERS, NUMBERS), min_size=1, max_size=60, unique_by=lambda p: p[0]
)


def drawn(svg: str) -> list[ET.Element]:
    """Return the elements of *svg*, of which none lies outside of it."""
    root = ET.fromstring(svg)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for element in root.iter():
        across = [float(element.attrib[name]) for name in ("x", "x1", "x2") if name in element.attrib]
        down = [float(element.attrib[name]) for name in ("y", "y1", "y2") if name in element.attrib]
        if "d" in element.attrib:
            numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", element.attrib["d"])]
            across, down = numbers[::2], numbers[1::2]
        if element.tag == "rect":
            across.append(across[0] + float(element.attrib["width"]))
            down.append(down[0] + float(element.attrib["height"]))
        assert all(-0.1 <= value <= width + 0.1 for value in across)
        assert all(-0.1 <= value <= height + 0.1 for value in down)
    return list(root.iter())


@settings(max_examples=60, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_every_part_of_a_bar_that_is_there_can_be_seen(numbers: list[int]) -> None:
    parts = [Part(f"kind{n}", "label", number) for n, number in enumerate(numbers)]
    rects = [element for element in drawn(share_bar(parts, **NAMES)) if element.tag == "rect"]
    assert [rect.attrib["class"] for rect in rects] == [part.kind for part in parts if part.number]
    assert all(float(rect.attrib["width"]) >= 2 for rect in rects)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(NUMBERS, min_size=1, max_size=4), max_size=60))
def test_columns_stay_inside_and_show_what_is_there(columns: list[list[int]]) -> None:
    made = [Column("12 May\n2026", tuple(Part("done", "objects", number) for number in column)) for column in columns]
    rects = [element for element in drawn(column_plot(made, unit="objects", **NAMES)) if element.tag == "rect"]
    assert len(rects) == sum(bool(number) for column in columns for number in column)


@settings(max_examples=60, deadline=None)
@given(POINTS, st.sampled_from([1, 2, 10, 60]))
def test_rate_stays_inside_and_its_table_has_all_of_it(points: list[tuple[int, int, int]], bin_s: int) -> None:
    told = [[1_790_000_000 // bin_s * bin_s + at * bin_s, *counts] for at, *counts in sorted(points)]
    plot = RatePlot({"bin_s": bin_s, "points": told})
    elements = drawn(plot.drawn())
    rows = plot.rows()
    assert len(rows) <= 24
    assert sum(row["succeeded"] for row in rows) == sum(point[1] for point in points)
    assert sum(row["failed"] for row in rows) == sum(point[2] for point in points)
    pauses = [element for element in elements if element.attrib.get("class") == "pause"]
    gaps = [after[0] - before[0] for before, after in zip(sorted(points), sorted(points)[1:], strict=False)]
    assert len(pauses) == sum(gap > 5 for gap in gaps)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 10**12))
@example(5e-324)
def test_steps_are_few_round_and_enough(most: float) -> None:
    steps = round_steps(most)
    assert steps[0] == 0
    assert steps[-1] >= most * 0.999
    assert 2 <= len(steps) <= 7


def test_texts_and_attributes_are_escaped() -> None:
    found = tag("text", "<b>\u202e", x='"><script>')
    assert found == r'<text x="&#34;&gt;&lt;script&gt;">&lt;b&gt;\u{202e}</text>'


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (words.rate(0.123), "0.12"),
        (words.cut("a" * 10, 4), "aaaa… (6 more characters)"),
        (words.value_text(["One.", "Two."]), "One. Two."),
        (words.value_text(["a", "b"]), "a, b"),
    ],
)
def test_numbers_and_texts_read_well(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("AccessDenied", "permission"),
        ("SlowDown", "max_requests_per_s"),
        ("InternalError", "outlasted"),
        ("CouldNotConnect", "reached"),
        ("KMS.DisabledException", "KMS key"),
        ("ExpiredToken", "expired"),
        ("Http599", "Trouble"),
        ("NotAttempted", "No attempt"),
        ("<nobody knows>", "message"),
    ],
)
def test_there_is_advice_for_every_code(code: str, word: str) -> None:
    assert word in advice(code)
