"""The job's own files lie on a store that misbehaves, or the local disk is full: nothing that was done is lost."""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from faulty_jobs import attempt, codes_by_key
from server_jobs import ServerJob, publish, put_objects, tags, watched

from airflow_s3batch.core.errors import AccessError, InfrastructureError, S3BatchError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import S3Access
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.engine.wire import dubious_answers
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.testing import (
    AccessDenied,
    CutAnswer,
    ErrorAnswer,
    ExpiredToken,
    Fault,
    FaultProxy,
    InternalError,
    NoAnswer,
    ResetAfter,
    Server,
    SlowDown,
    every,
    is_api,
    is_try,
)

if TYPE_CHECKING:
    from server_users import BucketFactory

TAGGING = PutObjectTagging({"by": "job"})
ROWS = 40
IMPATIENT = Config(connect_timeout=1, read_timeout=0.5, retries={"total_max_attempts": 3})

_numbers = itertools.count(1)


@pytest.fixture
def job(seaweedfs: Server, proxy: FaultProxy, bucket: BucketFactory, tmp_path: Path) -> ServerJob:
    """A job of `ROWS` objects whose files are written and read through the proxy; objects are reached directly."""
    data, ops = bucket(seaweedfs, "data"), bucket(seaweedfs, "ops")
    objects = put_objects(seaweedfs, data, [f"{n:03d}" for n in range(ROWS)])
    published = publish(seaweedfs, f"s3://{ops}/jobs/{next(_numbers)}", objects, tmp_path, range_rows=5)
    access = S3Access(proxy.server.session(), proxy.server.endpoint_url, "us-east-1", config=IMPATIENT)
    return published._replace(storage=S3Storage(access))


def assert_all_succeeded(job: ServerJob) -> None:
    assert Counter(codes_by_key(job).values()) == Counter({"": ROWS})
    assert all(tags(job.server, obj) == {"by": "job"} for obj in job.objects)


@pytest.mark.parametrize(
    ("fault", "error", "told"),
    [
        (AccessDenied(), AccessError, "the store refuses with AccessDenied"),
        (SlowDown(), InfrastructureError, "SlowDown"),
        (NoAnswer(executed=True), InfrastructureError, "Read timeout"),
    ],
    ids=["refused", "overloaded", "silent"],
)
def test_a_job_bucket_that_begins_to_refuse_writes_keeps_what_was_committed(
    job: ServerJob, proxy: FaultProxy, fault: Fault, error: type[S3BatchError], told: str
) -> None:
    """From the twentieth object on; the sentence names the file, and the next attempt does what has no commit."""

    def begin(obj: S3Object) -> None:
        if obj.key == "020":
            proxy.inject(fault, when=is_api("PutObject"))

    ended = attempt(job, watched(PutObjectTagging, begin)(TAGGING.tags))
    assert isinstance(ended, error)
    assert f"can't write {job.manifest.job_url}/" in str(ended)
    assert told in str(ended)

    proxy.calm()
    codes = Counter(codes_by_key(job).values())
    assert codes.keys() <= {"", "NotAttempted"}
    assert sum(commit.tally.succeeded for commit in job.commits()) == codes[""]
    assert attempt(job, TAGGING, try_number=2) is None
    assert_all_succeeded(job)


@pytest.mark.parametrize(
    ("fault", "apis"),
    [
        (ResetAfter(), ["PutObject", "GetObject", "ListObjectsV2"]),
        (CutAnswer(), ["GetObject", "ListObjectsV2"]),
        (CutAnswer(reset=True), ["GetObject", "ListObjectsV2"]),
        (InternalError(executed=True), ["PutObject", "GetObject", "ListObjectsV2"]),
        (ExpiredToken(), ["PutObject", "GetObject", "ListObjectsV2"]),
        (ErrorAnswer(404), ["PutObject", "GetObject", "ListObjectsV2"]),
        (ErrorAnswer(200), ["PutObject", "GetObject", "ListObjectsV2"]),
    ],
    ids=["reset", "cut", "cut-reset", "error-500", "expired", "404-of-a-proxy", "empty-200"],
)
def test_passing_trouble_with_the_jobs_files_is_overcome(
    job: ServerJob, proxy: FaultProxy, fault: Fault, apis: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every first try fails, while the attempt runs, while the next one resumes, and while the report is made."""
    monkeypatch.setattr(dubious_answers, "_PAUSE_S", 0.01)
    proxy.inject(fault, when=every(is_api(*apis), is_try(1)))
    assert attempt(job, TAGGING) is None
    assert attempt(job, TAGGING, try_number=2) is None
    job.report()
    assert proxy.injected[fault.name] >= 10
    proxy.calm()
    assert_all_succeeded(job)


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """
    A disk of 16 KiB for temporary files.

    Without root nobody may mount one and the test is skipped, on CI too: unit tests raise each such error by hand.
    """
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk takes root")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    monkeypatch.undo()
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_by_the_folder_and_touches_nothing(
    seaweedfs: Server, bucket: BucketFactory, small_disk: Path, tmp_path: Path
) -> None:
    """The shard's file does not fit; with room for it the next attempt does all."""
    data, ops = bucket(seaweedfs, "data"), bucket(seaweedfs, "ops")
    objects = put_objects(seaweedfs, data, [f"{n:03d}" for n in range(10)])
    gone = [S3Object(data, f"gone-{os.urandom(40).hex()}", size=1, e_tag=os.urandom(16).hex()) for _ in range(600)]
    job = publish(seaweedfs, f"s3://{ops}/jobs/full", [*objects, *gone], tmp_path, range_rows=100)
    error = attempt(job, TAGGING)
    assert isinstance(error, InfrastructureError)
    assert f"the staging folder {small_disk}/" in str(error)
    assert "No space left on device" in str(error)
    assert all(tags(seaweedfs, obj) == {} for obj in objects)
    assert list(small_disk.iterdir()) == []


def test_a_staging_folder_that_can_not_be_made_is_told(
    job: ServerJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    error = attempt(job, TAGGING)
    assert isinstance(error, InfrastructureError)
    assert "no staging folder can be made" in str(error)
    assert "TMPDIR" in str(error)


class FullDisk:
    """A boto3 client whose downloads find the local disk full."""

    def download_file(self, *_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", "/staging/x.incoming.1234")


def test_a_download_to_a_full_disk_names_the_folder_and_not_the_store(seaweedfs: Server) -> None:
    storage = S3Storage(seaweedfs.access())
    storage._client = FullDisk()
    with pytest.raises(InfrastructureError, match=r"^the staging folder /staging can't be written: No space left"):
        storage.download(S3Url("bucket", "key"), Path("/staging/x.incoming"))


@pytest.mark.parametrize("answer", [ErrorAnswer(404), ErrorAnswer(200)], ids=["404", "empty-200"])
def test_what_a_proxy_says_does_not_let_a_job_begin_anew(
    job: ServerJob, proxy: FaultProxy, answer: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are there are not taken for missing: nothing is done again, and nothing is overwritten."""
    monkeypatch.setattr(dubious_answers, "_PAUSE_S", 0.01)
    assert attempt(job, TAGGING) is None
    written = job.files("")
    proxy.inject(answer, when=is_api("ListObjectsV2"))
    error = attempt(job, PutObjectTagging({"by": "another"}), try_number=2)
    assert isinstance(error, InfrastructureError)
    assert "that is not the store's" in str(error)
    proxy.calm()
    assert job.files("") == written
    assert_all_succeeded(job)


def test_a_404_without_a_code_is_no_word_on_a_file(
    job: ServerJob, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy answers so that does not know where the store is; a listing tells which files there are."""
    monkeypatch.setattr(dubious_answers, "_PAUSE_S", 0.01)
    url = job.manifest.job_url / "control.json"
    proxy.inject(ErrorAnswer(404), when=is_api("GetObject", "HeadObject"))
    assert job.storage.read(url) is None
    job.storage.write(url, b"{}")
    with pytest.raises(InfrastructureError, match=rf"can't read {url}: HTTP 404 without a code"):
        job.storage.read(url)
    with pytest.raises(InfrastructureError, match="HTTP 404 without a code"):
        job.storage.download(url, Path("/nowhere/control.json"))
