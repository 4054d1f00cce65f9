"""What a run tells of itself beside its log lines."""

from __future__ import annotations

import itertools

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import DRY_RUN, Outcome
from airflow_s3batch.engine.loop.failures import Failures
from airflow_s3batch.engine.loop.progress import History, Load, Progress, Snapshot

LOAD = Load(requests=0, in_flight=12, slow_downs=3, window=64.0, most=128)


def test_snapshots_come_when_the_work_begins_with_each_line_and_at_the_end() -> None:
    now = [0.0]
    told: list[Snapshot] = []
    lines: list[str] = []
    progress = Progress(
        "copy_object",
        100,
        1_000,
        every_s=10,
        write=lines.append,
        clock=lambda: now[0],
        tell=told.append,
        shards=7,
    )
    now[0] = 2.0
    progress.follow(lambda: LOAD._replace(requests=int(now[0] * 10)))
    for second in (5.0, 12.0, 20.0, 22.0):
        now[0] = second
        progress.tick(int(second * 20), 0)
    progress.end("stopped", "the task was asked to stop", done=500)

    assert [(one.state, one.done, one.elapsed_s) for one in told] == [
        ("running", 100, 2.0),
        ("running", 340, 12.0),
        ("running", 540, 22.0),
        ("stopped", 600, 22.0),
    ]
    assert len(lines) == 2
    assert (told[2].rate, told[2].requests_per_s) == (20.0, 10.0)
    assert told[-1].sentence == "the task was asked to stop"
    assert told[-1].history == ((2.0, 100, 0, 3), (12.0, 340, 0, 3), (22.0, 600, 0, 3))
    assert {one.shards for one in told} == {7}


def test_history_is_bounded_and_even() -> None:
    history = History()
    for second in range(10_000):
        history.add((float(second), second, 0, 0))
    points = history.until((10_000.0, 10_000, 0, 0))
    assert len(points) <= History.MOST + 1
    gaps = {int(later[0] - earlier[0]) for earlier, later in itertools.pairwise(points[:-1])}
    assert len(gaps) == 1
    assert (points[0][0], points[-1][0]) == (0.0, 10_000.0)


def test_failures_are_counted_by_code_with_the_first_few_objects() -> None:
    """Keys are encoded, codes bounded; what a dry run would do is no failure."""
    failures = Failures()
    for number in range(5):
        failures.count(S3Object("lake", f"<{number}>"), Outcome(403, "AccessDenied", "no"))
    failures.count(S3Object("lake", "a"), Outcome(200))
    failures.count(S3Object("lake", "b"), Outcome(0, DRY_RUN, "not sent"))
    urls = ("s3://lake/%3C0%3E", "s3://lake/%3C1%3E", "s3://lake/%3C2%3E")
    assert failures.by_code() == {"AccessDenied": (5, urls)}
    for number in range(200):
        failures.count(S3Object("lake", "c"), Outcome(500, f"Odd{number}", "?"))
    assert failures.number == 205
    assert len(failures.by_code()) == Failures.MOST_CODES + 1
    assert failures.by_code()[Failures.OTHER][0] == 200 - (Failures.MOST_CODES - 1)
