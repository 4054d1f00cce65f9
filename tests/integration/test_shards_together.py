"""Several shards of one job at once: they share its limit on requests, and stop when the job is lost."""

from __future__ import annotations

import bisect
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from scripted_server import Fault, ScriptedS3, Seen, error, scripted_s3
from server_jobs import TASK, ServerJob, publish

from airflow_s3batch.core.errors import InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.layout import GenerationLayout, JobLayout
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Summary
from airflow_s3batch.engine import Policy, S3Access
from airflow_s3batch.engine.checks.rehearsal import rehearse
from airflow_s3batch.operations import PutObjectTagging

if TYPE_CHECKING:
    from server_users import BucketFactory

    from airflow_s3batch.testing import Server

TAGGING = PutObjectTagging({"by": "job"})
QUICK = Policy(tolerate=frozenset(), pulse_every_s=0.5, progress_every_s=0.5, max_concurrency=8)
LIMIT = 100.0
_ops: dict[str, str] = {}
_numbers = itertools.count(1)


class SharedJob:
    """A job of several shards: its files on a real server, its objects on one that does as it is told and counts."""

    def __init__(self, job: ServerJob, s3: ScriptedS3, rows: int) -> None:
        self.job = job
        self.s3 = s3
        self.rows = rows
        self.times: list[float] = []
        self.lines: list[str] = []
        self.fault: Callable[[Seen], Fault] = lambda _: None
        self.access = S3Access(boto3.session.Session("key", "secret", region_name="us-east-1"), s3.endpoint_url)
        self._tries = itertools.count(1)
        s3.fault = self._count

    def attempt(self, shard: int, policy: Policy = QUICK, **arguments: Any) -> Summary:
        return self.job.attempt(
            TAGGING,
            shard,
            access=self.access,
            policy=policy,
            shares_store=False,
            try_number=next(self._tries),
            progress=self.lines.append,
            **arguments,
        )

    def sent(self, shard: int) -> int:
        """Return how many requests were sent for the objects of *shard*."""
        return sum(seen.key.startswith(f"{shard}/") for seen in list(self.s3.seen))

    def wait_for(self, shard: int, requests: int) -> None:
        """Wait until so many requests were sent for *shard*."""
        for _ in range(6_000):
            if self.sent(shard) >= requests:
                return
            time.sleep(0.01)
        raise AssertionError(f"shard {shard} has sent {self.sent(shard)} requests in a minute")

    def most_within(self, seconds: float) -> int:
        """Return the largest number of requests that arrived within any *seconds*."""
        return max(bisect.bisect_left(self.times, at + seconds) - i for i, at in enumerate(self.times))

    @property
    def generation(self) -> GenerationLayout:
        return JobLayout(self.job.manifest.job_url).operation(TASK).generation(1)

    def summaries(self, shard: int) -> list[dict[str, Any]]:
        files = sorted(file.url for file in self.job.storage.list(self.generation.shard(shard) / "summary-"))
        return [json.loads(self.job.storage.read(url) or b"") for url in files]

    def _count(self, seen: Seen) -> Fault:
        self.times.append(time.monotonic())
        return self.fault(seen)


@pytest.fixture
def shared(seaweedfs: Server, bucket: BucketFactory, tmp_path: Path) -> Iterator[Callable[[int, int], SharedJob]]:
    """``shared(shards, rows)`` publishes a job of so many shards of so many rows; keys are ``<shard>/<row>``."""
    ops = _ops.setdefault(seaweedfs.endpoint_url, "") or bucket(seaweedfs, "shared")
    _ops[seaweedfs.endpoint_url] = ops
    with scripted_s3() as s3:

        def make(shards: int, rows: int) -> SharedJob:
            objects = [S3Object("data", f"{n // rows}/{n % rows:05d}", size=1) for n in range(shards * rows)]
            url = f"s3://{ops}/job-{next(_numbers)}"
            return SharedJob(publish(seaweedfs, url, objects, tmp_path, range_rows=50, shards=shards), s3, rows)

        yield make


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def from_a_hundred_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threshold needs no thousands of objects."""
    monkeypatch.setattr(Policy, "THRESHOLD_FROM", 100)


def limited(limit: float = LIMIT) -> Policy:
    return replace(QUICK, max_requests_per_s=limit)


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_together_shards_keep_to_the_limit_of_the_job(
    shared: Callable[[int, int], SharedJob], pool: ThreadPoolExecutor, shards: int
) -> None:
    """Without it they would send ten times as much."""
    job = shared(shards, 300 // shards)
    runs = [pool.submit(job.attempt, shard, limited()) for shard in range(shards)]
    assert [run.result().succeeded for run in runs] == [300 // shards] * shards
    assert job.most_within(2.0) <= 2 * LIMIT * 1.25 + 10
    for shard in range(shards):
        assert job.summaries(shard)[0]["max_requests_per_s"] == LIMIT


def test_shards_that_run_at_the_same_time_have_even_shares(
    shared: Callable[[int, int], SharedJob], pool: ThreadPoolExecutor
) -> None:
    """Counted once all of them know of one another; the progress lines say so."""
    job = shared(3, 300)
    runs = [pool.submit(job.attempt, shard, limited()) for shard in range(3)]
    for shard in range(3):
        job.wait_for(shard, 30)
    before = [job.sent(shard) for shard in range(3)]
    job.wait_for(0, before[0] + 60)
    others = [job.sent(shard) - before[shard] for shard in (1, 2)]
    assert all(30 <= sent <= 120 for sent in others)
    assert all(run.result().succeeded == 300 for run in runs)
    assert any("requests/s (100 over 3 shards)" in line for line in job.lines)


def test_a_shard_that_joins_takes_its_share_and_no_more(
    shared: Callable[[int, int], SharedJob], pool: ThreadPoolExecutor
) -> None:
    """The first has all of it until then."""
    job = shared(2, 240)
    first = pool.submit(job.attempt, 0, limited())
    job.wait_for(0, 60)
    second = pool.submit(job.attempt, 1, limited())
    assert (first.result().succeeded, second.result().succeeded) == (240, 240)
    assert job.most_within(2.0) <= 2 * LIMIT * 1.25 + 10


def test_repeats_count_against_the_limit(shared: Callable[[int, int], SharedJob]) -> None:
    job = shared(1, 60)
    job.fault = lambda seen: error(500, "InternalError") if seen.number <= 2 else None
    summary = job.attempt(0, limited())
    assert (summary.succeeded, summary.retries) == (60, 120)
    assert job.most_within(2.0) <= 2 * LIMIT * 1.25 + 10


def lost(run: Future[Summary]) -> str:
    """Return why *run* gave up."""
    with pytest.raises(TooManyFailuresError) as caught:
        run.result()
    return str(caught.value)


def all_but_shard_one_fail(seen: Seen) -> Fault:
    if seen.key.startswith("1/"):
        time.sleep(0.05)
        return None
    return error(400, "InvalidTag")


@pytest.mark.usefixtures("from_a_hundred_on")
def test_a_lost_job_stops_where_it_works_and_does_not_begin_where_it_does_not(
    shared: Callable[[int, int], SharedJob], pool: ThreadPoolExecutor
) -> None:
    """And a clear, once the cause is lifted, does all the rest, in whatever order shards start."""
    job = shared(3, 400)
    job.fault = all_but_shard_one_fail
    slow = replace(QUICK, max_concurrency=1)
    healthy = pool.submit(job.attempt, 1, slow)
    job.wait_for(1, 5)
    failing = pool.submit(job.attempt, 0)
    assert "InvalidTag" in lost(failing)
    assert "the job is lost" in lost(healthy)
    assert job.sent(1) < 400
    late = lost(pool.submit(job.attempt, 2))
    assert "in 1 other shards, whose logs say why; nothing was attempted here" in late
    assert "clear this task" in late
    assert job.sent(2) == 0
    rows = job.job.report_rows()
    assert len(rows) == 1_200
    untried = [row for row in rows if row.key.startswith("2/")]
    assert {(row.error_code, "the job is lost" in row.message) for row in untried} == {("NotAttempted", True)}
    job.fault = lambda _: None
    for shard in (2, 1, 0):
        job.attempt(shard)
    assert job.job.report().succeeded == 1_200


@pytest.mark.usefixtures("from_a_hundred_on")
def test_a_rehearsal_that_went_well_does_not_keep_a_shard_from_hearing_that_the_job_is_lost(
    shared: Callable[[int, int], SharedJob], pool: ThreadPoolExecutor
) -> None:
    """It is no attempt that somebody clears, and its counts, of a later try, are older than those of the job."""
    job = shared(2, 120)
    url, store = str(job.job.manifest.job_url), job.job.storage
    rehearse(url, TAGGING, 10, access=job.access, storage=store, task_id=TASK, try_number=5, shares_store=False)
    job.fault = lambda _: error(400, "InvalidTag")
    assert "InvalidTag" in lost(pool.submit(job.attempt, 0))
    sent = job.sent(1)
    assert "nothing was attempted here" in lost(pool.submit(job.attempt, 1))
    assert job.sent(1) == sent > 0


@pytest.mark.usefixtures("from_a_hundred_on")
def test_keep_going_attempts_every_object(shared: Callable[[int, int], SharedJob], pool: ThreadPoolExecutor) -> None:
    job = shared(2, 200)
    job.fault = lambda seen: error(400, "InvalidTag") if seen.key.startswith("0/") else None
    policy = replace(QUICK, keep_going=True)
    assert "200 of 200 objects failed (InvalidTag 200)" in lost(pool.submit(job.attempt, 0, policy))
    assert job.attempt(1, policy).succeeded == 200


@pytest.mark.usefixtures("from_a_hundred_on")
def test_trouble_of_the_store_in_one_shard_stops_no_other_for_good(
    shared: Callable[[int, int], SharedJob], pool: ThreadPoolExecutor
) -> None:
    """Airflow retries it; nobody would clear the others."""
    job = shared(2, 200)
    job.fault = lambda seen: error(500, "InternalError") if seen.key.startswith("0/") else None
    failing = pool.submit(job.attempt, 0, replace(QUICK, max_attempts=1))
    with pytest.raises(InfrastructureError):
        failing.result()
    assert job.attempt(1).succeeded == 200


def test_foreign_files_beside_the_pulses_do_no_harm(shared: Callable[[int, int], SharedJob]) -> None:
    """Neither to the run nor to the report."""
    job = shared(2, 20)
    assert job.attempt(0, limited()).succeeded == 20
    for name in ("README", "shard-00000_nonsense_9_9_runs", "deep/er"):
        job.job.storage.write(job.generation.pulses / name, b"?")
    assert job.attempt(1, limited()).succeeded == 20
    assert job.job.report().succeeded == 40


def test_an_attempt_that_is_told_to_stop_says_that_it_has_ended(shared: Callable[[int, int], SharedJob]) -> None:
    """So that the others take over its share at once."""
    job = shared(2, 200)
    stop = threading.Event()
    job.fault = lambda seen: stop.set() if seen.key == "0/00050" else None
    with pytest.raises(InfrastructureError, match="stopped after"):
        job.attempt(0, stop=stop)
    names = [file.url.key.rpartition("/")[2] for file in job.job.storage.list(job.generation.pulses / "")]
    assert [name.split("_")[0] for name in names] == ["shard-00000"]
    assert names[0].endswith("_0_ended")
