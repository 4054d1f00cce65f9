"""Several jobs at once on real servers: they share a rate, a store's patience, and notice one another."""

from __future__ import annotations

import bisect
import contextlib
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from deaths import fork
from scripted_server import Fault, ScriptedS3, Seen, error, scripted_s3
from server_jobs import TASK, ServerJob, access_of, publish

from airflow_s3batch.core.errors import InfrastructureError, RivalError
from airflow_s3batch.core.layout import JobLayout, running_jobs, shared_rates
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Summary
from airflow_s3batch.core.shared_rate import SharedRate
from airflow_s3batch.engine import Policy, S3Access
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.engine.loop.progress import Snapshot
from airflow_s3batch.operations import DeleteObject, PutObjectTagging

if TYPE_CHECKING:
    from server_users import BucketFactory

    from airflow_s3batch.operations import Operation
    from airflow_s3batch.testing import Server

TAGGING = PutObjectTagging({"by": "job"})
LIMIT = 150.0
QUICK = Policy(tolerate=frozenset(), pulse_every_s=0.5, progress_every_s=0.5, max_concurrency=16)
SHARED = replace(QUICK, shared_rate=SharedRate("lake", LIMIT))
_jobs = itertools.count(1)


class Jobs:
    """Jobs below one ``job_url`` on a real server; their objects are on one that does as it is told and counts."""

    def __init__(self, server: Server, ops: str, s3: ScriptedS3, folder: Path) -> None:
        self.server = server
        self.ops = ops
        self.folder = folder
        self.times: list[tuple[float, str]] = []
        self.fault: Callable[[Seen], Fault] = lambda _: None
        self.lines: list[str] = []
        self.notices: list[str] = []
        self.stop = threading.Event()
        self.access = S3Access(boto3.session.Session("key", "secret", region_name="us-east-1"), s3.endpoint_url)
        s3.fault = self._count

    def publish(self, name: str, rows: int, shards: int = 1, keys: str = "") -> ServerJob:
        """Publish a job whose keys begin with its name, or with *keys*; it selects what all jobs of this test do."""
        objects = [S3Object("data", f"{keys or name}/{n:05d}", size=1) for n in range(rows * shards)]
        url = f"s3://{self.ops}/{name}-{next(_jobs)}"
        job = publish(self.server, url, objects, self.folder, range_rows=50, shards=shards)
        document = {"rows_fingerprint": "all", "about": {"dag_id": f"dag_{name}", "run_id": "manual__1"}}
        job.storage.write(JobLayout(job.manifest.job_url).job, json.dumps(document).encode())
        return job

    def attempt(self, job: ServerJob, shard: int = 0, policy: Policy = SHARED, operation: Any = TAGGING) -> Summary:
        def tell(snapshot: Snapshot) -> None:
            self.notices.append(snapshot.notice)

        return job.attempt(
            operation,
            shard,
            access=self.access,
            policy=policy,
            shares_store=False,
            stop=self.stop,
            progress=self.lines.append,
            tell=tell,
        )

    def sent(self, name: str) -> int:
        """Return how many requests came for the objects of a job."""
        return sum(key.startswith(f"{name}/") for _, key in list(self.times))

    def wait(self, what: Callable[[], Any]) -> None:
        """Return once *what* is true."""
        for _ in range(3_000):
            if what():
                return
            time.sleep(0.01)
        raise AssertionError(f"nothing of the kind in half a minute; the last lines: {self.lines[-4:]}")

    def told(self, part: str, since: int = 0) -> bool:
        return any(part in line for line in self.lines[since:])

    def most_within(self, seconds: float) -> int:
        """Return the largest number of requests that arrived within any *seconds*."""
        times = sorted(at for at, _ in self.times)
        return max(bisect.bisect_left(times, at + seconds) - i for i, at in enumerate(times))

    def _count(self, seen: Seen) -> Fault:
        self.times.append((time.monotonic(), seen.key))
        return self.fault(seen)


@pytest.fixture
def jobs(seaweedfs: Server, bucket: BucketFactory, tmp_path: Path) -> Iterator[Jobs]:
    with scripted_s3() as s3:
        jobs = Jobs(seaweedfs, bucket(seaweedfs, "several"), s3, tmp_path)
        yield jobs
        jobs.stop.set()


@contextlib.contextmanager
def running(jobs: Jobs) -> Iterator[Callable[..., Future[Summary]]]:
    """Give a function that begins an attempt; all are stopped, and have ended, when the context does."""
    futures: list[Future[Summary]] = []
    with ThreadPoolExecutor(4) as pool:

        def begin(*arguments: Any) -> Future[Summary]:
            futures.append(pool.submit(jobs.attempt, *arguments))
            return futures[-1]

        try:
            yield begin
        finally:
            jobs.stop.set()
    for future in futures:
        with contextlib.suppress(InfrastructureError):  # stopped before its last object
            future.result()


def fairness(*shares: float) -> float:
    """Return Jain's index: 1 if all shares are the same, 1/n if one has all."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def test_two_jobs_share_a_rate_evenly_whatever_the_number_of_their_shards(jobs: Jobs) -> None:
    """Together they keep to it from the first second on; the progress line and the page say with whom."""
    one, two = jobs.publish("one", 1_000), jobs.publish("two", 500, shards=2)
    with running(jobs) as begin:
        for job, shard in ((one, 0), (two, 0), (two, 1)):
            begin(job, shard)
        jobs.wait(lambda: jobs.told("of 75 requests/s (lake: 150 over 2 jobs)"))
        jobs.wait(lambda: jobs.told("of 38 requests/s (lake: 150 over 2 jobs)"))
        jobs.wait(lambda: any("with 1 other job." in notice for notice in jobs.notices))
    assert jobs.most_within(2.0) <= 2 * LIMIT * 1.25 + 10
    assert not list(one.storage.list(shared_rates(JobLayout(one.manifest.job_url).jobs, "lake") / ""))


def test_the_share_of_a_killed_job_goes_to_the_other(jobs: Jobs) -> None:
    """Within three signs of life."""
    dying, other = jobs.publish("dying", 2_000), jobs.publish("other", 2_000)

    def work(_: Any) -> str:
        jobs.attempt(dying._replace(storage=S3Storage(access_of(jobs.server))))
        return ""

    child = fork(work)
    try:
        with running(jobs) as begin:
            begin(other)
            jobs.wait(lambda: jobs.told("lake: 150 over 2 jobs") and jobs.sent("dying") > 30)
            child.kill()
            lines = len(jobs.lines)
            jobs.wait(lambda: jobs.told("of 150 requests/s (lake: 150 over this job alone)", lines))
    finally:
        child.discard()


def test_two_jobs_have_even_shares_of_what_a_store_grants_that_throttles(jobs: Jobs) -> None:
    """They know nothing of one another, and one has four times the concurrency."""
    granted, lock = Counter[str](), threading.Lock()
    room, last = 20.0, time.monotonic()

    def throttle(seen: Seen) -> Fault:
        nonlocal room, last
        with lock:
            now = time.monotonic()
            room, last = min(20.0, room + 200.0 * (now - last)), now
            if room < 1.0:
                return error(503, "SlowDown")
            room -= 1.0
            granted[seen.key.partition("/")[0]] += 1
        time.sleep(0.05)
        return None

    jobs.fault = throttle
    small, large = jobs.publish("small", 3_000), jobs.publish("large", 3_000)
    with running(jobs) as begin:
        begin(small, 0, replace(QUICK, max_concurrency=32))
        begin(large, 0, replace(QUICK, max_concurrency=128))
        jobs.wait(lambda: sum(granted.values()) > 400)
        before = granted.copy()
        jobs.wait(lambda: (granted - before).total() > 500)
        after = granted - before
    assert fairness(after["small"], after["large"]) > 0.8


def test_a_job_notices_another_on_the_same_objects_and_none_on_others(jobs: Jobs) -> None:
    """By the keys in the manifests' files; what would do harm twice at a time is refused."""
    first, again, apart = jobs.publish("same", 2_000), jobs.publish("x", 50, keys="same"), jobs.publish("apart", 50)
    with running(jobs) as begin:
        begin(first, 0, replace(QUICK, max_requests_per_s=50.0))
        jobs.wait(lambda: jobs.sent("same") > 10)
        stop, jobs.stop = jobs.stop, threading.Event()
        assert jobs.attempt(apart, 0, QUICK).succeeded == 50
        assert not any(jobs.notices)
        assert jobs.attempt(again, 0, QUICK).succeeded == 50
        assert any("The same is being done by another job already" in notice for notice in jobs.notices)
        assert any("dag_same manual__1" in notice for notice in jobs.notices)
        delete: Operation = DeleteObject()
        with pytest.raises(RivalError, match="another job may be at work on the same objects"):
            jobs.attempt(jobs.publish("y", 50, keys="same"), 0, replace(QUICK, if_running="refuse"), delete)
        stop.set()
    folder = running_jobs(JobLayout(first.manifest.job_url).jobs)
    assert len(list(first.storage.list(folder / ""))) == 4


def test_the_files_of_jobs_at_work_go_with_the_report(jobs: Jobs) -> None:
    from airflow_s3batch.engine.jobs.running import forget_running

    job = jobs.publish("a", 50)
    layout = JobLayout(job.manifest.job_url)
    assert jobs.attempt(job, 0, QUICK).succeeded == 50
    assert len(list(job.storage.list(running_jobs(layout.jobs) / ""))) == 1
    forget_running(job.storage, layout, TASK)
    assert not list(job.storage.list(running_jobs(layout.jobs) / ""))
