"""So many workers on one published job: each takes the next shard as soon as it has done one, as Airflow's slots do."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from airflow_s3batch.core.manifest import ShardRef
from benchmarks.scale_out.worker import Attempt
from benchmarks.servers import Endpoint, NullServer


class Course(NamedTuple):
    """
    How a job went.

    Attributes:
        elapsed_s: from the first shard handed out to the last one done.
        cpu_s: of all workers, their start aside.
        attempts: in the order in which they ended.
    """

    workers: int
    elapsed_s: float
    cpu_s: float
    attempts: Sequence[Attempt]

    @property
    def objects(self) -> int:
        """Objects of the job."""
        return sum(done.rows for done in self.attempts)

    @property
    def rate(self) -> float:
        """Objects a second."""
        return self.objects / self.elapsed_s

    @property
    def cores(self) -> float:
        """CPU time of the workers by wall time."""
        return self.cpu_s / self.elapsed_s


class Job(NamedTuple):
    """A published job, and where its objects are; *window* requests are in flight in one worker."""

    shards: Sequence[ShardRef]
    storage: Endpoint
    window: int


def course(job: Job, stores: Sequence[NullServer], run: str) -> Course:
    """
    Do *job* with a worker for each of *stores*, which may be the same store several times; *run* names its results.

    The first shard is done before the clock starts, by one worker: with it comes the try-out of the operation, which
    each job has once.

    Raises:
        RuntimeError: a worker failed; the message is the end of what it wrote.
    """
    shards: SimpleQueue[ShardRef] = SimpleQueue()
    for ref in job.shards[1:]:
        shards.put(ref)
    done: list[Attempt] = []
    failures: list[str] = []
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_worker(job, store, run)) for store in stores]
        for worker in workers:
            _line(worker)
        _given(workers[-1], job.shards[0])
        began = time.monotonic()
        threads = [threading.Thread(target=_feed, args=(worker, shards, done, failures)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        elapsed_s = time.monotonic() - began
    if failures:
        raise RuntimeError(failures[0])
    return Course(len(stores), elapsed_s, sum(attempt.cpu_s for attempt in done), done)


def _feed(
    worker: subprocess.Popen[str], shards: SimpleQueue[ShardRef], done: list[Attempt], failures: list[str]
) -> None:
    """Give *worker* shards until there are none, or one has failed somewhere."""
    try:
        while not failures:
            done.append(_given(worker, shards.get_nowait()))
    except Empty:
        return
    except Exception as error:  # noqa: BLE001 - told by the thread that waits
        failures.append(str(error))


def _given(worker: subprocess.Popen[str], ref: ShardRef) -> Attempt:
    """Have *worker* do the shard *ref*."""
    assert worker.stdin is not None
    print(json.dumps([ref.shard, ref.rows]), file=worker.stdin, flush=True)
    return Attempt(*json.loads(_line(worker)))


@contextlib.contextmanager
def _worker(job: Job, store: NullServer, run: str) -> Iterator[subprocess.Popen[str]]:
    place = {
        "endpoint": store.endpoint,
        "storage": job.storage,
        "job_url": job.shards[0].job_url,
        "run": run,
        "window": job.window,
    }
    command = [sys.executable, "-m", "benchmarks.scale_out.worker", json.dumps(place)]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def _line(worker: subprocess.Popen[str]) -> str:
    """Return the next line that *worker* writes."""
    assert worker.stdout is not None
    assert worker.stderr is not None
    line = worker.stdout.readline()
    if not line:
        raise RuntimeError(f"a worker failed: {worker.stderr.read().strip()[-2_000:]}")
    return line
