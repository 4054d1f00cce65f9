"""`read_report` reads any completion report: AWS's, in all its spellings, and ours."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pandas as pd
import pytest
from report_jobs import DENIED, JOB, OK, TASK, Job

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.reports import build_report, read_report, read_rows
from airflow_s3batch.testing.storage import MemoryStorage

AWS = S3Url("my-job-reports", "reports/job-f8fb9d89-a3aa-461d-bddc-ea6a1b131955")
SUCCEEDED = (
    b'awsexamplebucket1,image_17775,,succeeded,200,,"{""status"": ""ok"", ""n"": 1}"\n'
    b"awsexamplebucket1,my+folder/a%2Bb%20c.jpg,null,succeeded,200,,Successful\n"
)
FAILED = (
    b"awsexamplebucket1,image_14975,,failed,200,PermanentFailure,"
    b'"Lambda returned function error: {""errorMessage"":""Task timed out\nafter 3.00 seconds""}"\n'
    b"awsexamplebucket1,declared-order,v1,failed,AccessDenied,403,Access Denied\n"
    b"awsexamplebucket1,%E6%97%A5%E6%9C%AC,failed,400,InvalidRequest,Task failed due to missing VersionId\n"
)


def aws_report(files: dict[str, bytes]) -> MemoryStorage:
    """Return a store that holds a report as AWS's documentation and published reports show it."""
    storage = MemoryStorage()
    results = []
    for status, body in files.items():
        url = AWS / f"results/{hashlib.sha1(body).hexdigest()}.csv"
        storage.write(url, body)
        md5 = hashlib.md5(body).hexdigest()
        results.append({"TaskExecutionStatus": status, "Bucket": url.bucket, "MD5Checksum": md5, "Key": url.key})
    document = {
        "Format": "Report_CSV_20180820",
        "ReportCreationDate": "2019-04-05T17:48:39.725000001Z",
        "Results": results,
        "ReportSchema": "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage",
    }
    storage.write(AWS / "manifest.json", json.dumps(document).encode())
    return storage


def records(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    return [tuple(None if value is pd.NA else value for value in row) for row in frame.itertuples(index=False)]


def test_aws_report_with_its_quirks() -> None:
    """Code and status in either order, rows without VersionId, encoded keys, quoted and multi-line messages."""
    frame = read_report(f"{AWS}/manifest.json", storage=aws_report({"succeeded": SUCCEEDED, "failed": FAILED}))
    bucket = "awsexamplebucket1"
    timeout = 'Lambda returned function error: {"errorMessage":"Task timed out\nafter 3.00 seconds"}'
    assert records(frame) == [
        (bucket, "image_17775", None, "succeeded", 200, None, '{"status": "ok", "n": 1}'),
        (bucket, "my folder/a+b c.jpg", "null", "succeeded", 200, None, "Successful"),
        (bucket, "image_14975", None, "failed", 200, "PermanentFailure", timeout),
        (bucket, "declared-order", "v1", "failed", 403, "AccessDenied", "Access Denied"),
        (bucket, "日本", None, "failed", 400, "InvalidRequest", "Task failed due to missing VersionId"),
    ]


def test_report_of_failed_tasks_only() -> None:
    frame = read_report(str(AWS), storage=aws_report({"failed": FAILED}))
    assert frame["error_code"].value_counts().to_dict() == {
        "PermanentFailure": 1,
        "AccessDenied": 1,
        "InvalidRequest": 1,
    }


@pytest.mark.parametrize("files", [{}, {"failed": FAILED}])
def test_columns_and_types_are_the_same_even_without_rows(files: dict[str, bytes]) -> None:
    frame = read_report(f"{AWS}/", storage=aws_report(files))
    assert list(frame.columns) == [
        "bucket",
        "key",
        "version_id",
        "task_status",
        "http_status_code",
        "error_code",
        "result_message",
    ]
    assert isinstance(frame["http_status_code"].dtype, pd.Int64Dtype)
    assert {name: isinstance(frame[name].dtype, pd.StringDtype) for name in frame if name != "http_status_code"} == {
        name: True for name in frame if name != "http_status_code"
    }


@pytest.mark.parametrize("place", ["", "/", "/report", "/report/", "/report/manifest.json"])
def test_our_report_is_found_by_its_job_folder_or_file(place: str) -> None:
    rows = [S3Object("lake", "a b+c%/é\n.csv", "null", 5), S3Object("lake", "plain", None, 6), S3Object("lake", "lost")]
    job = Job(rows)
    job.open()
    job.commit({0: OK, 1: DENIED})
    build_report(job.storage, JOB, TASK, now=datetime(2026, 11, 22, tzinfo=UTC))
    assert sorted(records(read_report(f"{JOB}{place}", storage=job.storage)), key=str) == sorted(
        [
            ("lake", "a b+c%/é\n.csv", "null", "succeeded", 200, None, "Successful"),
            ("lake", "plain", None, "failed", 403, "AccessDenied", "Access Denied"),
            ("lake", "lost", None, "failed", 0, "NotAttempted", "the last attempt was cut short before this object"),
        ],
        key=str,
    )


def damaged(how: str) -> tuple[MemoryStorage, str]:
    """Return a store with a report that is damaged, and the file that is to blame."""
    storage = aws_report({"failed": FAILED})
    manifest = AWS / "manifest.json"
    result = next(url for url in storage.files if url.key.endswith(".csv"))
    if how == "altered":
        storage.files[result] += b"x,y,,failed,1,z,m\n"
    elif how == "missing":
        storage.delete(result)
    elif how == "no report":
        storage.delete(manifest)
    elif how == "not JSON":
        storage.files[manifest] = b"<html>"
    elif how == "other format":
        storage.files[manifest] = storage.files[manifest].replace(b"20180820", b"20990101")
    return storage, str(AWS if how == "no report" else result if how in ("altered", "missing") else manifest)


@pytest.mark.parametrize("how", ["altered", "missing", "no report", "not JSON", "other format"])
def test_damaged_report_is_an_error_that_names_the_file(how: str) -> None:
    storage, place = damaged(how)
    with pytest.raises(ManifestError) as caught:
        read_report(str(AWS), storage=storage)
    assert place in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"Bucket,Key\n", b"b,k,,done,200,,x\n", b"b,\xff,,failed,200,,x\n", b"b,%ff,,failed,200,,x\n"]
)
def test_file_that_is_not_a_result_file_is_an_error(body: bytes) -> None:
    with pytest.raises(ManifestError):
        read_report(str(AWS), storage=aws_report({"failed": body}))


def test_rows_are_read_one_file_at_a_time() -> None:
    """The second file is fetched only once the first one's rows are used up."""
    storage = aws_report({"succeeded": SUCCEEDED, "failed": FAILED})
    fetched = []
    storage.before = lambda verb, url: fetched.append(url) if verb == "download" else None
    rows = read_rows(storage, str(AWS))
    assert (next(rows).key, len(fetched)) == ("image_17775", 1)
    assert (sum(1 for _ in rows), len(fetched)) == (4, 2)
