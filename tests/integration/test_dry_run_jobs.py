"""Jobs that are dry runs: their rows, their report, and that nobody takes one for work."""

from __future__ import annotations

import io
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from recording_server import E_TAG, Recorder, recording_server
from server_jobs import NOW, TASK, ServerJob, publish

from airflow_s3batch.core.completion_report import parse_report_manifest, parse_rows
from airflow_s3batch.core.errors import InfrastructureError, JobChangedError, TooManyFailuresError
from airflow_s3batch.core.manifest import Manifest, ShardRef
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import Policy, run_shard
from airflow_s3batch.engine.shards import shard as shard_module
from airflow_s3batch.engine.shards.shard_work import ShardWork
from airflow_s3batch.engine.wire.exchange import Work
from airflow_s3batch.manifests.planning.publish import publish_manifest
from airflow_s3batch.manifests.planning.selection import Selection
from airflow_s3batch.operations import DeleteObject, MoveObject, Operation, PutObjectTagging, PythonInvoke
from airflow_s3batch.operations.requests import Capabilities
from airflow_s3batch.reports import JobSummary, build_report
from airflow_s3batch.sources import CompletionReport, CsvManifest
from airflow_s3batch.testing import Server
from airflow_s3batch.testing.storage import MemoryStorage

TAGGING = PutObjectTagging({"by": "job"})
ROWS, RANGE, SIZE = 20, 5, 1_000
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Recorder]:
    with recording_server() as running:
        yield running


MakeJob = Callable[..., ServerJob]


@pytest.fixture
def make_job(server: Recorder, tmp_path: Path) -> MakeJob:
    """``make_job(gone=3)`` publishes a job whose files are in memory; the last *gone* of its objects don't exist."""
    server.seen.clear()

    def make(gone: int = 0, **fields: Any) -> ServerJob:
        keys = [f"{'gone' if n >= ROWS - gone else 'here'}-{n:04d}" for n in range(ROWS)]
        objects = [S3Object("data", key, **{"size": SIZE, "e_tag": E_TAG, **fields}) for key in keys]
        place = Server(server.access.endpoint_url or "", "key", "secret", "us-east-1", 0, {})
        url = f"s3://ops/jobs/job-{next(_numbers)}"
        return publish(place, url, objects, tmp_path, range_rows=RANGE, storage=MemoryStorage())

    return make


def dry(job: ServerJob, operation: Operation = TAGGING, **arguments: Any) -> Any:
    return job.attempt(operation, dry_run=True, **arguments)


def rows_of(job: ServerJob, summary: JobSummary) -> list[Any]:
    """Return the rows of the report; each row of the manifest is there once."""
    body = job.storage.read(S3Url.parse(summary.report_url)) or b""
    results = parse_report_manifest(body, place="report")
    rows = [row for each in results for row in parse_rows((job.storage.read(each.url) or b"").decode(), place="rows")]
    assert Counter(row.key for row in rows) == Counter(obj.key for obj in job.objects)
    return rows


def report(job: ServerJob, **terms: Any) -> JobSummary:
    return build_report(job.storage, job.manifest.job_url, TASK, now=NOW, **terms)


def test_the_report_says_what_would_be_done(server: Recorder, make_job: MakeJob) -> None:
    """To how many objects, of which size, and to which it could not be; nothing has succeeded."""
    job = make_job(gone=3)
    dry(job)
    assert server.methods <= {"GET", "HEAD"}
    summary = report(job)
    assert (summary.dry_run, summary.is_green) == (True, True)
    assert (summary.succeeded, summary.failed, summary.bytes) == (0, ROWS, SIZE * (ROWS - 3))
    assert summary.codes == {"DryRun": ROWS - 3, "NoSuchKey": 3}
    assert {row.task_status for row in rows_of(job, summary)} == {"failed"}
    told = summary.sentence()
    assert told.startswith(
        "dry run: put_object_tagging would be done to 17 objects (16.6 KiB); 3 could not be (NoSuchKey 3). "
        "Nothing was changed. First that could not be: s3://data/gone-001"
    )


@pytest.mark.parametrize("terms", [{}, {"tolerate": ["NoSuchKey"], "allowed_failures": 0}], ids=["own", "given"])
def test_what_would_be_done_is_no_failure_whatever_is_tolerated(make_job: MakeJob, terms: dict[str, Any]) -> None:
    job = make_job()
    dry(job)
    assert report(job, **terms).is_green


def test_more_that_could_not_be_done_than_allowed_fails(make_job: MakeJob) -> None:
    job = make_job(gone=3)
    policy = Policy(tolerate=frozenset(), allowed_failures=2)
    with pytest.raises(TooManyFailuresError, match=r"dry run: put_object_tagging, shard 0: would be done to 17"):
        dry(job, policy=policy)
    summary = report(job)
    assert not summary.is_green
    assert "3 of those count, 2 are allowed" in summary.sentence()


def test_failures_that_count_stop_no_earlier_for_what_would_be_done(make_job: MakeJob) -> None:
    """Refusals of a hundred objects in a row end a run that does nothing else; what would be done is something."""
    job = make_job(gone=0)
    assert dry(job, policy=Policy(failure_threshold=0.01)).stopped == ""


def test_a_second_attempt_looks_only_at_the_rest(server: Recorder, make_job: MakeJob) -> None:
    """What would be done is not looked at again; what could not be is, and still has one row, and the size is right."""
    job = make_job(gone=2)
    dry(job)
    server.seen.clear()
    assert dry(job, try_number=2).objects == 2
    assert {place for _, place, _ in server.seen if "/" in place} == {"data/gone-0018", "data/gone-0019"}
    summary = report(job)
    assert len(rows_of(job, summary)) == ROWS
    assert summary.bytes == SIZE * (ROWS - 2)


def test_a_second_attempt_does_not_take_what_is_gone_for_its_own_work(make_job: MakeJob) -> None:
    """Nothing was done, so nothing can have been done already."""
    job = make_job(gone=2, size=3, version_id="null")
    for try_number in (1, 2):
        dry(job, DeleteObject(), try_number=try_number)
        assert report(job).codes == {"DryRun": ROWS - 2, "NoSuchKey": 2}


def test_a_dry_run_that_was_stopped_goes_on(
    server: Recorder, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job()
    stop = threading.Event()
    source = ShardWork._source

    def stopping(self: ShardWork, *arguments: Any) -> Iterator[Work | None]:
        for number, work in enumerate(source(self, *arguments)):
            if number == 8:
                stop.set()
            yield work

    monkeypatch.setattr(ShardWork, "_source", stopping)
    with pytest.raises(InfrastructureError, match=r"dry run: .* stopped after"):
        dry(job, stop=stop, policy=Policy(max_concurrency=2))
    monkeypatch.undo()
    first = report(job)
    assert 0 < first.codes["NotAttempted"] < ROWS
    again = dry(job, try_number=2)
    assert again.objects == first.codes["NotAttempted"]
    assert report(job).codes == {"DryRun": ROWS}


def test_functions_may_be_dry_run_and_are_never_claimed(make_job: MakeJob) -> None:
    """What must not be done twice was not done at all."""
    job = make_job()
    dry(job, PythonInvoke("noted_calls:note_call"))
    assert report(job).codes == {"DryRun": ROWS}
    assert job.files(".claim.json") == []


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the server, which says yes to everything, for a store."""
    monkeypatch.setattr(shard_module, "capabilities_for", lambda *_: Capabilities(is_aws=False))


@pytest.mark.usefixtures("trusted")
def test_the_real_thing_does_not_go_on_from_a_dry_run(make_job: MakeJob) -> None:
    """A sentence says what to do; with ``resume=False`` it is done beside the dry run, and the report is about it."""
    job = make_job()
    dry(job)
    with pytest.raises(JobChangedError, match=r"was a dry run .*Start a new Dag run.*or pass resume=False"):
        job.attempt(TAGGING)
    refused = report(job)
    assert not refused.is_green
    assert "start a new Dag run for the real thing" in refused.sentence()
    job.attempt(TAGGING, resume=False)
    summary = report(job)
    assert (summary.dry_run, summary.succeeded, summary.is_green) == (False, ROWS, True)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("resume", [True, False])
def test_work_is_not_hidden_by_a_dry_run(make_job: MakeJob, *, resume: bool) -> None:
    """Its report is the evidence of what was done."""
    job = make_job()
    job.attempt(TAGGING)
    with pytest.raises(JobChangedError, match=r"really begun .*Start a new Dag run with dry_run=True"):
        dry(job, resume=resume)
    summary = report(job)
    assert (summary.dry_run, summary.succeeded) == (False, ROWS)


def test_a_dry_run_may_start_over(make_job: MakeJob) -> None:
    job = make_job()
    dry(job)
    assert dry(job, resume=False).objects == ROWS
    assert dry(job, MoveObject("target", overwrite=True), resume=False).objects == ROWS
    assert report(job).name == "move_object"


KEYS = [f"here-{number}" for number in range(4)]


def planned(storage: MemoryStorage, name: str, **selection: Any) -> Manifest:
    """Publish the job *name* of one recurring task, of the objects in a CSV file unless *selection* says otherwise."""
    source = S3Url("ops", "objects.csv")
    storage.write(source, b"bucket,key,e_tag\n" + b"".join(f"data,{key},{E_TAG}\n".encode() for key in KEYS))
    chosen = Selection(**{"source": CsvManifest(str(source)), "where": "TRUE", **selection})
    about = {"dag_id": "d", "task_id": "manifest", "map_index": -1, "run_id": name}
    return publish_manifest(storage, S3Url("ops", "planned"), name, chosen, about=about, now=NOW, threads=1)


def keys_of(storage: MemoryStorage, manifest: Manifest) -> list[str]:
    rows = [storage.read(S3Url("ops", shard.key)) or b"" for shard in manifest.shards]
    return sorted(key for body in rows for key in pq.read_table(io.BytesIO(body))["key"].to_pylist())


def test_other_jobs_do_not_take_a_dry_run_for_work(server: Recorder) -> None:
    """Neither as something to leave out, nor as what has succeeded; what was not done is all there, to be done."""
    storage = MemoryStorage()
    manifest = planned(storage, "dry")
    run_shard(
        ShardRef(str(manifest.job_url), 0, len(KEYS)),
        TAGGING,
        access=server.access,
        storage=storage,
        task_id=TASK,
        dry_run=True,
    )
    assert build_report(storage, manifest.job_url, TASK, now=NOW).codes == {"DryRun": len(KEYS)}
    job = str(manifest.job_url)
    assert keys_of(storage, planned(storage, "excluding", exclude=(job,))) == KEYS
    succeeded = planned(storage, "succeeded", source=CompletionReport(job, objects="succeeded"))
    assert (succeeded.rows, keys_of(storage, succeeded)) == (0, [])
    would_be = CompletionReport(job)
    assert keys_of(storage, planned(storage, "for real", source=would_be, where="error_code = 'DryRun'")) == KEYS
