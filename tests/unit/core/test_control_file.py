"""``control.json``: what is taken for one, and what is told of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.core.control import FORMAT, MOST_BYTES, PAUSE, RUN, Control, read_control
from airflow_s3batch.core.errors import ArgumentError, JobDamagedError

PLACE = "s3://ops/job/control.json"
CONTROLS = st.builds(
    Control,
    st.sampled_from([RUN, PAUSE]),
    st.none() | st.floats(1e-6, 1e9),
    st.none() | st.integers(1, 10**6),
    *[st.text(max_size=30)] * 3,
)


@given(CONTROLS)
def test_what_is_written_is_read_again(control: Control) -> None:
    assert read_control(control.to_bytes(), place=PLACE) == control


def test_no_file_asks_for_nothing() -> None:
    assert read_control(None, place=PLACE) == Control()
    assert Control().is_default
    assert not Control().note


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\xff{",
        b"[1]",
        b'"pause"',
        b"[" * 10_000,
        b" " * MOST_BYTES + b"{}",
        {"format": "other/1", "state": "pause"},
        {"state": "pause"},
        {"format": FORMAT, "state": "stop"},
        {"format": FORMAT, "state": ["pause"]},
        {"format": FORMAT, "max_requests_per_s": 0},
        {"format": FORMAT, "max_requests_per_s": -1},
        {"format": FORMAT, "max_requests_per_s": True},
        {"format": FORMAT, "max_requests_per_s": "50"},
        {"format": FORMAT, "max_requests_per_s": float("nan")},
        {"format": FORMAT, "max_requests_per_s": float("inf")},
        {"format": FORMAT, "max_requests_per_s": 10**300},
        {"format": FORMAT, "max_concurrency": 0},
        {"format": FORMAT, "max_concurrency": 2.5},
        {"format": FORMAT, "max_concurrency": float("inf")},
        {"format": FORMAT, "max_concurrency": {}},
        {"format": FORMAT, "by": 7},
        {"format": FORMAT, "reason": None},
        {"format": FORMAT, "max_request_per_s": 5},
    ],
    ids=lambda document: str(document)[:60],
)
def test_what_is_not_a_control_file_is_refused_with_the_way_out(document: Any) -> None:
    """A name that is misspelt, too: what somebody asked for must not be passed over in silence."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(
        JobDamagedError, match=r"s3://ops/job/control.json: not a control file .* or delete it"
    ) as caught:
        read_control(body, place=PLACE)
    assert len(str(caught.value)) < 700


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ArgumentError, match=r"state='on'.*max_requests_per_s=-1.*max_concurrency=0"):
        Control("on", -1, 0)


def test_a_whole_number_may_be_spelt_with_a_point() -> None:
    """As jq and spreadsheets do."""
    body = json.dumps({"format": FORMAT, "max_concurrency": 8.0}).encode()
    most = read_control(body, place=PLACE).max_concurrency
    assert (most, type(most)) == (8, int)


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\nb", "a\u202eb", "a\ud800b", "a\u2028b"])
def test_texts_of_strangers_can_not_act_on_a_terminal(text: str) -> None:
    """Whoever may write to the folder chooses them."""
    body = json.dumps({"format": FORMAT, "state": PAUSE, "by": text, "at": text, "reason": text * 500}).encode()
    control = read_control(body, place=PLACE)
    told = control.sentence()
    assert not set(text) - set("[31mredab") & set(told)
    assert told.isprintable()
    assert len(told) < 10_000


def test_the_sentence_says_who_when_and_why() -> None:
    asked = Control(PAUSE, 50, 8, "ann@laptop", "2026-11-22T12:00:00Z", "the store is slow")
    assert asked.sentence() == (
        "paused, at most 50 requests/s, at most 8 in flight in each task by ann@laptop at 2026-11-22T12:00:00Z: "
        "the store is slow"
    )
    assert Control().sentence() == "runs as its Dag says"
    assert Control(max_requests_per_s=0.5, by="ann").note == "asked: at most 0.5 requests/s by ann"
