"""Rate over time, and links, of the page."""

from __future__ import annotations

import datetime as dt

import pytest

from airflow_s3batch.core.news import ProgressNews
from airflow_s3batch.ui.links import commands, is_console
from airflow_s3batch.ui.rates import MOST_POINTS, Stretch, stretches, summed
from airflow_s3batch.ui.work import rate_of

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


def test_shards_rates_add_up_and_nothing_is_lost() -> None:
    """Two shards at 10/s, the second for the second half."""
    points = summed([Stretch(0, 100, 1_000, 10, 2), Stretch(50, 100, 500, 0, 0)])
    step = points[1][0] - points[0][0]
    assert points[5][1] == pytest.approx(10, rel=0.01)
    assert points[-5][1] == pytest.approx(20, rel=0.01)
    assert sum(point[1] for point in points) * step == pytest.approx(1_500, rel=0.02)
    assert sum(point[2] for point in points) * step == pytest.approx(10, rel=0.02)
    assert sum(point[3] for point in points) == pytest.approx(2, rel=0.02)
    assert len(points) <= MOST_POINTS


@pytest.mark.parametrize(
    "odd",
    [[], [Stretch(5, 5, 10, 0, 0)], [Stretch(0, 1, 1, 0, 0), Stretch(1e9, 1e9 + 1, 1, 0, 0)]],
    ids=["nothing", "no-time", "decades-apart"],
)
def test_odd_times_make_a_bounded_curve(odd: list[Stretch]) -> None:
    assert len(summed(odd)) <= MOST_POINTS


def test_history_without_a_beginning_is_none() -> None:
    news = ProgressNews(job="s3://a/b", history=((0.0, 0, 0, 0), (9.0, 90, 1, 0)))
    assert stretches(news) == []


def test_old_news_tell_no_rate() -> None:
    fresh = ProgressNews(job="s3://a/b", rate=5.0, at="2026-11-22T11:59:50.000Z")
    assert rate_of(fresh, NOW) == 5.0
    assert rate_of(fresh, NOW + dt.timedelta(hours=1)) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://console.aws.amazon.com/s3/jobs/1?region=eu-central-1", True),
        ("https://us-gov-west-1.console.amazonaws-us-gov.com/s3/jobs/1", True),
        ("http://console.aws.amazon.com/s3/jobs/1", False),
        ("https://console.aws.amazon.com.evil.example/", False),
        ("https://console.aws.amazon.com@evil.example/", False),
        ("https://console.aws.amazon.com:8443/", False),
        ("https://evil.example/console.aws.amazon.com", False),
        ("javascript:alert(1)//console.aws.amazon.com", False),
        ("https://[", False),
    ],
)
def test_only_aws_is_aws(url: str, expected: bool) -> None:
    assert is_console(url) is expected


def test_commands_bear_any_folder() -> None:
    assert commands("s3://ops/it's $(mine)", "paused")[0]["command"] == "s3batch resume 's3://ops/it'\"'\"'s $(mine)'"
    assert commands("", "running") == []
