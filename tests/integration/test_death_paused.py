"""Attempts die while their job is being paused, and while it goes on; each row is accounted for once all the same."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from pathlib import Path

import pytest
from deaths import Hook, attempt, dying_at, killed_attempt
from server_jobs import ServerJob, client_of, publish, put_objects, set_tags, tags, watched

from airflow_s3batch.core.control import PAUSE, Control
from airflow_s3batch.core.errors import PausedError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine import Policy
from airflow_s3batch.engine.loop.steering import Steering
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.testing import Server

TAGGING = PutObjectTagging({"by": "job"})
ROWS, RANGE_ROWS, FROM = 40, 10, 15
WATCHFUL = Policy(max_concurrency=4, control_every_s=0.02)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def places(seaweedfs: Server) -> tuple[str, str]:
    """The bucket of the objects, and that of the jobs."""
    for name in ("paused-data", "paused-ops"):
        client_of(seaweedfs).create_bucket(Bucket=name)
    return "paused-data", "paused-ops"


@pytest.fixture
def job(seaweedfs: Server, places: tuple[str, str], tmp_path: Path) -> ServerJob:
    name = f"job-{next(_numbers)}"
    objects = put_objects(seaweedfs, places[0], [f"{name}-{number:04d}" for number in range(ROWS)])
    return publish(seaweedfs, f"s3://{places[1]}/{name}", objects, tmp_path, range_rows=RANGE_ROWS)


def paused_in_its_midst(job: ServerJob, monkeypatch: pytest.MonkeyPatch) -> type[PutObjectTagging]:
    """Return the operation, which pauses the job with its 15th object, and goes on once the attempt has heard it."""
    heard, begun, look = threading.Event(), itertools.count(1), Steering.look

    def looked(steering: Steering) -> None:
        look(steering)
        if steering.pause:
            heard.set()

    def before(_: S3Object) -> None:
        if next(begun) == FROM:
            layout = JobLayout(job.manifest.job_url)
            client_of(job.server).put_object(
                Bucket=layout.url.bucket, Key=layout.control.key, Body=Control(PAUSE, by="ann").to_bytes()
            )
            assert heard.wait(30)

    monkeypatch.setattr(Steering, "look", looked)
    operation: type[PutObjectTagging] = watched(PutObjectTagging, before)
    return operation


@pytest.mark.parametrize(
    "dies",
    [dying_at("before", "succeeded part", nth=2), dying_at("after", "commit", nth=2), dying_at("before", "summary")],
    ids=["before the second part", "after the second commit", "before the summary"],
)
def test_a_death_while_pausing_and_one_while_resuming_lose_nothing(
    job: ServerJob, monkeypatch: pytest.MonkeyPatch, dies: Hook
) -> None:
    """Between them the job stays paused, and what was committed is not touched again."""
    operation = paused_in_its_midst(job, monkeypatch)
    killed_attempt(job, operation({"by": "job"}), dies, policy=WATCHFUL)
    kept = committed(job)
    assert len(kept) < ROWS
    with pytest.raises(PausedError, match="paused by ann"):
        job.attempt(TAGGING, try_number=2)
    set_tags(job.server, kept, "somebody else")
    job.storage.delete(JobLayout(job.manifest.job_url).control)

    killed_attempt(job, TAGGING, dying_at("after", "commit"), try_number=3, policy=WATCHFUL)
    summary = job.attempt(TAGGING, try_number=4)

    assert summary.earlier > len(kept)
    assert summary.earlier + summary.succeeded == ROWS
    assert all(tags(job.server, obj) == {"by": "somebody else"} for obj in kept)
    assert all(tags(job.server, obj) == {"by": "job"} for obj in job.objects if obj not in kept)
    assert Counter(row.key for row in job.report_rows()) == Counter(obj.key for obj in job.objects)
    assert job.report().is_green


def test_a_pause_is_a_word_that_a_forked_attempt_hears_and_keeps(
    job: ServerJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends by itself, in order: nothing that it has begun is left open."""
    operation = paused_in_its_midst(job, monkeypatch)
    with attempt(job, operation({"by": "job"}), policy=WATCHFUL) as child:
        ending = child.end()
    assert (ending.signal, ending.error) == (0, "PausedError")
    (summary,) = (body for _, body in job.files(".json") if b'"stopped"' in body)
    assert b'"abandoned": 0' in summary
    assert b"the job is paused by ann" in summary
    assert FROM <= len(committed(job)) <= FROM + WATCHFUL.max_concurrency


def committed(job: ServerJob) -> list[S3Object]:
    """Return the objects that have their outcome."""
    numbers = {
        commit.range.first + ordinal
        for commit in job.commits()
        for start, end in commit.attempted
        for ordinal in range(start, end)
    }
    return [job.objects[number] for number in sorted(numbers)]
