"""Objects a second against workers, and against shards where workers or shards are unequal."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.testing.servers import seaweedfs
from benchmarks.contenders import access
from benchmarks.cpu import Say
from benchmarks.objects import publish_shards
from benchmarks.scale_out.fleet import Course, Job, course
from benchmarks.scale_out.results import Cut, Speed
from benchmarks.scale_out.scope import AT_A_TIME, LATENCY_MS, SLOW_FACTOR, WINDOW, Scope
from benchmarks.servers import JOBS_BUCKET, Endpoint, NullServer, make_buckets, null_server


class Stores(NamedTuple):
    """Where the job's files lie, the objects' store, and the same as a slow worker sees it."""

    files: Endpoint
    store: NullServer
    slow: NullServer

    def job(self, sizes: Sequence[int]) -> Job:
        """Publish a job of shards of these sizes, and of a tiny one before them, which is not measured."""
        # each in a folder of its own: earlier ones, which nobody reports on, would be looked at as rivals
        job_url = f"s3://{JOBS_BUCKET}/{uuid.uuid4().hex}/job"
        return Job(publish_shards(S3Storage(access(self.files)), job_url, [WINDOW, *sizes]), self.files, WINDOW)

    def run(self, job: Job, workers: int, *, slow: int = 0) -> Course:
        """Do *job* with so many workers, *slow* of them slow ones."""
        return course(job, [self.slow] * slow + [self.store] * (workers - slow), uuid.uuid4().hex)


@contextlib.contextmanager
def stores() -> Iterator[Stores]:
    """Start the servers."""
    with seaweedfs() as files, null_server(LATENCY_MS) as store, null_server(LATENCY_MS * SLOW_FACTOR) as slow:
        make_buckets(files)
        yield Stores(Endpoint.of(files), store, slow)


def speeds(scope: Scope, say: Say) -> list[Speed]:
    """Do the same job with each number of workers, in rounds."""
    found: dict[int, list[Course]] = {}
    with stores() as there:
        job = there.job([scope.objects // scope.shards] * scope.shards)
        for _ in range(scope.rounds):
            for workers in scope.workers:
                went = there.run(job, workers)
                found.setdefault(workers, []).append(went)
                say(f"{workers} workers: {went.rate:,.0f} objects/s, {went.cores:.2f} cores")
    return [
        Speed(workers, scope.objects, scope.shards, [went.rate for went in all_], [went.cores for went in all_])
        for workers, all_ in found.items()
    ]


def unequal(objects: int, shards: int) -> list[int]:
    """Return shards of which the first is four times as large as the others, as an unlucky group leaves one."""
    rest = objects // (shards + 3)
    return [objects - rest * (shards - 1), *[rest] * (shards - 1)]


CASES: dict[str, tuple[Callable[[int, int], list[int]], int, bool]] = {
    "equal": (lambda objects, shards: [objects // shards] * shards, 0, False),
    "one worker four times slower": (lambda objects, shards: [objects // shards] * shards, 1, False),
    "one shard four times larger, begun first": (unequal, 0, False),
    "one shard four times larger, begun last": (unequal, 0, True),
}
"""How the shards are cut, how many workers are slow, and whether the shards are begun in the opposite order."""


def cuts(scope: Scope, say: Say) -> list[Cut]:
    """Do a job of so many objects in each number of shards, by eight workers, in each of `CASES`."""
    found = []
    with stores() as there:
        for shards in scope.round_shards:
            for name, (cut, slow, is_reversed) in list(CASES.items())[: scope.cases]:
                job = there.job(cut(scope.round_objects, shards))
                if is_reversed:
                    job = job._replace(shards=[job.shards[0], *reversed(job.shards[1:])])
                went = there.run(job, AT_A_TIME, slow=slow)
                fastest = AT_A_TIME - slow + slow / SLOW_FACTOR
                found.append(Cut(name, shards, went.objects, went.elapsed_s, fastest, _alone_s(went)))
                say(f"{shards} shards, {name}: {went.elapsed_s:.1f} s")
    return found


def _alone_s(went: Course) -> float:
    """Return how long the attempts took, all together."""
    return sum(attempt.ended - attempt.began for attempt in went.attempts)
