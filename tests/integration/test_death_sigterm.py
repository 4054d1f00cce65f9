"""SIGTERM: no new object, and what is done is committed, before the supervisor's SIGKILL five seconds later."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from deaths import HANG_S, HookedStorage, fork
from scripted_server import ScriptedS3, Silence, scripted_s3
from server_jobs import TASK, ServerJob, access_of, publish

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine import Policy, run_shard
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.testing import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deaths import Child
    from server_users import BucketFactory

ROWS, RANGE = 600, 10
IN_FLIGHT = 128
SUPERVISOR_S = 5.0
"""Airflow's supervisor kills a task so long after it has asked it to end."""

TAGGING = PutObjectTagging({"by": "job"})


@pytest.fixture
def lake() -> Iterator[ScriptedS3]:
    """A store that answers the even rows at once and the odd ones not at all."""
    with scripted_s3() as lake:
        lake.fault = lambda seen: Silence() if int(seen.key) % 2 else None
        yield lake


@pytest.fixture
def job(lake: ScriptedS3, seaweedfs: Server, bucket: BucketFactory, tmp_path: Path) -> ServerJob:
    objects = [S3Object("lake", f"{number:04d}", size=1) for number in range(ROWS)]
    return publish(seaweedfs, f"s3://{bucket(seaweedfs, 'ops')}/job", objects, tmp_path, range_rows=RANGE)


def terminable_attempt(job: ServerJob, lake: ScriptedS3, *, store_s: float) -> Child:
    """Begin an attempt that takes SIGTERM as the operator does; each file that it writes takes *store_s* longer."""

    def slowly(when: str, place: str) -> None:
        if when == "before":
            time.sleep(store_s)

    def work(say: Callable[[Any], None]) -> Any:
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        run_shard(
            job.ref,
            TAGGING,
            access=access_of(Server(lake.endpoint_url, "key", "secret", "us-east-1", 0, {})),
            storage=HookedStorage(job.server, slowly),
            task_id=TASK,
            policy=Policy(max_concurrency=IN_FLIGHT),
            stop=stop,
            shares_store=False,
        )

    return fork(work)


def wait_until_all_are_in_flight(child: Child, lake: ScriptedS3) -> None:
    deadline = time.monotonic() + HANG_S
    while lake.in_flight < IN_FLIGHT:
        assert child.hear(0.05) is None, "the attempt ended by itself"
        assert time.monotonic() < deadline, f"only {lake.in_flight} requests in flight"


@pytest.mark.parametrize("store_s", [0.0, 0.25], ids=["quick-job-store", "slow-job-store"])
def test_terminated_attempt_has_committed_what_was_done_in_time(
    job: ServerJob, lake: ScriptedS3, store_s: float
) -> None:
    """All connections wait for an answer that would take half a minute; every range is half done."""
    child = terminable_attempt(job, lake, store_s=store_s)
    wait_until_all_are_in_flight(child, lake)
    seen = len(lake.seen)
    started = time.monotonic()
    child.kill(signal.SIGTERM)
    ending = child.end()
    took_s = time.monotonic() - started

    assert ending.error == "InfrastructureError", ending
    assert "stopped after 128 objects" in ending.told
    assert took_s < SUPERVISOR_S
    assert len(lake.seen) == seen, "an object was begun after the signal"
    assert sum(commit.tally.succeeded for commit in job.commits()) == IN_FLIGHT


def test_rows_that_were_given_up_on_are_replayed_with_a_look_first(job: ServerJob, lake: ScriptedS3) -> None:
    """What was in flight may have happened or not; the next attempt does these rows and all later ones."""
    child = terminable_attempt(job, lake, store_s=0.0)
    wait_until_all_are_in_flight(child, lake)
    child.kill(signal.SIGTERM)
    child.end()
    lake.fault = lambda seen: None
    lake.seen.clear()
    access = access_of(Server(lake.endpoint_url, "key", "secret", "us-east-1", 0, {}))
    summary = run_shard(
        job.ref, TAGGING, access=access, storage=job.storage, task_id=TASK, try_number=2, shares_store=False
    )
    assert (summary.earlier, summary.succeeded) == (IN_FLIGHT, ROWS - IN_FLIGHT)
    assert {seen.key for seen in lake.seen}.isdisjoint(f"{number:04d}" for number in range(0, 2 * IN_FLIGHT, 2))
    assert Counter(row.key for row in job.report_rows()) == Counter(obj.key for obj in job.objects)
    assert job.report().is_green
