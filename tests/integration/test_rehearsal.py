"""A rehearsal is done to a few random objects; the job does the rest, whatever is killed, and each row is told once."""

from __future__ import annotations

import functools
import itertools
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from deaths import Ending, HookedStorage, LeaveReceipt, dying_at, executions, fork
from server_jobs import TASK, ServerJob, access_of, client_of, publish, put_objects, set_tags, tags

from airflow_s3batch.core.errors import InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine import Policy
from airflow_s3batch.engine.checks.rehearsal import Rehearsal, rehearse
from airflow_s3batch.engine.checks.sampling import sampled
from airflow_s3batch.operations import DeleteObject, Operation, PutObjectTagging
from airflow_s3batch.testing import Server

if TYPE_CHECKING:
    from server_users import BucketFactory

TAGGING = PutObjectTagging({"by": "job"})
ROWS, SHARDS, RANGE, SAMPLE = 24, 2, 6, 6
STRICT = Policy(tolerate=frozenset())
MakeJob = Callable[..., ServerJob]
_numbers = itertools.count(1)
_buckets: dict[str, tuple[str, str]] = {}


@pytest.fixture
def make_job(seaweedfs: Server, bucket: BucketFactory, tmp_path: Path) -> MakeJob:
    """``make_job(gone=lambda n: False)`` publishes a job of `ROWS` objects, some of which don't exist."""
    if seaweedfs.endpoint_url not in _buckets:
        data, ops = _buckets[seaweedfs.endpoint_url] = bucket(seaweedfs, "data"), bucket(seaweedfs, "ops")
        client_of(seaweedfs).put_bucket_versioning(Bucket=data, VersioningConfiguration={"Status": "Enabled"})
    data, ops = _buckets[seaweedfs.endpoint_url]

    def make(gone: Callable[[int], bool] = lambda _: False) -> ServerJob:
        name = f"job-{next(_numbers)}"
        keys = [f"{name}-{number:04d}" for number in range(ROWS)]
        stored = {obj.key: obj for obj in put_objects(seaweedfs, data, (k for n, k in enumerate(keys) if not gone(n)))}
        objects = [stored.get(key, S3Object(data, key, size=4, e_tag="0" * 32)) for key in keys]
        return publish(seaweedfs, f"s3://{ops}/{name}", objects, tmp_path, range_rows=RANGE, shards=SHARDS)

    return make


def rehearsed(job: ServerJob, operation: Operation = TAGGING, objects: int = SAMPLE, **arguments: Any) -> Rehearsal:
    arguments.setdefault("storage", job.storage)
    arguments.setdefault("access", access_of(job.server))
    return rehearse(str(job.manifest.job_url), operation, objects, task_id=TASK, **arguments)


def sample_of(job: ServerJob, objects: int = SAMPLE) -> list[int]:
    """Return the rows that are rehearsed on."""
    per_shard = ROWS // SHARDS
    return [
        shard * per_shard + index * RANGE + ordinal
        for shard, ranges in sampled(job.manifest, objects).items()
        for index, flags in ranges.items()
        for ordinal, flag in enumerate(flags)
        if flag
    ]


def run_all(job: ServerJob, operation: Operation = TAGGING, **arguments: Any) -> int:
    """Run all shards; return how many objects were done."""
    return sum(job.attempt(operation, shard, **arguments).succeeded for shard in range(SHARDS))


def told_once(job: ServerJob) -> dict[str, str]:
    """Return the report's error codes by key; each row is there once."""
    rows = job.report_rows()
    assert Counter(row.key for row in rows) == Counter(obj.key for obj in job.objects)
    return {row.key: row.error_code for row in rows}


def test_the_job_does_the_rest_and_the_report_tells_of_both(make_job: MakeJob) -> None:
    job = make_job()
    rehearsal = rehearsed(job)
    sample = [job.objects[number] for number in sample_of(job)]
    assert (rehearsal.objects, rehearsal.tally.succeeded, rehearsal.is_green) == (SAMPLE, SAMPLE, True)
    assert {obj.key for obj in job.objects if tags(job.server, obj)} == {obj.key for obj in sample}
    set_tags(job.server, sample, "somebody else")
    assert run_all(job) == ROWS - SAMPLE
    by = Counter(tags(job.server, obj)["by"] for obj in job.objects)
    assert by == {"job": ROWS - SAMPLE, "somebody else": SAMPLE}
    assert set(told_once(job).values()) == {""}
    summary = job.report()
    assert summary.is_green
    assert summary.rehearsal is not None
    assert (summary.rehearsal["objects"], summary.rehearsal["succeeded"]) == (SAMPLE, SAMPLE)
    assert f"rehearsal of put_object_tagging on {SAMPLE} random objects of {ROWS}" in summary.rehearsal["sentence"]


def test_clearing_a_rehearsal_that_succeeded_does_nothing(make_job: MakeJob) -> None:
    job = make_job()
    rehearsed(job)
    again = rehearsed(job, try_number=2)
    assert (again.requests, again.tally.succeeded, again.is_green) == (0, SAMPLE, True)


def test_too_many_failures_keep_the_job_from_being_run(make_job: MakeJob) -> None:
    """The task fails for good with what to do; rows that were not rehearsed say why nothing was done to them."""
    job = make_job(gone=lambda number: True)
    with pytest.raises(TooManyFailuresError) as error:
        rehearsed(job, policy=STRICT)
    told = str(error.value)
    assert f"{SAMPLE} of {SAMPLE} objects failed (NoSuchKey {SAMPLE}); {SAMPLE} count, 0 are allowed. First: " in told
    assert "The job was not run. Fix the cause and clear this task" in told
    codes = told_once(job)
    assert Counter(codes.values()) == {"NoSuchKey": SAMPLE, "NotAttempted": ROWS - SAMPLE}
    messages = {row.message for row in job.report_rows() if row.error_code == "NotAttempted"}
    assert messages == {f"the rehearsal failed ({SAMPLE} of its {SAMPLE} objects), so the job was not run"}
    assert not job.report().is_green


def test_as_many_may_fail_as_are_allowed_and_the_job_tries_them_again(make_job: MakeJob) -> None:
    job = make_job()
    lost = job.objects[sample_of(job)[0]]
    client_of(job.server).delete_object(Bucket=lost.bucket, Key=lost.key)
    rehearsal = rehearsed(job, policy=Policy(tolerate=frozenset(), allowed_failures=1))
    assert (rehearsal.counted, rehearsal.is_green) == (1, True)
    put_objects(job.server, lost.bucket, [lost.key])
    assert run_all(job) == ROWS - SAMPLE + 1
    assert set(told_once(job).values()) == {""}


def test_attempts_of_both_tasks_sort_by_age(make_job: MakeJob) -> None:
    """However many tries the rehearsal took: the later of two failures is told, and the newest pulse counts."""
    job = make_job(gone=lambda number: True)
    lenient = Policy(tolerate=frozenset(), allowed_failures=ROWS, keep_going=True)
    run = functools.partial(job.attempt, TAGGING)
    again = functools.partial(rehearsed, job)
    for task, try_number in ((again, 1), (again, 3), (run, 1), (run, 2), (again, 4), (run, 3)):
        task(policy=lenient, try_number=try_number)
    names = sorted(key.rpartition("attempt-")[2] for key, _ in job.files(".json") if "/attempt-" in key)
    times = [int(name.split("-")[1]) for name in names]
    assert len(times) == 6
    assert times == sorted(times)


def test_after_a_rehearsal_without_failures_nothing_is_taken_for_a_replay(make_job: MakeJob) -> None:
    """An object that vanished by itself is not called deleted by us."""
    job = make_job()
    rehearsed(job, DeleteObject())
    gone = next(obj for number, obj in enumerate(job.objects) if number not in sample_of(job))
    client_of(job.server).delete_object(Bucket=gone.bucket, Key=gone.key)
    run_all(job, DeleteObject())
    assert {key: code for key, code in told_once(job).items() if code} == {gone.key: "NoSuchKey"}


def test_a_sample_that_is_larger_than_the_manifest_is_all_of_it(make_job: MakeJob) -> None:
    job = make_job()
    assert rehearsed(job, objects=1_000).objects == ROWS
    assert run_all(job) == 0
    assert set(told_once(job).values()) == {""}


def test_starting_over_keeps_what_was_rehearsed_for_it(make_job: MakeJob) -> None:
    """With ``resume=False`` the rehearsal opens a generation, and the job goes on in it, once."""
    job = make_job()
    for generation in (1, 2):
        assert rehearsed(job, resume=False).tally.succeeded == SAMPLE
        assert rehearsed(job, resume=False).requests == 0
        set_tags(job.server, [job.objects[number] for number in sample_of(job)], "somebody else")
        assert run_all(job, resume=False) == ROWS - SAMPLE
        by = Counter(tags(job.server, obj)["by"] for obj in job.objects)
        assert by == {"job": ROWS - SAMPLE, "somebody else": SAMPLE}, generation
        assert set(told_once(job).values()) == {""}
    assert sorted(job.storage.folders(JobLayout(job.manifest.job_url).operation(TASK).url)) == ["g0001", "g0002"]


def test_a_rehearsal_that_is_asked_to_stop_is_tried_again(make_job: MakeJob) -> None:
    job = make_job()
    stop = threading.Event()
    stop.set()
    with pytest.raises(InfrastructureError, match="the next attempt does the rest"):
        rehearsed(job, stop=stop)
    assert rehearsed(job, try_number=2).tally.succeeded == SAMPLE
    assert set(told_once(job).values()) == {"", "NotAttempted"}


def killed(job: ServerJob, operation: Operation, when: str, place: str, nth: int) -> None:
    """Rehearse in a process that dies as by ``kill -9``."""

    def work(_: Callable[[Any], None]) -> Any:
        storage = HookedStorage(job.server, dying_at(when, place, nth=nth))
        return rehearsed(job, operation, storage=storage).counts()

    child = fork(work)
    try:
        assert child.end() == Ending(signal.SIGKILL)
    finally:
        child.discard()


@pytest.mark.parametrize(("when", "nth"), [("before", 1), ("after", 2)])
def test_a_killed_rehearsal_goes_on_with_the_same_objects(make_job: MakeJob, when: str, nth: int) -> None:
    """What was committed is not done again, and nothing is done but the sample."""
    job = make_job()
    killed(job, TAGGING, when, "commit", nth)
    before = {obj.key for obj in job.objects if tags(job.server, obj)}
    assert rehearsed(job, try_number=2).tally.succeeded == SAMPLE
    sample = {job.objects[number].key for number in sample_of(job)}
    assert before <= sample == {obj.key for obj in job.objects if tags(job.server, obj)}
    run_all(job)
    assert set(told_once(job).values()) == {""}


def test_of_what_must_not_be_done_twice_only_rehearsed_rows_are_in_doubt(make_job: MakeJob) -> None:
    """A claim of a rehearsal names its rows: the rest of the range is done, each object at most once."""
    job = make_job()
    killed(job, LeaveReceipt(), "before", "commit", 1)
    with pytest.raises(TooManyFailuresError, match="OutcomeUnknown"):
        rehearsed(job, LeaveReceipt(), try_number=2)
    with pytest.raises(TooManyFailuresError, match="OutcomeUnknown"):
        run_all(job, LeaveReceipt())
    for shard in range(SHARDS):
        job.attempt(LeaveReceipt(), shard, policy=Policy(allowed_failures=ROWS))
    sample = {job.objects[number].key for number in sample_of(job)}
    codes = told_once(job)
    unknown = {key for key, code in codes.items() if code == "OutcomeUnknown"}
    assert unknown
    assert unknown <= sample
    assert set(codes.values()) == {"", "OutcomeUnknown"}
    assert max(executions(job.server, job.objects)) == 1
