"""When a shard stops early: for its own failures, or since the whole job is lost."""

from __future__ import annotations

from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.engine.jobs.job_news import Failures
from airflow_s3batch.engine.loop.threshold import Threshold
from airflow_s3batch.engine.policy import Policy

BAD = Outcome(403, "AccessDenied")
BUSY = Outcome(503, "SlowDown")
LOST = Failures(done=1_200, failed=912, shards=2)


def working(policy: Policy | None = None, *, earlier: int = 0, good: int = 0, bad: int = 0) -> Threshold:
    """Return the threshold of a shard that has *good* and *bad* outcomes so far."""
    threshold = Threshold(policy or Policy(), earlier=earlier)
    threshold.begin()
    for outcome, number in ((SUCCESS, good), (BAD, bad)):
        for _ in range(number):
            threshold.count(outcome)
    return threshold


def test_a_run_stops_early_from_a_thousand_objects_on() -> None:
    """Not before."""
    threshold = working(bad=999)
    assert threshold.keep_going()
    threshold.count(BAD)
    assert not threshold.keep_going()
    assert "1,000 of 1,000" in threshold.reason
    assert not threshold.is_job_lost


def test_tolerated_codes_stop_nothing() -> None:
    threshold = working(Policy(tolerate=frozenset({"AccessDenied"})), bad=5_000)
    assert threshold.keep_going()
    assert threshold.told() == (5_000, 0)


def test_exactly_the_threshold_goes_on() -> None:
    """More than the share stops a run, the share itself does not."""
    threshold = working(Policy(failure_threshold=0.5))
    for _ in range(2_000):
        threshold.count(SUCCESS)
        threshold.count(BAD)
    assert threshold.keep_going()


def test_a_shard_that_has_not_begun_does_not_begin_with_a_lost_job() -> None:
    """And says whose failures those are."""
    threshold = Threshold(Policy())
    threshold.hear(LOST)
    assert not threshold.keep_going()
    assert threshold.is_job_lost
    assert threshold.reason == (
        "the job is lost: 912 of its 1,200 objects so far failed (76%, more than failure_threshold=0.5), "
        "912 of them in 2 other shards, whose logs say why; nothing was attempted here"
    )


def test_a_shard_at_work_stops_when_two_beats_say_that_the_job_is_lost() -> None:
    """Others' counts are some seconds old: one look may deceive."""
    threshold = working(good=100)
    threshold.hear(LOST)
    assert threshold.keep_going()
    threshold.hear(Failures(done=5_000, failed=912, shards=2))
    threshold.hear(LOST)
    assert threshold.keep_going()
    threshold.hear(LOST)
    assert not threshold.keep_going()
    assert "912 of its 1,300 objects so far failed" in threshold.reason
    assert "nothing was attempted" not in threshold.reason


def test_own_failures_add_up_with_the_others() -> None:
    """No shard has a thousand objects, the job has."""
    threshold = working(bad=600)
    for _ in range(2):
        threshold.hear(Failures(done=300, failed=300, shards=1))
    assert threshold.keep_going()
    for _ in range(2):
        threshold.hear(Failures(done=400, failed=400, shards=1))
    assert "1,000 of its 1,000 objects so far failed" in threshold.reason


def test_what_succeeded_anywhere_and_at_any_time_speaks_for_the_job() -> None:
    threshold = working(earlier=5_000)
    for _ in range(3):
        threshold.hear(LOST)
    assert threshold.keep_going()
    assert threshold.told() == (5_000, 0)


def test_one_shard_alone_is_no_job() -> None:
    """Its own rule looks at what this attempt does, and no news make it any stricter."""
    threshold = working(earlier=400, bad=999)
    for _ in range(3):
        threshold.hear(Failures())
    assert threshold.keep_going()


def test_failures_that_another_attempt_may_cure_are_no_news() -> None:
    """The store's own trouble ends in retries by Airflow; it must not end other shards for good."""
    threshold = working()
    for _ in range(500):
        threshold.count(BUSY)
    assert threshold.told() == (500, 0)


def test_keep_going_lets_nothing_stop_a_run() -> None:
    threshold = working(Policy(keep_going=True), bad=5_000)
    for _ in range(3):
        threshold.hear(LOST)
    assert threshold.keep_going()
    assert threshold.told() == (5_000, 5_000)
