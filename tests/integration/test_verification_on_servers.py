"""Second looks at what a job has done, on real servers: all or a sample, killed or not, and what the report says."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from server_jobs import NOW, TASK, ServerJob, access_of, client_of, publish, put_objects, tags

from airflow_s3batch import testing
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome, Summary
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import Policy
from airflow_s3batch.engine.checks.verification import Verification
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.operations import (
    CopyObject,
    DeleteObject,
    DeleteObjectTagging,
    InOrder,
    Operation,
    PutObjectTagging,
    Request,
)
from airflow_s3batch.operations.requests import Steps
from airflow_s3batch.operations.verification import Done
from airflow_s3batch.reports import JobSummary, build_report
from airflow_s3batch.reports.accounts.generations import find_run
from airflow_s3batch.testing.storage import MemoryStorage

TAGGING = PutObjectTagging({"k": "v"})


def looks(job: ServerJob, operation: Operation = TAGGING, **arguments: Any) -> Verification:
    """Return second looks at what *operation* has done in *job*."""
    job_url = job.manifest.job_url
    run = find_run(job.storage, JobLayout(job_url).operation(TASK))
    arguments.setdefault("storage", job.storage)
    found = Verification(
        job_url=job_url,
        task_id=TASK,
        operation=operation,
        folders=run.folders,
        access=access_of(job.server),
        policy=Policy(max_attempts=3),
        **arguments,
    )
    found.ask()
    return found


def look(job: ServerJob, operation: Operation = TAGGING, **arguments: Any) -> Summary:
    """Look at all of the shard."""
    return looks(job, operation, **arguments).look_at_shard(0)


def report(job: ServerJob, **arguments: Any) -> JobSummary:
    return build_report(job.storage, job.manifest.job_url, TASK, now=NOW, **arguments)


def tag(job: ServerJob, objects: Sequence[S3Object], value: str) -> None:
    for obj in objects:
        tag_set = [{"Key": "k", "Value": value}]
        client_of(job.server).put_object_tagging(Bucket=obj.bucket, Key=obj.key, Tagging={"TagSet": tag_set})


@pytest.fixture
def job_of(ministack: testing.Server, bucket: Callable[..., str], tmp_path: Path) -> Callable[..., ServerJob]:
    """``job_of(keys, **put)``: a job whose manifest names an object under each key."""

    def make(keys: Sequence[str], *, range_rows: int = 4, shards: int = 1, **put: Any) -> ServerJob:
        name = bucket(ministack, "looks", ObjectOwnership="ObjectWriter")
        objects = put_objects(ministack, name, keys, **put)
        url = f"s3://{name}/.job/one"
        return publish(ministack, url, objects, tmp_path, range_rows=range_rows, shards=shards, storage=MemoryStorage())

    return make


def keys(number: int) -> list[str]:
    return [f"a {n:03}" for n in range(number)]


def test_what_differs_is_told_by_object_and_makes_the_report_red(job_of: Callable[..., ServerJob]) -> None:
    """With a manifest of them that can be run again, and the reasons beside it."""
    job = job_of([*keys(9), "=cmd|' /C calc'!A0,\n\"<b>"])
    job.attempt(TAGGING)
    tag(job, job.objects[8:], "other")
    client_of(job.server).delete_object(Bucket=job.objects[0].bucket, Key=job.objects[0].key)
    seen = look(job)
    assert (seen.succeeded, seen.tally.codes) == (7, {"TagsDiffer": 2, "DeletedSince": 1})
    summary = report(job)
    assert summary.succeeded == 10
    assert summary.verification is not None
    found = summary.verification
    assert (found["checked"], found["of"], found["differ"], found["missing"]) == (10, 10, 3, 0)
    assert not summary.is_green
    assert "10 succeeded objects were looked at again: 3 differ (TagsDiffer 2, DeletedSince 1)." in summary.sentence()
    listed = _csv(job, found["differences_url"])
    assert {row[1] for row in listed} == {"a%20000", "a%20008", "%3Dcmd%7C%27%20/C%20calc%27%21A0%2C%0A%22%3Cb%3E"}
    reasons = {row[1]: (row[3], row[5]) for row in _csv(job, found["reasons_url"])}
    assert reasons["a%20000"] == ("failed", "DeletedSince")


def _csv(job: ServerJob, url: str) -> list[list[str]]:
    body = job.storage.read(S3Url.parse(url)) or b""
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


def test_an_object_that_is_right_is_looked_at_once_and_one_that_differs_once_more(
    job_of: Callable[..., ServerJob],
) -> None:
    """Once it is set right, a further look makes the report green, and its lists go."""
    job = job_of(keys(6))
    job.attempt(TAGGING)
    tag(job, job.objects[:1], "other")
    assert look(job).requests >= 6
    red = report(job)
    tag(job, job.objects[:1], "v")
    again = look(job)
    assert (again.earlier, again.requests, again.tally.codes) == (5, 1, {})
    green = report(job)
    assert (red.is_green, green.is_green) == (False, True)
    assert green.fingerprint != red.fingerprint
    assert green.verification is not None
    assert green.verification["differences_url"] is None
    assert job.storage.read(JobLayout(job.manifest.job_url).report / "differences.csv") is None
    assert green.sentence().endswith("6 succeeded objects were looked at again: all are as they should be.")


def test_only_what_succeeded_is_looked_at(job_of: Callable[..., ServerJob]) -> None:
    job = job_of(keys(5))
    client_of(job.server).delete_object(Bucket=job.objects[2].bucket, Key=job.objects[2].key)
    job.attempt(TAGGING)
    assert look(job).objects == 4
    assert report(job).is_green


@pytest.mark.parametrize("number", [5, 100])
def test_a_sample_has_the_number_that_was_asked_for(job_of: Callable[..., ServerJob], number: int) -> None:
    """Over all shards, the same in each attempt."""
    job = job_of(keys(12), range_rows=2, shards=3)
    for shard in range(3):
        job.attempt(TAGGING, shard)
    first = [looks(job, objects=number).look_at_shard(shard) for shard in range(3)]
    again = [looks(job, objects=number).look_at_shard(shard) for shard in range(3)]
    assert sum(seen.objects for seen in first) == min(number, 12)
    assert [seen.requests for seen in again] == [0, 0, 0]
    summary = report(job)
    assert summary.verification is not None
    assert (summary.verification["checked"], summary.verification["missing"]) == (min(number, 12), 0)
    told = f"{number} of 12 succeeded objects were looked at again (a random sample): all are as they should be."
    assert (told in summary.sentence()) == (number < 12)


def test_a_killed_attempt_loses_what_it_had_not_committed_and_nothing_else(
    job_of: Callable[..., ServerJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its other half, the report is red and says that the verification did not finish."""
    job = job_of(keys(12), range_rows=3)
    job.attempt(TAGGING)

    class Killed(BaseException):
        """Stands for the end of the process: nothing is caught, nothing is tidied up."""

    whole = looks(job)
    run, taken = Executor.run, 0

    def cut_short(self: Executor, operation: Any, source: Any, context: Any, on_outcome: Any, **more: Any) -> None:
        def note(*verdict: Any) -> None:
            nonlocal taken
            taken += 1
            if taken > 7:
                raise Killed
            on_outcome(*verdict)

        run(self, operation, source, context, note, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Executor, "run", cut_short)
        with pytest.raises(Killed):
            whole.look_at_shard(0)
    red = report(job)
    assert red.verification is not None
    kept = red.verification["checked"]
    assert not red.is_green
    assert f"did not finish: {12 - kept} objects are left" in red.sentence()
    rest = look(job)
    assert (rest.earlier, rest.objects) == (kept, 12 - kept)
    assert report(job).is_green


def test_a_verification_that_never_began_is_no_green_one(job_of: Callable[..., ServerJob]) -> None:
    job = job_of(keys(2))
    job.attempt(TAGGING)
    assert report(job).is_green
    summary = report(job, is_verified=True)
    assert not summary.is_green
    assert "asked for and has not begun" in summary.sentence()


def test_where_nothing_has_succeeded_no_verification_is_missed(job_of: Callable[..., ServerJob]) -> None:
    """As with an empty manifest, whose mapped tasks Airflow skips."""
    job = job_of(keys(1))
    client_of(job.server).delete_object(Bucket=job.objects[0].bucket, Key=job.objects[0].key)
    job.attempt(TAGGING)
    assert report(job, is_verified=True).is_green


def test_what_may_not_be_read_is_no_difference_and_not_green(
    seaweedfs: testing.Server, bucket: Callable[..., str], tmp_path: Path
) -> None:
    name = bucket(seaweedfs, "looks")
    objects = put_objects(seaweedfs, name, keys(3))
    job = publish(seaweedfs, f"s3://{name}/.job/one", objects, tmp_path, range_rows=3, storage=MemoryStorage())
    job.attempt(TAGGING)
    run = find_run(job.storage, JobLayout(job.manifest.job_url).operation(TASK))
    whole = Verification(
        job_url=job.manifest.job_url,
        task_id=TASK,
        operation=TAGGING,
        folders=run.folders,
        access=access_of(seaweedfs.as_identity("stranger")),
        storage=job.storage,
        policy=Policy(max_attempts=2),
    )
    whole.ask()
    assert whole.look_at_shard(0).tally.codes == {"AccessDenied": 3}
    summary = report(job)
    assert summary.verification is not None
    assert (summary.verification["differ"], summary.verification["unread"]) == (0, 3)
    assert not summary.is_green
    assert "3 more could not be looked at (AccessDenied 3)" in summary.sentence()


def test_every_declared_part_of_a_copy_is_compared(job_of: Callable[..., ServerJob]) -> None:
    """One object for each thing that somebody changes on its copy; the last one is as it was left."""
    names = ["tags", "acl", "metadata", "class", "body", "gone", "right"]
    job = job_of(names, Metadata={"old": "1"}, Tagging="old=1")
    source, client = job.objects[0].bucket, client_of(job.server)
    target = f"{source}-copies"
    client.create_bucket(Bucket=target, ObjectOwnership="ObjectWriter")
    copy = CopyObject(
        target,
        tags={"new": "1"},
        metadata={"new": "1"},
        content_type="text/x-new",
        storage_class="STANDARD_IA",
        canned_acl="public-read",
        encryption="SSE-S3",
    )
    job.attempt(copy)
    put = {"Tagging": "new=1", "Metadata": {"new": "1"}, "ContentType": "text/x-new", "ACL": "public-read"}
    put |= {"StorageClass": "STANDARD_IA", "ServerSideEncryption": "AES256"}
    client.put_object(Bucket=target, Key="metadata", Body=b"metadata", **put | {"Metadata": {"new": "2"}})
    client.put_object(Bucket=target, Key="class", Body=b"class", **put | {"StorageClass": "STANDARD"})
    client.put_object(Bucket=target, Key="body", Body=b"ydob", **put)
    client.put_object_tagging(Bucket=target, Key="tags", Tagging={"TagSet": []})
    client.put_object_acl(Bucket=target, Key="acl", ACL="private")
    client.delete_object(Bucket=target, Key="gone")
    look(job, copy)
    found = codes_by_key(job)
    assert found.pop("metadata") in ("MetadataDiffers", "ChangedSince")
    assert found.pop("class") in ("StorageClassDiffers", "ChangedSince")
    assert found.pop("body") in ("CopyDiffers", "ChangedSince")
    assert found == {"tags": "TagsDiffer", "acl": "AclDiffers", "gone": "CopyMissing"}


def codes_by_key(job: ServerJob) -> dict[str, str]:
    """Return what the report lists as not right."""
    verification = report(job).verification
    assert verification is not None
    return {row[1]: row[5] for row in _csv(job, verification["reasons_url"])}


def test_a_sequence_that_deletes_is_looked_at_by_its_copy(job_of: Callable[..., ServerJob]) -> None:
    job = job_of(keys(3))
    target = f"{job.objects[0].bucket}-copies"
    client_of(job.server).create_bucket(Bucket=target)
    operation = InOrder((TAGGING, CopyObject(target), DeleteObject()))
    job.attempt(operation)
    client_of(job.server).put_object(Bucket=target, Key=job.objects[0].key, Body=b"another")
    client_of(job.server).put_object(Bucket=job.objects[1].bucket, Key=job.objects[1].key, Body=b"other")
    look(job, operation)
    found = codes_by_key(job)
    assert set(found) == {"a%20000", "a%20001"}
    assert found["a%20000"] in ("CopyDiffers", "ChangedSince")
    assert found["a%20001"] == "ChangedSince"


def test_nothing_that_changes_an_object_can_be_sent(job_of: Callable[..., ServerJob]) -> None:
    """Whatever an operation asks for while it looks: such an object has no verdict that it is right."""

    class Meddling(PutObjectTagging):
        def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:
            yield Request(DeleteObjectTagging()._call, obj.bucket, obj.key)
            return Outcome(200)

    job = job_of(keys(2))
    job.attempt(TAGGING)
    assert look(job, Meddling({"k": "v"})).tally.codes == {"DryRun": 2}
    assert not report(job).is_green
    assert [tags(job.server, obj) for obj in job.objects] == [{"k": "v"}] * 2


def test_of_a_shard_of_two_buckets_each_task_looks_at_its_own(
    ministack: testing.Server, bucket: Callable[..., str], tmp_path: Path
) -> None:
    """As the managed engine's are mapped; the verdicts add up in one report, whatever the sample."""
    names = [bucket(ministack, "looks") for _ in range(2)]
    objects = [obj for name in names for obj in put_objects(ministack, name, keys(5))]
    job = publish(ministack, f"s3://{names[0]}/.job/one", objects, tmp_path, range_rows=4, storage=MemoryStorage())
    job.attempt(TAGGING)
    first, second = (look(job, objects=7, concerns=lambda obj, name=name: obj.bucket == name).objects for name in names)
    assert first + second == 7
    assert first
    assert second
    summary = report(job)
    assert summary.is_green
    assert summary.sentence().endswith(
        "7 of 10 succeeded objects were looked at again (a random sample): all are as they should be."
    )
