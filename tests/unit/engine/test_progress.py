"""The line that says how far a shard is."""

from __future__ import annotations

from airflow_s3batch.engine.loop.progress import Load, Progress

CALM = Load(requests=0, in_flight=128, slow_downs=0, window=128.0, most=128)


def lines_of(load: Load, *, every_s: float = 10, done_per_s: int = 10, requests_per_s: int = 10) -> list[str]:
    """Return what is written in 30 seconds, asked every 5."""
    lines: list[str] = []
    now = [0.0]

    def current() -> Load:
        return load._replace(requests=int(now[0] * requests_per_s))

    progress = Progress(
        "put_object_tagging", 100, 1_000, every_s=every_s, load=current, write=lines.append, clock=lambda: now[0]
    )
    for second in range(0, 31, 5):
        now[0] = float(second)
        progress.tick(second * done_per_s, 3)
    return lines


def test_progress_is_one_line_every_few_seconds() -> None:
    """With the objects of earlier attempts counted in."""
    assert lines_of(CALM) == [
        "put_object_tagging 200/1,000 (20 %) 10/s, 128 in flight, 3 failed",
        "put_object_tagging 300/1,000 (30 %) 10/s, 128 in flight, 3 failed",
        "put_object_tagging 400/1,000 (40 %) 10/s, 128 in flight, 3 failed",
    ]


def test_slow_downs_are_shown_and_the_window_as_long_as_it_is_smaller() -> None:
    assert lines_of(CALM._replace(slow_downs=2, window=88.4))[0].endswith("3 failed, 2 slowdowns (window 88 of 128)")
    assert lines_of(CALM._replace(slow_downs=2))[0].endswith("3 failed, 2 slowdowns")


def test_the_limit_is_shown_beside_what_is_sent() -> None:
    """In requests: a delete of many objects is one."""
    alone = CALM._replace(allowed_per_s=3_500.0, job_per_s=3_500.0)
    assert lines_of(alone, requests_per_s=3_120)[0] == (
        "put_object_tagging 200/1,000 (20 %) 10/s, 3,120 of 3,500 requests/s, 128 in flight, 3 failed"
    )


def test_a_shared_limit_says_with_how_many() -> None:
    shared = CALM._replace(allowed_per_s=0.25, job_per_s=0.5, sharers=2)
    assert "10 of 0.25 requests/s (0.5 over 2 shards), 128" in lines_of(shared)[0]
