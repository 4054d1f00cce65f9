"""A job that runs is paused, resumed, slowed down and sped up by its control.json, and loses count of nothing."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from controlled_jobs import PAUSED, WATCHFUL, ControlledJob
from scripted_server import scripted_s3
from server_users import STRANGER

from airflow_s3batch.core.control import Control
from airflow_s3batch.core.errors import AccessError, InfrastructureError, PausedError
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from server_users import BucketFactory

    from airflow_s3batch.testing import Server

Controlled = Callable[..., ControlledJob]
_ops: dict[str, str] = {}


@pytest.fixture
def controlled(seaweedfs: Server, bucket: BucketFactory, tmp_path: Path) -> Iterator[Controlled]:
    """``controlled(rows=300)`` publishes a job."""
    ops = _ops.setdefault(seaweedfs.endpoint_url, "") or bucket(seaweedfs, "controlled")
    _ops[seaweedfs.endpoint_url] = ops
    with scripted_s3() as s3:

        def make(rows: int = 300, shards: int = 1) -> ControlledJob:
            return ControlledJob(seaweedfs, s3, ops, tmp_path, shards=shards, rows=rows)

        yield make


def test_a_paused_job_begins_no_object_and_goes_on_with_exactly_what_is_left(controlled: Controlled) -> None:
    """What is in flight gets its answer and is committed, so that nothing is done twice."""
    job = controlled()
    job.at(100, lambda: job.asked(PAUSED))
    with pytest.raises(PausedError, match="paused by ann@laptop at 2026-11-22T12:00:00Z: the store is slow"):
        job.attempt()
    begun = job.sent
    assert 100 <= begun <= 100 + WATCHFUL.max_concurrency
    assert job.told[-1].state == "paused"
    assert job.told[-1].control["by"] == "ann@laptop"
    assert job.accounted() == {"": begun, "NotAttempted": job.rows - begun}
    for _ in range(2):  # retried or cleared: it stays paused
        with pytest.raises(PausedError, match="nothing was begun"):
            job.attempt()
    assert job.sent == begun
    job.ask(Control(by="bob"))
    summary = job.attempt()
    assert (summary.earlier, summary.succeeded) == (begun, job.rows - begun)
    assert not job.repeated()
    assert job.accounted() == {"": job.rows}


def test_a_shard_that_was_not_started_stays_untouched(controlled: Controlled) -> None:
    """Not even its generation is opened; deleting the file is as good as resuming."""
    job = controlled(rows=20)
    job.ask(PAUSED)
    with pytest.raises(PausedError, match=f"s3batch resume {job.layout.url}"):
        job.attempt()
    assert list(job.storage.folders(job.layout.url)) == ["manifest"]
    job.ask(None)
    assert job.attempt().succeeded == 20


def test_pauses_at_random_moments_repeat_and_lose_nothing(controlled: Controlled) -> None:
    """Somebody pauses and resumes all the time, two shards are at work."""
    job, chance, is_over = controlled(rows=250, shards=2), random.Random(7), threading.Event()
    slow = replace(WATCHFUL, max_concurrency=2)

    def storm() -> None:
        for _ in range(100):
            job.ask(PAUSED if chance.random() < 0.5 else Control())
            is_over.wait(0.02 + chance.random() / 10)
        job.ask(None)

    with ThreadPoolExecutor(3) as pool:
        stormy = pool.submit(storm)
        shards = [pool.submit(job.until_done, n, slow, wait=lambda: is_over.wait(0.05)) for n in range(2)]
        pauses = sum(shard.result() for shard in shards)
        is_over.set()
        stormy.result()
    assert pauses > 2
    assert not job.repeated()
    assert job.sent == job.rows
    assert job.accounted() == {"": job.rows}


def test_a_limit_is_set_lowered_and_lifted_while_the_job_runs(controlled: Controlled) -> None:
    """Its Dag set none; the progress line tells who did, and the news, too."""
    job = controlled(rows=600)
    marks: list[int] = []
    job.at(100, lambda: job.asked(Control(max_requests_per_s=40, by="ann")), lambda: marks.append(job.sent))
    job.at(150, lambda: job.asked(Control()), lambda: marks.append(job.sent))
    assert job.attempt().succeeded == job.rows
    slow, fast = marks
    between = job.times[slow:150]
    assert len(between) > 30
    job.times = between
    assert job.most_within(1.0) <= 40 * 1.25 + 10
    assert any("of 40 requests/s" in line and "asked: at most 40 requests/s by ann" in line for line in job.lines)
    assert any(told.control and told.control["max_requests_per_s"] == 40 for told in job.told)
    assert job.told[-1].control is None
    assert fast < job.rows


def test_the_limit_of_the_dag_can_be_raised_and_comes_back(controlled: Controlled) -> None:
    job = controlled(rows=800)
    marks: list[int] = []
    job.at(20, lambda: job.asked(Control(max_requests_per_s=5_000)), lambda: marks.append(job.sent))
    job.at(760, lambda: job.asked(Control()), lambda: marks.append(job.sent))
    policy = replace(WATCHFUL, max_requests_per_s=50)
    assert job.attempt(policy=policy).succeeded == job.rows
    assert job.most_within(1.0, since=marks[0]) > 200, "50 a second would be the Dag's own"
    assert job.most_within(1.0, since=marks[1]) <= 50 * 1.25 + 10


def test_a_limit_that_somebody_asked_for_is_shared_by_the_shards(
    controlled: Controlled,
) -> None:
    """As the Dag's own would be."""
    job = controlled(rows=60, shards=3)
    job.ask(Control(max_requests_per_s=100))
    with ThreadPoolExecutor(3) as pool:
        assert [s.succeeded for s in pool.map(job.attempt, range(3))] == [60] * 3
    assert job.most_within(2.0) <= 2 * 100 * 1.25 + 10


def test_requests_in_flight_follow_what_is_asked_both_ways(controlled: Controlled) -> None:
    """Never more than the task began with."""
    job = controlled(rows=500)
    most: list[int] = []

    def note() -> None:
        most.append(job.s3.most_in_flight)
        job.s3.most_in_flight = 0

    job.at(100, lambda: job.asked(Control(max_concurrency=1)))
    job.at(200, note)
    job.at(300, note, lambda: job.asked(Control(max_concurrency=99)))
    job.at(450, job.storage.wait_for_looks, note)
    assert job.attempt().succeeded == job.rows
    assert most[1] == 1
    assert 1 < most[2] <= WATCHFUL.max_concurrency


def test_a_foreign_file_leaves_what_was_known_and_is_told_once(
    controlled: Controlled, caplog: pytest.LogCaptureFixture
) -> None:
    job = controlled(rows=150)
    job.ask(Control(max_concurrency=1))
    job.at(50, lambda: job.asked(b"\xff{"), job.storage.wait_for_looks)
    with caplog.at_level(logging.WARNING):
        assert job.attempt().succeeded == job.rows
        assert job.s3.most_in_flight == 1
    assert len([record for record in caplog.records if "control.json" in record.message]) == 1
    assert "asked to last (at most 1 in flight in each task)" in caplog.text


def test_without_permission_to_read_the_file_the_job_goes_on(
    controlled: Controlled, seaweedfs: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """As if nothing were asked; the log says so once."""
    job = controlled(rows=200)
    job.ask(PAUSED)
    read, stranger = job.storage.read, type(job.storage)(seaweedfs.as_identity(STRANGER.name))

    def refused(url: S3Url) -> bytes | None:
        return stranger.read(url) if url == job.layout.control else read(url)

    job.storage.read = refused  # type: ignore[method-assign]
    with pytest.raises(AccessError, match="AccessDenied"):
        job.storage.read(job.layout.control)
    with caplog.at_level(logging.WARNING):
        assert job.attempt(policy=replace(WATCHFUL, max_requests_per_s=400)).succeeded == job.rows
    assert stranger.looks == 0
    assert len([record for record in caplog.records if "control.json" in record.message]) == 1


def test_a_store_that_does_not_say_whether_the_job_is_paused_is_asked_again_by_the_next_attempt(
    controlled: Controlled,
) -> None:
    """Nobody knows, so nothing is begun."""
    job = controlled(rows=20)
    read = job.storage.read

    def fails(url: S3Url) -> bytes | None:
        if url == job.layout.control:
            raise InfrastructureError("503")
        return read(url)

    job.storage.read = fails  # type: ignore[method-assign]
    with pytest.raises(InfrastructureError):
        job.attempt()
    assert not job.sent


def test_watching_costs_a_small_read_now_and_then(controlled: Controlled) -> None:
    """However many objects there are."""
    job = controlled(rows=600)
    policy = replace(WATCHFUL, control_every_s=3.0, pulse_every_s=10.0, max_concurrency=64)
    assert job.attempt(policy=policy).succeeded == job.rows
    seconds = job.times[-1] - job.times[0]
    assert 1 <= job.storage.looks <= 3 + seconds


def test_objects_that_are_called_like_control_files_are_objects(controlled: Controlled, seaweedfs: Server) -> None:
    """A file of that name elsewhere in the job's folder is nobody's word, either."""
    job = controlled(rows=20)
    for folder in ("manifest", "group.run", "report"):
        job.storage.write(job.layout.url / folder / "control.json", PAUSED.to_bytes())
    assert job.attempt().succeeded == 20
    assert job.accounted() == Counter({"": 20})
