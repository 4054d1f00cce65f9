"""
A job that 0.1.0 has written is read for as long as there is this package; one of a later release is refused.

``written_by_0_1_0`` was written on a real store: 22 objects in three shards, two refused; then paused, and approved. It
is never written anew: a change of the code that can't read it is a change that breaks people's jobs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_s3batch.cli.places import job_at
from airflow_s3batch.cli.report_files import report_at
from airflow_s3batch.core.errors import LaterReleaseError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.checks.preflight import verdict_from_json
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.engine.jobs.approval import check_approved, read_approval
from airflow_s3batch.engine.jobs.job_manifest import published_manifest
from airflow_s3batch.engine.loop.steering import Steering
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.generation import open_generation
from airflow_s3batch.manifests.planning.pin import read_job
from airflow_s3batch.manifests.sources.dataset import Place
from airflow_s3batch.manifests.sources.report.source import CompletionReport
from airflow_s3batch.operations import Column, PutObjectTagging
from airflow_s3batch.reports import build_report, read_report, read_summary
from airflow_s3batch.reports.job_folders import read_job_folder
from airflow_s3batch.testing.storage import MemoryStorage

FILES = Path(__file__).with_name("written_by_0_1_0")
(NAME,) = (folder.name for folder in FILES.iterdir())
JOB = S3Url("ops", f"s3batch/{NAME}")
LAYOUT = JobLayout(JOB)
TASK = "tag.run"
OPERATION = PutObjectTagging({"team": Column("team")})
NOW = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
def storage() -> MemoryStorage:
    """Return the job of 0.1.0, as it lies in its bucket."""
    made = MemoryStorage()
    for file in FILES.rglob("*"):
        if file.is_file():
            made.write(S3Url("ops", f"s3batch/{file.relative_to(FILES).as_posix()}"), file.read_bytes())
    return made


def test_its_report_is_read(storage: MemoryStorage) -> None:
    summary = read_summary(str(JOB), storage=storage)
    assert (summary.objects, summary.succeeded, dict(summary.codes)) == (22, 20, {"AccessDenied": 2})
    rows = read_report(str(JOB), storage=storage)
    assert sorted(rows[rows["task_status"] == "failed"]["key"]) == ["a/part 007.csv", "a/part 020.csv"]


def test_its_report_is_made_again(storage: MemoryStorage) -> None:
    """From the commits: each row has one outcome, and the files are the same as before."""
    before = read_summary(str(JOB), storage=storage)
    again = build_report(storage, JOB, TASK, now=NOW)
    assert (again.objects, again.succeeded, again.codes) == (before.objects, before.succeeded, before.codes)
    assert again.fingerprint == before.fingerprint
    assert again.requests == before.requests


def test_it_goes_on_where_it_was(storage: MemoryStorage) -> None:
    """Selection, manifest, operation and verdict are known again; nothing is begun anew."""
    job = read_job(storage, LAYOUT)
    assert job is not None
    assert job.selection["where"] == "size > 2"
    assert sorted(shard.rows for shard in published_manifest(storage, LAYOUT).shards) == [7, 7, 8]
    generation = open_generation(
        storage, LAYOUT.operation(TASK), OPERATION, Policy(), shard=0, resume=True, opened="now"
    )
    assert generation.url == JOB / TASK / "g0001"
    verdict = storage.read(generation.verdict)
    assert verdict is not None
    endpoint = re.search(r"http://[0-9.:]+", verdict.decode())
    assert endpoint is not None
    assert verdict_from_json(verdict, endpoint[0], place="x") is not None


def test_what_people_said_still_counts(storage: MemoryStorage) -> None:
    """The pause, and the approval of exactly this operation on this manifest."""
    folder = read_job_folder(storage, JOB)
    assert folder is not None
    assert folder.is_paused
    assert check_approved(storage, JOB, OPERATION, "tag.approve").by == "ann"


def test_its_failures_are_the_source_of_another_job(storage: MemoryStorage) -> None:
    place = Place(storage, JobLayout(S3Url("ops", "s3batch/next")), None, NOW, lambda _line: None)
    (dataset,) = CompletionReport(str(JOB), "failed").find(place).datasets
    assert dataset.files


def _source(storage: Storage) -> None:
    CompletionReport(str(JOB)).find(Place(storage, JobLayout(S3Url("ops", "n")), None, NOW, lambda _line: None))


def _report(storage: Storage) -> None:
    build_report(storage, JOB, TASK, now=NOW)


LATER: list[tuple[str, Callable[[Storage], object]]] = [
    ("job.json", lambda storage: read_job(storage, LAYOUT)),
    ("job.json", _report),
    ("job.json", lambda storage: job_at(storage, str(JOB))),
    ("manifest/manifest.json", lambda storage: published_manifest(storage, LAYOUT)),
    ("tag.run/g0001/operation.json", _report),
    ("tag.run/g0001/shard-*/attempt-*.json", _report),
    ("tag.run/g0001/shard-*/*.commit.json", _report),
    ("tag.run/g0001/shard-*/summary-*.json", _report),
    ("control.json", lambda storage: Steering(storage, LAYOUT).begin("tag")),
    ("approval.json", lambda storage: read_approval(storage, LAYOUT)),
    ("report/summary.json", lambda storage: read_summary(str(JOB), storage=storage)),
    ("report/summary.json", lambda storage: report_at(storage, str(JOB))),
    ("report/summary.json", _report),
    ("report/summary.json", _source),
]


@pytest.mark.parametrize(("pattern", "read"), LATER, ids=[f"{n}-{name}" for n, (name, _) in enumerate(LATER)])
def test_a_file_of_a_later_release_is_refused(
    storage: MemoryStorage, pattern: str, read: Callable[[Storage], object]
) -> None:
    """With its name and what to do; a form that nobody here knows is not guessed at, and nothing is overwritten."""
    changed = {S3Url("ops", f"s3batch/{file.relative_to(FILES).as_posix()}") for file in (FILES / NAME).glob(pattern)}
    assert changed
    for url in changed:
        body = re.sub(rb'("format": ?"airflow-s3batch-[a-z]+)/1"', rb'\1/2"', storage.files[url])
        # 0.1.0 wrote no format into what an attempt leaves when it starts.
        storage.files[url] = (
            body if b"/2" in body else body.replace(b"{", b'{"format": "airflow-s3batch-attempt/2", ', 1)
        )
    before = dict(storage.files)
    with pytest.raises(LaterReleaseError, match=r"upgrade where this runs") as caught:
        read(storage)
    assert any(str(url) in str(caught.value) for url in changed)
    assert {url: storage.files.get(url) for url in changed} == {url: before[url] for url in changed}


def test_a_cleanup_leaves_a_job_of_a_later_release_alone(storage: MemoryStorage) -> None:
    storage.files[LAYOUT.job] = storage.files[LAYOUT.job].replace(b"job/1", b"job/2")
    assert read_job_folder(storage, JOB) is None
