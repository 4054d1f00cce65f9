"""Files of the job's folder that are corrupt, altered, missing or somebody else's are noticed, never trusted."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from server_jobs import TASK, ServerJob, client_of, publish, put_objects, set_tags, tags

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.testing import Server

if TYPE_CHECKING:
    from server_users import BucketFactory

TAGGING = PutObjectTagging({"by": "job"})
ROWS, RANGE = 40, 10
MakeJob = Callable[[], ServerJob]
_numbers = itertools.count(1)
_buckets: dict[str, tuple[str, str]] = {}


@pytest.fixture
def make_job(seaweedfs: Server, bucket: BucketFactory, tmp_path: Path) -> MakeJob:
    if seaweedfs.endpoint_url not in _buckets:
        _buckets[seaweedfs.endpoint_url] = bucket(seaweedfs, "data"), bucket(seaweedfs, "ops")
    data, ops = _buckets[seaweedfs.endpoint_url]

    def make() -> ServerJob:
        name = f"damage-{next(_numbers)}"
        objects = put_objects(seaweedfs, data, [f"{name}-{number:04d}" for number in range(ROWS)])
        return publish(seaweedfs, f"s3://{ops}/{name}", objects, tmp_path, range_rows=RANGE)

    return make


def found(job: ServerJob, ending: str) -> S3Url:
    """Return the first of the job's files whose key ends so, or holds this."""
    files = sorted(file.url for file in job.storage.list(job.manifest.job_url / ""))
    return next(url for url in files if url.key.endswith(ending) or ending in url.key.rpartition("/")[2])


def edit(job: ServerJob, ending: str, **changes: object) -> S3Url:
    url = found(job, ending)
    job.storage.write(url, json.dumps({**json.loads(job.storage.read(url) or b""), **changes}).encode())
    return url


def overwrite(job: ServerJob, ending: str, change: Callable[[bytes], bytes]) -> S3Url:
    url = found(job, ending)
    job.storage.write(url, change(job.storage.read(url) or b""))
    return url


def cut(body: bytes) -> bytes:
    return body[: len(body) // 2]


def nothing(_: bytes) -> bytes:
    return b""


def garbage(_: bytes) -> bytes:
    return b"\x00\xffgarbage"


def flipped(body: bytes) -> bytes:
    return body[:-9] + bytes([body[-9] ^ 1]) + body[-8:]


def half_done(make_job: MakeJob) -> ServerJob:
    """Return a job of which two ranges are committed and two are not begun."""
    job = make_job()
    job.attempt(TAGGING)
    for commit in job.commits()[2:]:
        for part in (commit.succeeded_file, commit.failed_file):
            if part:
                job.storage.delete(S3Url(job.manifest.job_url.bucket, part.key))
    folder = JobLayout(job.manifest.job_url).operation(TASK).generation(1)
    for commit in job.commits()[2:]:
        job.storage.delete(folder.commit(0, commit.range.index, commit.attempt))
    set_tags(job.server, job.objects, "somebody else")
    return job


def assert_untouched(job: ServerJob) -> None:
    assert all(tags(job.server, obj) == {"by": "somebody else"} for obj in job.objects)


Damage = Callable[[ServerJob, MakeJob], object]


def another_jobs_manifest(job: ServerJob, make_job: MakeJob) -> None:
    overwrite(job, "manifest/manifest.json", lambda _: make_job().manifest.to_json().encode())


def another_jobs_commit(job: ServerJob, make_job: MakeJob) -> None:
    """With its attempt's id in its name, so that it looks at home."""
    other = make_job()
    other.attempt(TAGGING)
    commit = other.commits()[3]
    folder = JobLayout(job.manifest.job_url).operation(TASK).generation(1)
    job.storage.write(folder.commit(0, commit.range.index, commit.attempt), commit.to_json().encode())


def another_generations_commit(job: ServerJob, make_job: MakeJob) -> None:
    job.attempt(TAGGING, try_number=2, resume=False)
    set_tags(job.server, job.objects, "somebody else")
    commit = job.commits(generation=1)[0]
    folder = JobLayout(job.manifest.job_url).operation(TASK).generation(2)
    job.storage.write(folder.commit(0, commit.range.index, commit.attempt), commit.to_json().encode())


def commit_under_another_name(job: ServerJob, make_job: MakeJob) -> None:
    commit = job.commits()[0]
    folder = JobLayout(job.manifest.job_url).operation(TASK).generation(1)
    job.storage.write(folder.commit(0, 2, commit.attempt), commit.to_json().encode())


def one_row_more(job: ServerJob, make_job: MakeJob) -> None:
    """The totals add up, but the shard file has other rows."""
    shards = json.loads(job.manifest.to_json())["shards"]
    edit(job, "manifest/manifest.json", rows=ROWS + 10, shards=[{**shards[0], "rows": ROWS + 10}])


def edited_operation(job: ServerJob, make_job: MakeJob) -> None:
    edit(job, "operation.json", operation={**TAGGING.to_json(), "tags": {"by": "nobody"}})


def summary_of_another_attempt(job: ServerJob, make_job: MakeJob) -> None:
    edit(job, "summary-", attempt="0009-1234567890123-abcdef")


DAMAGES: dict[str, tuple[Damage, str]] = {
    "commit cut short": (lambda job, _: overwrite(job, ".commit.json", cut), "not a commit of this package"),
    "commit empty": (lambda job, _: overwrite(job, ".commit.json", nothing), "not a commit of this package"),
    "commit of another job": (another_jobs_commit, r"missing, although .* names it"),
    "commit of another generation": (another_generations_commit, r"missing, although .* names it"),
    "commit of another range": (commit_under_another_name, "the commit is about"),
    "part altered, of the same size": (lambda job, _: overwrite(job, ".succeeded.csv", flipped), "altered since"),
    "part cut short": (lambda job, _: overwrite(job, ".succeeded.csv", cut), "altered since"),
    "part deleted": (lambda job, _: job.storage.delete(found(job, ".succeeded.csv")), "missing, although"),
    "summary garbage": (lambda job, _: overwrite(job, "summary-", garbage), "not a shard summary"),
    "summary of another attempt": (summary_of_another_attempt, "this is the summary of attempt 0009"),
    "operation garbage": (lambda job, _: overwrite(job, "operation.json", garbage), "not an operation"),
    "operation edited": (edited_operation, "altered since it was written"),
    "operation deleted": (lambda job, _: job.storage.delete(found(job, "operation.json")), "operation.json: missing"),
    "manifest garbage": (lambda job, _: overwrite(job, "manifest/manifest.json", garbage), "not a manifest"),
    "manifest of another job": (another_jobs_manifest, "this is the manifest of s3://"),
    "manifest with a row more": (one_row_more, "contradict|says 50|the manifest has"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_stops_the_next_attempt_and_the_report_with_a_sentence(make_job: MakeJob, damage: str) -> None:
    """Before the next object is touched; the file is named."""
    job = half_done(make_job)
    do, sentence = DAMAGES[damage]
    do(job, make_job)
    with pytest.raises(JobDamagedError, match=sentence) as caught:
        job.attempt(TAGGING, try_number=3)
    assert str(caught.value).startswith(f"s3://{job.manifest.job_url.bucket}/")
    assert not caught.value.is_retryable
    with pytest.raises(JobDamagedError, match=sentence):
        job.report()
    assert_untouched(job)


@pytest.mark.parametrize(
    ("ending", "change", "sentence"),
    [
        ("verdict.json", garbage, "not a preflight verdict"),
        ("verdict.json", cut, "not a preflight verdict"),
        (".parquet", flipped, "altered since it was published"),
        (".parquet", cut, "altered since it was published"),
    ],
)
def test_damage_that_only_an_attempt_can_meet_stops_it(
    make_job: MakeJob, ending: str, change: Callable[[bytes], bytes], sentence: str
) -> None:
    job = half_done(make_job)
    url = overwrite(job, ending, change)
    with pytest.raises(JobDamagedError, match=sentence) as caught:
        job.attempt(TAGGING, try_number=2)
    assert str(caught.value).startswith(f"{url}: ")
    assert_untouched(job)


def test_foreign_files_are_left_alone(make_job: MakeJob, caplog: pytest.LogCaptureFixture) -> None:
    """A folder's marker, a file manager's litter, and a copy that somebody made of a whole shard's folder."""
    job = half_done(make_job)
    shard = JobLayout(job.manifest.job_url).operation(TASK).generation(1).shard(0)
    client = client_of(job.server)
    copies = sorted(file.url for file in job.storage.list(shard / ""))
    for name in (".DS_Store", "notes.txt", "range-000003.commit.json"):
        job.storage.write(shard / name, b"?")
    for url in copies:
        job.storage.write(shard / f"backup/{url.key.rpartition('/')[2]}", job.storage.read(url) or b"")
    before = {url: job.storage.read(url) for url in copies}

    assert job.attempt(TAGGING, try_number=2).objects == 20
    assert [tags(job.server, obj)["by"] for obj in job.objects] == ["somebody else"] * 20 + ["job"] * 20
    assert len(job.report_rows()) == ROWS
    assert {url: job.storage.read(url) for url in copies} == before
    assert client.get_object(Bucket=shard.bucket, Key=f"{shard.key}/.DS_Store")["Body"].read() == b"?"
    assert "ignored, not a file of this package" in caplog.text
