"""Memory does not grow with the manifest."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from report_jobs import JOB, TASK, Job, objects

from airflow_s3batch.reports import build_report
from airflow_s3batch.reports.accounts.shards import RANGES_AHEAD, THREADS, in_order


def test_results_come_in_order_and_no_more_than_asked_for_are_held() -> None:
    held, most, lock = 0, 0, threading.Lock()

    def double(number: int) -> int:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return 2 * number

    seen = []
    with ThreadPoolExecutor(4) as pool:
        for result in in_order(pool, double, range(200), 6):
            seen.append(result)
            with lock:
                held -= 1
    assert seen == [2 * number for number in range(200)]
    assert most <= 6


def test_first_failure_ends_the_work() -> None:
    done = []

    def work(number: int) -> int:
        if number == 3:
            raise ValueError(number)
        done.append(number)
        return number

    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="3"):
        list(in_order(pool, work, range(1000), 6))
    assert len(done) < 20


def test_rewritten_files_are_written_while_later_ranges_have_not_been_read() -> None:
    """The reporter holds some ranges at a time, not the job."""
    job = Job(objects(600), shard_rows=600, range_rows=2)
    job.open()
    for row_range in job.ranges():
        job.commit({}, index=row_range.index)
    events = []
    job.storage.before = lambda verb, url: events.append((verb, url.key.rpartition("/")[2]))
    build_report(job.storage, JOB, TASK, now=datetime(2026, 11, 22, tzinfo=UTC))
    open_ranges, most = 0, 0
    for verb, name in events:
        open_ranges += (verb == "read" and name.endswith(".commit.json")) - (verb == "write" and name.endswith(".csv"))
        most = max(most, open_ranges)
    assert 0 < most <= RANGES_AHEAD + THREADS
