"""Completion reports as the source of another job: which rows, what is known of them, and what is refused."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_jobs import DENIED, GONE, JOB, OK, TASK, Job, objects

from airflow_s3batch.core.errors import InventoryError, JobDamagedError, ManifestError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.checks.verification_asked import ask
from airflow_s3batch.manifests.sources.dataset import Dataset, Found, Place, RowFilter
from airflow_s3batch.manifests.sources.report.source import CompletionReport
from airflow_s3batch.reports import build_report
from airflow_s3batch.testing.storage import MemoryStorage

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NEXT = JobLayout(S3Url("ops", "s3batch/next"))
AWS = S3Url("aws", "reports/job-1")


def find(storage: MemoryStorage, url: str = str(JOB), objects: str = "failed") -> Found:
    source = CompletionReport(url, objects)
    assert source.problems() == []
    found = source.find(Place(storage, NEXT, None, NOW, lambda _line: None))
    assert json.loads(json.dumps(found.pinned)) == found.pinned
    assert source.again(Place(storage, NEXT, None, NOW, lambda _line: None), found.pinned) == found
    return found


def rows(storage: MemoryStorage, url: str = str(JOB), objects: str = "failed") -> list[dict[str, Any]]:
    """Return the rows that the next job works on."""
    (dataset,) = find(storage, url, objects).datasets
    tables = []
    for file in dataset.files:
        assert file.key.startswith(f"{NEXT.source.key}/")
        body = storage.files[dataset.file_url(file)]
        assert (hashlib.md5(body).hexdigest(), len(body)) == (file.md5, file.size)
        tables.append(pq.read_table(io.BytesIO(body)))
        assert tables[-1].column_names == list(dataset.columns)
    return pa.concat_tables(tables).to_pylist() if tables else []


def reported(job: Job) -> MemoryStorage:
    build_report(job.storage, JOB, TASK, now=NOW)
    return job.storage


def names(found: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(row["key"], row["task_status"], row["error_code"] or "") for row in found]


@settings(max_examples=6, deadline=None)
@given(st.data())
def test_every_row_is_taken_by_what_became_of_it_with_what_the_manifest_knew(data: st.DataObject) -> None:
    """Whatever attempts there were, whatever the reporter wrote anew, and if objects are there more than once."""
    keys = st.sampled_from(["a", "b+c d", "ü/%", 'q"u,o', "z"])
    rows_ = data.draw(st.lists(st.tuples(keys, st.sampled_from([None, "v1"])), min_size=1, max_size=40))
    known = [S3Object("lake", key, version, n, f"e{n}") for n, (key, version) in enumerate(rows_)]
    job = Job(known, shard_rows=13, range_rows=4, group_rows=4)
    job.open()
    for attempt in (1, 2):
        for shard in range(len(job.shards)):
            for row_range in job.ranges(shard):
                outcomes = data.draw(st.lists(st.sampled_from([OK, DENIED, GONE, None]), min_size=4, max_size=4))
                done = {n: o for n, o in enumerate(outcomes[: row_range.rows]) if o is not None}
                if done:
                    job.commit(done, shard=shard, index=row_range.index, attempt=attempt)
    summary = build_report(job.storage, JOB, TASK, now=NOW)
    failed, succeeded, both = (rows(job.storage, objects=choice) for choice in ("failed", "succeeded", "all"))
    assert (len(failed), len(succeeded)) == (summary.failed, summary.succeeded)
    told = {(row["e_tag"], row["size"]): (row["bucket"], row["key"], row["version_id"]) for row in both}
    assert told == {(obj.e_tag, obj.size): (obj.bucket, obj.key, obj.version_id) for obj in known}
    assert [row["size"] for row in both] == sorted(row["size"] for row in both)
    assert {row["task_status"] for row in succeeded} <= {"succeeded"}
    if len(set(rows_)) == len(rows_):
        assert sorted(names(failed) + names(succeeded)) == sorted(names(both))


def test_failures_can_be_told_apart_and_keep_the_extra_columns() -> None:
    """Those that no attempt reached are failures, too."""
    known = [obj._replace(columns={"team": f"t{n}", "error_code": n}) for n, obj in enumerate(objects(12))]
    job = Job(known, columns=("team", "error_code"))
    job.open()
    job.commit({0: OK, 1: DENIED, **dict.fromkeys(range(2, 10), OK)})
    found = rows(reported(job))
    assert names(found) == [
        (known[n].key, "failed", code) for n, code in ((1, "AccessDenied"), *((n, "NotAttempted") for n in (10, 11)))
    ]
    assert [(row["team"], row["http_status_code"], row["result_message"]) for row in found][:1] == [
        ("t1", 403, "Access Denied")
    ]


def test_the_report_of_a_job_that_was_verified_is_whole() -> None:
    """Its mark stands for what the second look has found as well."""
    job = Job(objects(12))
    job.open()
    job.commit(dict.fromkeys(range(10), OK))
    ask(job.storage, JobLayout(JOB).operation(TASK), None)
    assert build_report(job.storage, JOB, TASK, now=NOW).verification is not None
    assert len(rows(job.storage, objects="succeeded")) == 10


def test_ranges_that_no_attempt_reached_do_not_shift_the_others() -> None:
    """Their files are made by the reporter, whose names don't tell which range they are about."""
    job = Job(objects(40), shard_rows=40)
    job.open()
    job.commit(dict.fromkeys(range(10), OK), index=3)
    storage = reported(job)
    assert [row["size"] for row in rows(storage, objects="succeeded")] == list(range(40, 50))
    assert [row["size"] for row in rows(storage)] == list(range(10, 40))


@pytest.mark.parametrize("url", [f"{JOB}/report/manifest.json", f"{JOB}/report", f"{JOB}/"])
def test_a_report_is_found_by_any_of_its_names(url: str) -> None:
    """The job, its report's folder, or the very file."""
    job = Job(objects(3))
    job.open()
    assert len(rows(reported(job), url)) == 3


def test_nothing_failed_is_a_normal_end() -> None:
    """And so is a job without objects."""
    job = Job(objects(3))
    job.open()
    job.commit_all()
    assert rows(reported(job)) == []
    assert find(reported(Job([])), objects="all").datasets[0].files == ()


class Refusing:
    """SQL that is wrong."""

    def fingerprint(self) -> str:
        return "f"

    def of(self, dataset: Dataset) -> RowFilter:
        assert {"e_tag", "error_code", "is_delete_marker"} <= {column.name for column in dataset.sql_columns}
        raise ManifestError("where: it has no column 'eror_code'")


def test_wrong_sql_is_told_before_rows_are_copied() -> None:
    """A report can have very many of them."""
    job = Job(objects(3))
    job.open()
    storage = reported(job)
    place = Place(storage, NEXT, None, NOW, lambda _line: None, Refusing())
    with pytest.raises(ManifestError, match="eror_code"):
        CompletionReport(str(JOB)).find(place)
    assert not [url for url in storage.files if url.key.startswith(NEXT.url.key)]


def test_what_was_done_since_the_report_was_made_makes_it_useless() -> None:
    """Whoever goes by it would do again what is done."""
    job = Job(objects(3))
    job.open()
    storage = reported(job)
    storage.clock = lambda: datetime.now(UTC) + timedelta(minutes=1)
    job.open(2)
    assert len(rows(storage)) == 3
    job.commit({0: OK}, generation=2)
    with pytest.raises(InventoryError, match=r"objects were worked on since .*/g0002/.*report task"):
        rows(storage)


def altered(storage: MemoryStorage, name: str, change: Any) -> None:
    url = JOB / name
    storage.files[url] = change(storage.files[url])


def without_a_file(storage: MemoryStorage) -> None:
    url = JOB / "report/manifest.json"
    document = json.loads(storage.files[url])
    del document["Results"][0]
    storage.files[url] = json.dumps(document).encode()
    storage.delete(JOB / "report/manifest.json.md5")


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        (lambda s: altered(s, "report/manifest.json", lambda b: b + b" "), InventoryError, "its MD5 is"),
        (
            without_a_file,
            InventoryError,
            "lists other files than the summary",
        ),
        (
            lambda s: altered(s, "report/summary.json", lambda b: b.replace(b'"failed": 2', b'"failed": 3')),
            InventoryError,
            "has 2 rows|have 2 rows",
        ),
        (
            lambda s: altered(s, "report/summary.json", lambda b: b.replace(b'"objects": 12', b'"objects": 13')),
            InventoryError,
            "about 13 objects",
        ),
        (
            lambda s: altered(s, "report/summary.json", lambda b: b.replace(str(JOB).encode(), b"s3://ops/other")),
            InventoryError,
            "report of s3://ops/other",
        ),
        (lambda s: s.delete(JOB / "manifest/manifest.json"), JobDamagedError, "missing"),
        (lambda s: s.delete(JOB / "report/manifest.json"), InventoryError, "no completion report here"),
    ],
)
def test_a_report_that_is_not_whole_is_refused(change: Any, error: type[Exception], told: str) -> None:
    """It would leave objects out, or do others."""
    job = Job(objects(12))
    job.open()
    job.commit(dict.fromkeys(range(10), OK))
    storage = reported(job)
    assert len(rows(storage)) == 2
    change(storage)
    with pytest.raises(error, match=told):
        rows(storage)


@pytest.mark.parametrize("name", [".failed.csv", "report/results/", "manifest/shard-"])
def test_an_altered_file_is_never_believed(name: str) -> None:
    """Neither the report's nor the manifest's."""
    job = Job(objects(12))
    job.open()
    job.commit(dict.fromkeys(range(10), DENIED))
    storage = reported(job)
    (url,) = (url for url in storage.files if name in url.key)
    storage.files[url] = storage.files[url][:-1] + b"\t"
    with pytest.raises((InventoryError, JobDamagedError), match="altered since"):
        rows(storage)


def test_a_retry_reads_its_own_copy() -> None:
    """The report may be made again meanwhile."""
    job = Job(objects(3))
    job.open()
    storage = reported(job)
    found = find(storage)
    job.commit_all()
    reported(job)
    source = CompletionReport(str(JOB))
    assert source.again(Place(storage, NEXT, None, NOW, lambda _line: None), found.pinned) == found
    assert all(found.datasets[0].file_url(file) in storage.files for file in found.datasets[0].files)


def aws_report(storage: MemoryStorage, **bodies: str) -> str:
    """Write a report as AWS does; return its folder."""
    results = []
    for status, text in bodies.items():
        url = AWS / f"results/{status}.csv"
        storage.write(url, text.encode())
        entry = {"Bucket": url.bucket, "Key": url.key, "MD5Checksum": hashlib.md5(text.encode()).hexdigest()}
        results.append({"TaskExecutionStatus": status, **entry})
    document = {
        "Format": "Report_CSV_20180820",
        "ReportCreationDate": "2026-11-05T17:48:39.725123456Z",
        "Results": results,
    }
    storage.write(AWS / "manifest.json", json.dumps(document).encode())
    return str(AWS)


def test_aws_reports_are_read_in_either_order_of_columns() -> None:
    """As AWS declares them, as it writes them, and as its guide shows them."""
    storage = MemoryStorage()
    failed = (
        'lake,a%20b+c%2B,,failed,200,PermanentFailure,"{""error"":""timed\nout, it says""}"\n'
        "lake,declared,v1,failed,AccessDenied,403,no\n"
        "lake,short,failed,400,InvalidRequest,Task failed due to missing VersionId\n"
    )
    url = aws_report(storage, succeeded='lake,%C3%BC,null,succeeded,200,,"{""checksum_hex"":""1""}"\n', failed=failed)
    columns = ("key", "version_id", "error_code", "http_status_code", "result_message")
    assert [tuple(row[name] for name in columns) for row in rows(storage, url)] == [
        ("a b c+", None, "PermanentFailure", 200, '{"error":"timed\nout, it says"}'),
        ("declared", "v1", "AccessDenied", 403, "no"),
        ("short", "null", "InvalidRequest", 400, "Task failed due to missing VersionId"),
    ]
    (row,) = rows(storage, f"{url}/manifest.json", "succeeded")
    assert [row[name] for name in columns] == ["ü", "null", None, 200, '{"checksum_hex":"1"}']
    assert len(rows(storage, url, "all")) == 4
    assert find(storage, url).datasets[0].created == datetime(2026, 11, 5, 17, 48, 39, 725123, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lake,a,,failed,403,AccessDenied,no\nlake,b\n", r"failed\.csv: row 2 is not a completion report row"),
        ("lake,a,,failed,403,AccessDenied,no,more\n", r"failed\.csv: row 1 is not a completion report row"),
        ("lake,b%zz,,failed,403,AccessDenied,no\n", r"failed\.csv: row 1: key field 'b%zz' is not URL-encoded"),
        ("lake,a,,succeeded,200,,\n", r"failed\.csv: row 1 is succeeded, but listed as failed"),
        ("bucket,key,versionid,taskstatus,a,b,c\n", r"failed\.csv: row 1 is not a completion report row"),
    ],
)
def test_a_row_that_is_none_of_a_report_is_told(text: str, told: str) -> None:
    """By file and row."""
    storage = MemoryStorage()
    with pytest.raises(InventoryError, match=told):
        rows(storage, aws_report(storage, failed=text))


def test_a_report_of_failures_does_not_tell_what_succeeded() -> None:
    """Nobody can make an undo of it."""
    storage = MemoryStorage()
    url = aws_report(storage, failed="lake,a,,failed,403,AccessDenied,no\n")
    with pytest.raises(InventoryError, match="FailedTasksOnly"):
        rows(storage, url, "succeeded")


def test_aws_files_are_checked_too() -> None:
    """By the checksum that AWS gives for each."""
    storage = MemoryStorage()
    url = aws_report(storage, failed="lake,a,,failed,403,AccessDenied,no\n")
    storage.files[AWS / "results/failed.csv"] += b"\n"
    with pytest.raises(InventoryError, match="altered since the report was made"):
        rows(storage, url)
    storage.delete(AWS / "results/failed.csv")
    with pytest.raises(InventoryError, match="can't be read"):
        rows(storage, url)
    storage.write(AWS / "manifest.json", b'{"Format": "other"}')
    with pytest.raises(InventoryError, match="Format is 'other'"):
        rows(storage, url)


def test_what_can_not_be_a_choice() -> None:
    """It is told before anything is read."""
    assert "objects='most' is unknown" in "; ".join(CompletionReport("s3://ops/job", "most").problems())
    assert "is not an S3 URL" in "; ".join(CompletionReport("ops/job").problems())


def test_memory_holds_no_more_than_some_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is as many result files as are said, and one row range is never parted."""
    from airflow_s3batch.manifests.sources.report import rows as report_rows

    monkeypatch.setattr(report_rows, "FILES_AT_ONCE", 2)
    job = Job(objects(40), shard_rows=40, range_rows=4, group_rows=4)
    job.open()
    for index in range(10):
        job.commit({0: OK, 1: Outcome(403, "AccessDenied"), 2: OK}, index=index)
    storage = reported(job)
    (dataset,) = find(storage, objects="all").datasets
    assert [pq.read_metadata(io.BytesIO(storage.files[dataset.file_url(f)])).num_rows for f in dataset.files] == [
        4
    ] * 10
    assert [row["size"] for row in rows(storage, objects="all")] == list(range(10, 50))
