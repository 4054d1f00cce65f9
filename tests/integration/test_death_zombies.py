"""A dead attempt that isn't: two processes on one shard, in any order of their ends, leave each row once."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from deaths import Child, Ending, Hook, HookedStorage, attempt
from server_jobs import ServerJob, client_of, publish, put_objects, tags

from airflow_s3batch.core.errors import InfrastructureError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine import Policy
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.shards.doubts import Doubts
from airflow_s3batch.operations import DeleteObject, Operation, PutObjectTagging, RewriteObject
from airflow_s3batch.testing import Server

if TYPE_CHECKING:
    from server_users import BucketFactory

ROWS, RANGE, GONE = 60, 10, (7, 33)
TAGGING = PutObjectTagging({"by": "job"})

_numbers = itertools.count(1)
_buckets: dict[str, tuple[str, str]] = {}


class SingleDelete(DeleteObject):
    """Puts each object in a request of its own."""

    batch_size: ClassVar[int] = 1


@pytest.fixture
def job(seaweedfs: Server, bucket: BucketFactory, tmp_path: Path) -> ServerJob:
    """Six ranges; two of the objects do not exist."""
    if seaweedfs.endpoint_url not in _buckets:
        _buckets[seaweedfs.endpoint_url] = bucket(seaweedfs, "data"), bucket(seaweedfs, "ops")
    data, ops = _buckets[seaweedfs.endpoint_url]
    name = f"zombie-{next(_numbers)}"
    keys = [f"{name}-{number:04d}" for number in range(ROWS)]
    put = put_objects(seaweedfs, data, [key for number, key in enumerate(keys) if number not in GONE])
    absent = [S3Object(data, keys[number], size=4, e_tag="0" * 32) for number in GONE]
    objects = sorted([*put, *absent], key=lambda obj: obj.key)
    return publish(seaweedfs, f"s3://{ops}/{name}", objects, tmp_path, range_rows=RANGE)


def told(job: ServerJob) -> dict[int, str]:
    """Return the error codes of the report by row; each row is in it once, and each listed file is whole."""
    rows = job.report_rows()
    assert Counter(row.key for row in rows) == Counter(obj.key for obj in job.objects)
    return {int(row.key[-4:]): row.error_code for row in rows if row.error_code}


def slowly(seconds: float) -> Hook:
    """Return a hook that makes each write take so much longer."""
    return lambda when, _: time.sleep(seconds) if when == "before" else None


def is_gone(job: ServerJob) -> bool:
    listed = client_of(job.server).list_objects_v2(Bucket=job.objects[0].bucket, Prefix=job.objects[0].key[:-4])
    return listed["KeyCount"] == 0


def is_tagged(job: ServerJob) -> bool:
    return all(tags(job.server, obj) == {"by": "job"} for n, obj in enumerate(job.objects) if n not in GONE)


@pytest.mark.parametrize("pace_s", [0.0, 0.03], ids=["both-quick", "zombie-slow"])
@pytest.mark.parametrize(
    "operation", [TAGGING, DeleteObject(), RewriteObject("SSE-S3")], ids=lambda operation: operation.name
)
def test_two_processes_at_once_leave_each_row_once(job: ServerJob, operation: Operation, pace_s: float) -> None:
    policy = Policy(max_concurrency=2)
    with (
        attempt(job, operation, slowly(pace_s), policy=policy) as zombie,
        attempt(job, operation, try_number=2, policy=policy) as successor,
    ):
        endings = zombie.end(), successor.end()
    assert [ending.error for ending in endings] == ["", ""], endings
    codes = told(job)
    if isinstance(operation, DeleteObject):  # which of the two has deleted it, neither can tell
        assert set(codes) <= set(GONE)
        assert is_gone(job)
    else:
        assert codes == dict.fromkeys(GONE, "NoSuchKey")
    assert job.report().is_green


def frozen_at(job: ServerJob, place: str, nth: int) -> tuple[Any, Child]:
    """Begin an attempt and stop its process, as a paused virtual machine does, just before it writes to *place*."""
    seen: list[str] = []

    def freeze(when: str, what: str) -> None:
        seen.extend([what] if (when, what) == ("before", place) else [])
        if len(seen) == nth and (when, what) == ("before", place):
            import os

            os.kill(os.getpid(), signal.SIGSTOP)

    context = attempt(job, TAGGING, freeze, policy=Policy(max_concurrency=1))
    child = context.__enter__()
    wait_until_stopped(child)
    return context, child


def wait_until_stopped(child: Child) -> None:
    status = Path(f"/proc/{child.pid}/stat")
    deadline = time.monotonic() + 60
    while status.read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline, "the attempt was never stopped"
        time.sleep(0.02)


@pytest.mark.parametrize(("place", "nth"), [("succeeded part", 1), ("commit", 1), ("commit", 4), ("summary", 1)])
def test_zombie_that_wakes_up_after_the_report_changes_nothing_in_it(job: ServerJob, place: str, nth: int) -> None:
    """It goes on where it was stopped and commits; the report made before and the one made after say the same."""
    context, zombie = frozen_at(job, place, nth)
    try:
        job.attempt(TAGGING, try_number=2)
        before, first = told(job), job.report()
        commits = len(job.commits())
        zombie.kill(signal.SIGCONT)
        assert zombie.end().error == ""
    finally:
        context.__exit__(None, None, None)
    assert place == "summary" or len(job.commits()) > commits, "the zombie committed nothing"
    assert before == told(job) == dict.fromkeys(GONE, "NoSuchKey")
    again = job.report()
    assert (again.succeeded, again.failed, again.bytes) == (first.succeeded, first.failed, first.bytes)
    assert is_tagged(job)


def test_shard_is_finished_for_the_attempt_after_a_zombie(job: ServerJob) -> None:
    """Whoever comes third has only what failed left to do."""
    context, zombie = frozen_at(job, "commit", 2)
    try:
        job.attempt(TAGGING, try_number=2)
        zombie.kill(signal.SIGCONT)
        zombie.end()
    finally:
        context.__exit__(None, None, None)
    with attempt(job, TAGGING, try_number=3) as child:
        assert child.end() == Ending(0, "", {"objects": 2, "succeeded": 0, "earlier": 58})


def failing_rival(when: str, place: str) -> None:
    if (when, place) == ("before", "succeeded part"):
        raise InfrastructureError("the rival can't write")


@pytest.mark.parametrize("has_predecessor", [False, True], ids=["first", "after-one-that-ended-in-order"])
@pytest.mark.parametrize("operation", [DeleteObject(), SingleDelete()], ids=["in-bulk", "one-by-one"])
def test_objects_that_a_rival_deleted_and_did_not_record_are_no_failures(
    job: ServerJob, operation: Operation, *, has_predecessor: bool
) -> None:
    """
    Two begin at once; what one finds gone may be the other's doing, so it looks again as a replay.

    Rows that an earlier attempt is known not to have touched are no exception: the rival may have.
    """
    if has_predecessor:
        stop = threading.Event()
        stop.set()
        with pytest.raises(InfrastructureError, match="stopped after 0 objects"):
            job.attempt(operation, stop=stop)

    def run_rival(when: str, place: str) -> None:
        if (when, place) == ("after", "announcement"):
            with pytest.raises(InfrastructureError, match="the rival can't write"):
                job.attempt(operation, storage=HookedStorage(job.server, failing_rival))

    assert job.attempt(operation, storage=HookedStorage(job.server, run_rival)).succeeded == ROWS
    assert is_gone(job)
    assert told(job) == {}


def test_a_stop_while_rows_are_in_doubt_leaves_them_to_the_next_attempt(
    job: ServerJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And does not wait a second time for what is in flight: it was given its time when the stop came."""
    stop, look, run, runs = threading.Event(), Doubts._look, Executor.run, []

    def stop_after_the_look(self: Doubts) -> None:
        look(self)
        stop.set()

    def counted(self: Executor, *args: Any, **more: Any) -> None:
        runs.append(self)
        run(self, *args, **more)

    def run_rival(when: str, place: str) -> None:
        if (when, place) == ("after", "announcement"):
            with pytest.raises(InfrastructureError, match="the rival can't write"):
                job.attempt(SingleDelete(), storage=HookedStorage(job.server, failing_rival))
            monkeypatch.setattr(Doubts, "_look", stop_after_the_look)
            monkeypatch.setattr(Executor, "run", counted)

    with pytest.raises(InfrastructureError, match=r"stopped after \d+ objects; the rest is left to do"):
        job.attempt(SingleDelete(), storage=HookedStorage(job.server, run_rival), stop=stop)
    assert len(runs) == 1
    rest = job.attempt(SingleDelete(), try_number=2)
    assert rest.succeeded > 0
    assert rest.earlier + rest.succeeded == ROWS
    assert is_gone(job)
    assert told(job) == {}


def test_what_an_attempt_finds_gone_while_it_is_alone_is_a_failure_at_once(job: ServerJob) -> None:
    """Tolerated, unless the user says otherwise; no later attempt is needed."""
    assert job.attempt(DeleteObject()).succeeded == ROWS - len(GONE)
    assert told(job) == dict.fromkeys(GONE, "NoSuchKey")
