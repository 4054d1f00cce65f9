"""The limit on requests a second: of one attempt, and shared among the attempts at a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_s3batch.engine.jobs.job_news import JobNews, Pulse
from airflow_s3batch.engine.rates.pacing import Pace
from airflow_s3batch.engine.rates.rate import BURST_S, FairShare, TokenBucket

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RATES = st.floats(0.1, 50_000)


@settings(deadline=None)
@given(RATES, st.lists(st.floats(0, 3), max_size=40))
def test_no_span_of_time_sees_more_than_the_rate_and_the_burst(rate: float, pauses: list[float]) -> None:
    """Whenever the loop comes by, and however greedy it is then."""
    bucket, now = TokenBucket(rate, 0.0), 0.0
    sent: list[tuple[float, int]] = []
    for pause in pauses:
        now += pause
        number = 0
        while not bucket.wait_s(now):
            bucket.take()
            number += 1
        sent.append((now, number))
    burst = max(1.0, rate * BURST_S)
    for first in range(len(sent)):
        total = 0
        for last in range(first, len(sent)):
            total += sent[last][1]
            assert total <= rate * (sent[last][0] - sent[first][0]) + burst + 1e-3


@settings(deadline=None)
@given(RATES)
def test_a_loop_that_sleeps_as_it_is_told_sends_at_the_rate_and_does_not_spin(rate: float) -> None:
    pace, now, sent, wakes = Pace(10**9, rate), 0.0, 0, 0
    duration_s = max(0.5, 20 / rate)
    while now < duration_s:
        wakes += 1
        while pace.allows(0, now):
            pace.on_sent()
            sent += 1
        pause_s = pace.wait_s(now)
        assert pause_s > 0.0049
        now += pause_s
    assert rate * duration_s * 0.97 - 1 <= sent <= rate * duration_s + 1
    assert wakes <= duration_s / 0.0049 + 1


def test_a_request_that_could_not_wait_is_made_up_for() -> None:
    """A look at what a refusal means is sent at once; the next request comes later for it."""
    bucket = TokenBucket(1.0, 0.0)
    for _ in range(3):
        bucket.take()
    assert bucket.wait_s(0.0) == pytest.approx(3.0)
    assert bucket.wait_s(3.0) == 0


def test_a_new_rate_holds_at_once() -> None:
    bucket = TokenBucket(1.0, 0.0)
    bucket.take()
    bucket.rate = 100.0
    assert bucket.wait_s(0.5) == 0


class Attempts:
    """Attempts at a job of *shards* shards that share *limit*; time stands still unless moved."""

    def __init__(self, limit: float, shards: int) -> None:
        self.limit = limit
        self.shards = shards
        self.now_s = 0.0
        self.pulses: dict[str, Pulse] = {}
        self.joined: dict[str, datetime] = {}
        self.buckets: dict[str, TokenBucket] = {}
        self.shares: dict[str, FairShare] = {}

    def beat(self, name: str, *, is_over: bool = False) -> None:
        """Let the attempt *name* say what it has to say, and hear the others; the first time it joins."""
        at = NOON + timedelta(seconds=int(self.now_s))
        if name not in self.shares:
            self.buckets[name] = TokenBucket(self.limit, 0.0)
            self.shares[name] = FairShare(self.buckets[name], self.limit, self.shards, 10.0, lambda: self.now_s)
            self.joined[name] = at
        self.pulses[name] = Pulse(0, name, 0, 0, is_over, at)
        if not is_over:
            self.shares[name].hear(JobNews(name, 0, dict(self.pulses), self.joined[name]))

    def rates(self) -> dict[str, float]:
        return {name: self.buckets[name].rate for name, pulse in self.pulses.items() if not pulse.is_over}


def test_one_attempt_has_all_of_it() -> None:
    job = Attempts(100, 8)
    job.beat("a")
    assert job.rates() == {"a": 100}


def test_before_it_has_heard_anything_an_attempt_counts_on_all_shards() -> None:
    bucket = TokenBucket(100, 0.0)
    FairShare(bucket, 100, 8, 10.0, lambda: 0.0)
    assert bucket.rate == 12.5


def test_a_joiner_waits_until_there_is_room() -> None:
    """Nobody is told to shrink; who has run before hears of the joiner with its next beat."""
    job = Attempts(100, 4)
    job.beat("a")
    job.now_s = 5
    job.beat("b")
    assert job.rates() == {"a": 100, "b": pytest.approx(2.5)}
    job.now_s = 10
    job.beat("a")
    assert job.rates() == {"a": 50, "b": pytest.approx(2.5)}
    job.now_s = 15
    job.beat("b")
    assert job.rates() == {"a": 50, "b": 50}


def test_who_has_ended_or_died_leaves_its_share_to_the_others() -> None:
    job = Attempts(90, 4)
    for second in (0, 10, 20):
        job.now_s = second
        for name in "abc":
            job.beat(name)
    assert job.rates() == {"a": 30, "b": 30, "c": 30}
    job.beat("b", is_over=True)
    job.now_s = 30
    job.beat("a")
    assert job.rates()["a"] == 45
    for second in (40, 52):  # nothing is heard of c any more
        job.now_s = second
        job.beat("a")
    assert job.rates()["a"] == 90


def test_who_hears_nothing_for_long_is_careful() -> None:
    """The others take it for dead by then and share its part among themselves."""
    job = Attempts(100, 5)
    job.beat("a")
    job.now_s = 25
    job.shares["a"].check()
    assert job.rates() == {"a": 100}
    job.now_s = 31
    job.shares["a"].check()
    assert job.rates() == {"a": 20}
    job.beat("a")
    assert job.rates() == {"a": 100}


@settings(deadline=None)
@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 11), st.floats(0, 6)), max_size=60), RATES)
def test_together_they_exceed_the_limit_by_a_tenth_at_most(
    shards: int, beats: list[tuple[int, float]], limit: float
) -> None:
    """In whatever order attempts join, as long as those that run beat before they are thought dead."""
    job = Attempts(limit, shards)
    for number, pause_s in beats:
        job.now_s += pause_s
        job.beat(str(number % shards))
        late = [name for name, pulse in job.pulses.items() if job.now_s - (pulse.at - NOON).total_seconds() > 20]
        for name in late:
            job.beat(name)
        assert sum(job.rates().values()) <= limit * 1.1 + 1e-6
