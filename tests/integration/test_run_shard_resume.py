"""Whatever interrupts an attempt, the next one goes on where it was, and the report has every row once."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from server_jobs import STRICT, TASK, ServerJob, access_of, client_of, publish, put_objects, set_tags, tags, watched

from airflow_s3batch.core.commits import ordinals_in
from airflow_s3batch.core.errors import (
    InfrastructureError,
    JobChangedError,
    JobDamagedError,
    S3BatchError,
    TooManyFailuresError,
)
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import Policy
from airflow_s3batch.engine.files.storage import S3Storage, StoredFile
from airflow_s3batch.operations import DeleteObject, Operation, PutObjectTagging, RewriteObject
from airflow_s3batch.testing import Server

if TYPE_CHECKING:
    from server_users import BucketFactory

TAGGING = PutObjectTagging({"by": "job"})
RANGE_ROWS = 10

MakeJob = Callable[..., ServerJob]


_numbers = itertools.count(1)
_buckets: dict[str, tuple[str, str]] = {}


@pytest.fixture
def make_job(seaweedfs: Server, bucket: BucketFactory, tmp_path: Path) -> MakeJob:
    """
    ``make_job(rows, gone=0)`` publishes a job; the last *gone* of its objects do not exist.

    All jobs share two buckets, for a new bucket takes the server long; keys end in the row's number, four digits.
    """
    if seaweedfs.endpoint_url not in _buckets:
        _buckets[seaweedfs.endpoint_url] = bucket(seaweedfs, "data"), bucket(seaweedfs, "ops")
    data, ops = _buckets[seaweedfs.endpoint_url]

    def make(rows: int, *, gone: int = 0, range_rows: int = RANGE_ROWS) -> ServerJob:
        name = f"job-{next(_numbers)}"
        keys = [f"{name}-{number:04d}" for number in range(rows)]
        objects = put_objects(seaweedfs, data, keys[: rows - gone])
        objects += [S3Object(data, key, size=4, e_tag="0" * 32) for key in keys[rows - gone :]]
        return publish(seaweedfs, f"s3://{ops}/jobs/{name}", objects, tmp_path, range_rows=range_rows)

    return make


def assert_each_row_once(job: ServerJob, *, failed: int = 0) -> None:
    """Check the report as AWS's readers see it: one row for each object of the manifest."""
    rows = job.report_rows()
    assert Counter(row.key for row in rows) == Counter(obj.key for obj in job.objects)
    assert Counter(row.status for row in rows)["failed"] == failed


KILLED_ATTEMPT = """
import dataclasses, json, sys
from airflow_s3batch.core.manifest import ShardRef
from airflow_s3batch.engine import Policy, run_shard
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.operations import PutObjectTagging as Base
from airflow_s3batch.testing.servers import Server

class PutObjectTagging(Base):
    def steps(self, obj, context):
        steps = super().steps(obj, context)
        request = next(steps)
        stalls = obj.key[-4:] >= "0035" and "/" not in obj.key
        response = yield request._replace(delay_s=3600.0 if stalls else 0.0)
        try:
            steps.send(response)
        except StopIteration as stop:
            return stop.value

server, ref, task = json.loads(sys.argv[1])
server = Server(**server)
run_shard(ShardRef(*ref), PutObjectTagging({"by": "job"}), access=server.access(), storage=S3Storage(server.access()),
          task_id=task, policy=Policy(max_concurrency=2))
"""


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until *condition* holds of the store; there is nothing else that a foreign process could be heard by."""
    deadline = time.monotonic() + 30
    while not condition():
        assert process.poll() is None, "the attempt ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_attempt_is_finished_without_touching_a_committed_object(make_job: MakeJob) -> None:
    """SIGKILL after three of six ranges were committed and half of the fourth was done."""
    job = make_job(60)
    server = {name: getattr(job.server, name) for name in ("endpoint_url", "access_key", "secret_key", "region", "pid")}
    argument = json.dumps([{**server, "identities": {}}, list(job.ref), TASK])
    process = subprocess.Popen([sys.executable, "-c", KILLED_ATTEMPT, argument], cwd=Path(__file__).parents[2])
    try:
        wait_for(lambda: len(job.files(".commit.json")) >= 3, process)
    finally:
        process.kill()
        process.wait()
    committed = job.commits()
    assert [commit.range.index for commit in committed] == [0, 1, 2]
    set_tags(job.server, job.objects[:30], "somebody else")

    summary = job.attempt(TAGGING, try_number=2)

    assert summary.succeeded == 30
    assert [tags(job.server, obj)["by"] for obj in job.objects] == ["somebody else"] * 30 + ["job"] * 30
    assert [commit.range.index for commit in job.commits()[3:]] == [3, 4, 5]
    assert_each_row_once(job)
    assert job.report().is_green


@pytest.mark.parametrize(
    "operation",
    [TAGGING, DeleteObject(), RewriteObject("SSE-S3")],
    ids=lambda operation: operation.name,
)
def test_effects_whose_outcomes_were_lost_are_successes_in_the_next_attempt(
    make_job: MakeJob, operation: Operation
) -> None:
    """Objects are deleted, or rewritten; the commit never arrives; the replay must not call that a failure."""
    job = make_job(20)
    with pytest.raises(InfrastructureError):
        job.attempt(operation, storage=Refusing(job, after=0))
    assert job.commits() == []
    summary = job.attempt(operation, try_number=2)
    assert (summary.succeeded, summary.failed) == (20, 0)
    assert_each_row_once(job)


def test_finished_shard_is_not_worked_on_again(make_job: MakeJob) -> None:
    job = make_job(20)
    job.attempt(TAGGING)
    set_tags(job.server, job.objects, "somebody else")
    assert job.attempt(TAGGING, try_number=2).objects == 0
    assert {tags(job.server, obj)["by"] for obj in job.objects} == {"somebody else"}


def test_only_what_failed_runs_again_once_the_cause_was_fixed(make_job: MakeJob) -> None:
    job = make_job(40, gone=5)
    with pytest.raises(TooManyFailuresError, match=r"5 of 40 objects failed \(NoSuchKey 5\)"):
        job.attempt(TAGGING, policy=STRICT)
    assert_each_row_once(job, failed=5)
    assert not job.report().is_green
    put_objects(job.server, job.objects[0].bucket, [obj.key for obj in job.objects[35:]])
    set_tags(job.server, job.objects[:35], "somebody else")

    summary = job.attempt(TAGGING, policy=STRICT, try_number=2)

    assert (summary.objects, summary.succeeded) == (5, 5)
    assert [tags(job.server, obj)["by"] for obj in job.objects] == ["somebody else"] * 35 + ["job"] * 5
    assert_each_row_once(job)
    assert job.report().is_green


def test_edited_operation_stops_with_a_sentence_and_touches_nothing(make_job: MakeJob) -> None:
    job = make_job(20, gone=1)
    job.attempt(TAGGING)
    with pytest.raises(JobChangedError, match=r"edited since this job began.*pass resume=False"):
        job.attempt(PutObjectTagging({"by": "another job"}), try_number=2)
    assert {tags(job.server, obj)["by"] for obj in job.objects[:19]} == {"job"}
    assert_each_row_once(job, failed=1)


def test_without_resume_everything_is_done_again_beside_what_was(make_job: MakeJob) -> None:
    job = make_job(20)
    job.attempt(TAGGING)
    before = job.files("")
    assert job.attempt(PutObjectTagging({"by": "another job"}), try_number=2, resume=False).succeeded == 20
    assert {tags(job.server, obj)["by"] for obj in job.objects} == {"another job"}
    assert job.files("") == before
    assert len(job.commits(generation=2)) == 2
    assert job.report().operation["tags"] == {"by": "another job"}
    assert_each_row_once(job)


def test_two_attempts_at_once_leave_each_row_once(make_job: MakeJob) -> None:
    """A zombie and its successor work on the same rows at the same time; both commit everything."""
    job = make_job(60, gone=3)
    barrier = threading.Barrier(2, timeout=30)
    met = threading.local()

    def meet(_: S3Object) -> None:
        if not hasattr(met, "once"):
            met.once = True
            barrier.wait()

    operation = watched(PutObjectTagging, meet)(TAGGING.tags)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(job.attempt, operation, try_number=number) for number in (1, 2)]
        assert [run.result().objects for run in runs] == [60, 60]
    assert len(job.commits()) == 12
    assert_each_row_once(job, failed=3)


def test_stop_commits_what_is_done_and_asks_to_be_tried_again(make_job: MakeJob) -> None:
    """No more is begun than what the window still had room for."""
    job = make_job(60)
    stop = threading.Event()

    def stop_at(obj: S3Object) -> None:
        if obj.key.endswith("0025"):
            stop.set()

    operation = watched(PutObjectTagging, stop_at)(TAGGING.tags)
    with pytest.raises(InfrastructureError, match=r"stopped after \d+ objects"):
        job.attempt(operation, stop=stop, policy=Policy(max_concurrency=4))
    done = [row for row in job.report_rows() if row.status == "succeeded"]
    assert 26 <= len(done) <= 26 + 3, "beyond the one that was begun last, a window may have been full"
    assert sorted(row.key for row in done) == [obj.key for obj in job.objects[: len(done)]]
    assert_each_row_once(job, failed=60 - len(done))

    assert job.attempt(TAGGING, try_number=2).objects == 60 - len(done)
    assert_each_row_once(job)


def test_a_shard_in_which_most_objects_fail_stops_early(make_job: MakeJob) -> None:
    """From 1,000 objects on; the rest is in the report as NotAttempted, and runs when the cause was fixed."""
    job = make_job(1_300, gone=1_300, range_rows=100)
    with pytest.raises(TooManyFailuresError, match=r"Stopped early: 1,000 of 1,000 objects failed \(100%\)"):
        job.attempt(TAGGING, policy=replace(STRICT, max_concurrency=16))
    assert_each_row_once(job, failed=1_300)
    codes = Counter(row.error_code for row in job.report_rows())
    assert set(codes) == {"NoSuchKey", "NotAttempted"}
    assert 1_000 <= codes["NoSuchKey"] <= 1_016
    # tolerating what failed does not make a report green in which objects have no outcome
    assert not job.report().is_green
    policy = replace(STRICT, failure_threshold=1.0, allowed_failures=1_300)
    assert job.attempt(TAGGING, try_number=2, policy=policy).objects == 1_300
    assert {row.error_code for row in job.report_rows()} == {"NoSuchKey"}


class Refusing(S3Storage):
    """Writes *after* commits and refuses the next ones, as a store does that runs full."""

    def __init__(self, job: ServerJob, *, after: int, error: type[S3BatchError] = InfrastructureError) -> None:
        super().__init__(access_of(job.server))
        self._left = after
        self._error = error
        self._lock = threading.Lock()

    def write(self, url: S3Url, body: bytes, content_type: str = "application/octet-stream") -> str:
        if url.key.endswith(".commit.json"):
            with self._lock:
                self._left -= 1
                if self._left < 0:
                    raise self._error(f"can't write {url}: InsufficientStorage")
        return super().write(url, body, content_type)


def test_storage_that_begins_to_refuse_loses_nothing_that_was_committed(make_job: MakeJob) -> None:
    job = make_job(120)
    with pytest.raises(InfrastructureError, match=r"can't write .*InsufficientStorage"):
        job.attempt(TAGGING, storage=Refusing(job, after=3), policy=Policy(max_concurrency=4))
    committed = job.commits()
    assert len(committed) == 3
    assert_each_row_once(job, failed=90)
    done = {commit.range.index * RANGE_ROWS + n for commit in committed for n in ordinals_in(commit.attempted)}
    set_tags(job.server, [job.objects[number] for number in done], "somebody else")

    assert job.attempt(TAGGING, try_number=2).objects == 90
    kept = [number for number, obj in enumerate(job.objects) if tags(job.server, obj)["by"] == "somebody else"]
    assert kept == sorted(done)
    assert_each_row_once(job)


def cut(body: bytes) -> bytes:
    return body[: len(body) // 2]


def other_row(body: bytes) -> bytes:
    return body.replace(b"0003", b"0004")


def without_a_failure(body: bytes) -> bytes:
    commit: dict[str, Any] = json.loads(body)
    return json.dumps({**commit, "attempted": [[0, 9]]}).encode()


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".commit.json", cut),
        (".commit.json", without_a_failure),
        (".succeeded.csv", cut),
        (".succeeded.csv", other_row),
        (".succeeded.csv", None),
    ],
)
def test_damaged_result_files_stop_the_next_attempt_and_the_report(
    make_job: MakeJob, suffix: str, damage: Callable[[bytes], bytes] | None
) -> None:
    """A file cut short, altered or deleted is never counted as work done, nor silently done again."""
    job = make_job(20, gone=1)
    job.attempt(TAGGING)
    key, body = job.files(suffix)[0]
    client, ops = client_of(job.server), job.manifest.job_url.bucket
    if damage is None:
        client.delete_object(Bucket=ops, Key=key)
    else:
        client.put_object(Bucket=ops, Key=key, Body=damage(body))
    set_tags(job.server, job.objects[:19], "somebody else")
    with pytest.raises(JobDamagedError, match=PurePosixPath(key).name):
        job.attempt(TAGGING, try_number=2)
    with pytest.raises(JobDamagedError, match=PurePosixPath(key).name):
        job.report()
    assert {tags(job.server, obj)["by"] for obj in job.objects[:19]} == {"somebody else"}


@pytest.mark.parametrize("shown", ["", "another"], ids=["none", "another"])
def test_result_files_with_another_e_tag_are_known_by_their_content(make_job: MakeJob, shown: str) -> None:
    """As they are once somebody has put them back, or encrypted them anew; some listings show no ETags at all."""

    class OtherETags(S3Storage):
        def list(self, prefix: S3Url) -> Iterator[StoredFile]:
            return (file._replace(e_tag=shown) for file in super().list(prefix))

    job = make_job(20, gone=1)
    job.attempt(TAGGING)
    job = job._replace(storage=OtherETags(access_of(job.server)))
    assert job.attempt(TAGGING, try_number=2).earlier == 19
    assert len(job.report_rows()) == 20
