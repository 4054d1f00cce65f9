"""News: what is told is bounded, and what is read is believed in nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_s3batch.core.news import PlanNews, ProgressNews, ReportNews, clean
from airflow_s3batch.core.news.bounds import size, thinned

KINDS = (PlanNews, ProgressNews, ReportNews)
NAMES = sorted({name for kind in KINDS for name in kind.__dataclass_fields__})
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([1e999, -1, 10**400, "\ud800", "2026-11-22T12:00:00Z", "9999-12-31T23:59:59-23:59", "s3://a/b"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
    max_leaves=12,
)
documents = st.dictionaries(st.sampled_from(NAMES), values, max_size=20).map(lambda told: {**told, "v": 1})


@settings(max_examples=300, deadline=None)
@given(documents, st.sampled_from(KINDS), st.booleans())
def test_whatever_is_told_can_be_read_and_told_again(told: dict[str, Any], kind: Any, is_brief: bool) -> None:
    """Nothing raises; what comes out is JSON of bounded size that browsers read, and says the same when read again."""
    news = kind.from_json(told, is_brief=is_brief)
    if news is None:
        return
    document = news.to_json()
    text = json.dumps(document, allow_nan=False)
    text.encode()
    assert size(document) <= 16_000
    assert kind.from_json(json.loads(text)) is not None


@pytest.mark.parametrize("value", [None, [], "news", 7, {}, {"v": 2, "job": "s3://a/b"}, {"v": 1, "job": 7}], ids=str)
def test_what_is_no_news_is_none(value: Any) -> None:
    assert ProgressNews.from_json(value) is None


def test_progress_says_the_same_when_read() -> None:
    news = ProgressNews(
        job="s3://ops/jobs/1",
        shard=3,
        operation="put_object_tagging",
        rows=1_000,
        done=400,
        failed=2,
        rate=12.5,
        slow_downs=1,
        window=88.4,
        most=128,
        codes={"AccessDenied": (2, ("s3://lake/a%20b",))},
        started="2026-11-22T12:00:00.000Z",
        at="2026-11-22T12:00:32.000Z",
        history=((0.0, 0, 0, 0), (32.0, 400, 2, 1)),
        control={"state": "pause"},
    )
    assert ProgressNews.from_json(json.loads(json.dumps(news.to_json()))) == news


def test_the_longest_keys_fit_by_leaving_examples_out() -> None:
    """Three kilobytes each when encoded; the counts stay."""
    url = "s3://lake/" + "%E2%82%AC" * 340
    codes = {f"Code{index}": (100 - index, (url, url, url)) for index in range(30)}
    progress = ProgressNews(job="s3://a/b", codes=codes, history=tuple((float(n), n, 0, 0) for n in range(500)))
    document = progress.to_json()
    assert size(document) <= 8_000
    assert [number for number, _ in document["codes"].values()] == [100, 99, 98, 97, 96, 95, 94, 93]
    assert document["history"][0] == [0.0, 0, 0, 0]
    assert document["history"][-1] == [499.0, 499, 0, 0]
    report = ReportNews(codes=codes, sentence="x" * 9_000).to_json()
    assert size(report) <= 16_000
    assert len(report["codes"]) == 20
    plan = PlanNews(sql="é" * 9_000, columns={f"c{n}": "x" * 900 for n in range(99)}, reason="y" * 9_000).to_json()
    assert size(plan) <= 16_000
    assert plan["reason"].startswith("yyy")


def test_keys_are_encoded_and_texts_made_visible_by_whoever_reads() -> None:
    told = {
        "v": 1,
        "job": "s3://ops/<script>",
        "codes": {"\x1b[31mRed": [1, ["s3://lake/<b>\u202e\ud800.exe"]]},
        "sentence": "a\u202eb\x00",
    }
    news = ProgressNews.from_json(told)
    assert news is not None
    assert news.job == "s3://ops/%3Cscript%3E"
    assert dict(news.codes) == {r"\u{1b}[31mRed": (1, ("s3://lake/%3Cb%3E%E2%80%AE%ED%A0%80.exe",))}
    assert news.sentence == r"a\u{202e}b\u{0}"


def test_counts_can_be_added_up() -> None:
    """No more failed than are done, no more done than there are; history never falls."""
    told = {"v": 1, "job": "s3://a/b", "rows": 5, "done": 9, "failed": 99, "rate": float("nan")}
    news = ProgressNews.from_json({**told, "history": [[0, 5, 9, 0], [5, 3, 0, 0], [4, 9, 0, 0], [9, 8, 1, 1], "x"]})
    assert news is not None
    assert (news.rows, news.done, news.failed, news.succeeded, news.rate) == (9, 9, 9, 0, None)
    assert news.history == ((0, 5, 5, 0), (4, 9, 0, 0))


def test_thinning_keeps_both_ends() -> None:
    assert thinned(list(range(100)), 5) == [0, 25, 50, 74, 99]
    assert clean.moment("2026-11-22T12:00:00+02:00") == "2026-11-22T10:00:00.000Z"
