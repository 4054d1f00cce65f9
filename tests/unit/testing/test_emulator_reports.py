"""The emulator's completion reports, byte for byte; expected texts are written by hand after AWS's documentation."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emulator_bench import Bench

from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.testing.emulator.report import ReportDraft, report_manifest, report_row
from airflow_s3batch.testing.emulator.tasks import Task

NOW = dt.datetime(2019, 4, 5, 17, 48, 39, 725_000, tzinfo=dt.UTC)
TIMED_OUT = Outcome(
    200,
    "PermanentFailure",
    'Lambda returned function error: {"errorMessage":"Task timed out"}',
)
NO_VERSION = Outcome(400, "InvalidRequest", "Task failed due to missing VersionId")

SUCCEEDED = """\
lake,a%20b/c%2Bd.txt,,succeeded,200,,Successful
lake,form+encoded.txt,v1,succeeded,200,,Successful
lake,quoted,,succeeded,200,,"{""a"": 1, ""b"": 2}"
lake,"odd,key",,succeeded,200,,"two
lines"
"""
FAILED = """\
lake,image_14975,,failed,200,PermanentFailure,"Lambda returned function error: {""errorMessage"":""Task timed out""}"
lake,gone,v2,failed,404,NoSuchKey,The specified key does not exist.
lake,null-version,failed,400,InvalidRequest,Task failed due to missing VersionId
"""
TASKS = [
    (Task("lake", "a%20b/c%2Bd.txt"), SUCCESS),
    (Task("lake", "image_14975"), TIMED_OUT),
    (Task("lake", "form+encoded.txt", "v1"), SUCCESS),
    (Task("lake", "gone", "v2"), Outcome(404, "NoSuchKey", "The specified key does not exist.")),
    (Task("lake", "quoted"), Outcome(200, "", '{"a": 1, "b": 2}')),
    (Task("lake", "null-version", lacks_version=True), NO_VERSION),
    (Task("lake", "odd,key"), Outcome(200, "", "two\nlines")),
]


def published(
    folder: Path,
    scope: str = "AllTasks",
    rows_per_file: int = 100,
    tasks: Sequence[tuple[Task, Outcome]] = TASKS,
    **place: Any,
) -> dict[str, bytes]:
    """Return the files of the report on *tasks* by key."""
    draft = ReportDraft(folder, scope, rows_per_file)
    for task, outcome in tasks:
        draft.add(task, outcome)
    files: dict[str, bytes] = {}
    draft.publish(
        lambda bucket, key, body: files.update({f"{bucket}/{key}": body}),
        {"Bucket": "arn:aws:s3:::reports", **place},
        "f8fb9d89",
        NOW,
    )
    draft.close()
    return files


def results(files: dict[str, bytes]) -> dict[str, str]:
    """Return the result files' texts by status, as the manifest points at them."""
    manifest = json.loads(next(body for key, body in files.items() if key.endswith("/manifest.json")))
    found: dict[str, str] = {}
    for entry in manifest["Results"]:
        body = files[f"{entry['Bucket']}/{entry['Key']}"]
        assert hashlib.md5(body).hexdigest() == entry["MD5Checksum"]
        found[entry["TaskExecutionStatus"]] = found.get(entry["TaskExecutionStatus"], "") + body.decode()
    return found


def test_a_report_has_aws_s_files_in_aws_s_places(tmp_path: Path) -> None:
    """Results first, the manifest's checksum last."""
    keys = list(published(tmp_path, Prefix="some/prefix"))
    shapes = [re.sub("[0-9a-f]{40}", "<40 hex>", key) for key in keys]
    assert shapes == [
        "reports/some/prefix/job-f8fb9d89/results/<40 hex>.csv",
        "reports/some/prefix/job-f8fb9d89/results/<40 hex>.csv",
        "reports/some/prefix/job-f8fb9d89/manifest.json",
        "reports/some/prefix/job-f8fb9d89/manifest.json.md5",
    ]
    assert len(set(keys)) == 4


def test_without_a_prefix_a_report_lies_at_the_top(tmp_path: Path) -> None:
    assert "reports/job-f8fb9d89/manifest.json" in published(tmp_path)


def test_rows_are_aws_s_rows(tmp_path: Path) -> None:
    """HTTP status before error code, whatever the schema says; keys as the manifest spells them."""
    assert results(published(tmp_path)) == {"succeeded": SUCCEEDED, "failed": FAILED}


def test_a_report_on_failures_has_no_file_of_successes(tmp_path: Path) -> None:
    assert results(published(tmp_path, "FailedTasksOnly")) == {"failed": FAILED}


def test_successes_come_first_whichever_request_ended_first(tmp_path: Path) -> None:
    assert list(results(published(tmp_path, tasks=[TASKS[1], TASKS[0]]))) == ["succeeded", "failed"]


def test_long_reports_have_several_files_of_a_status(tmp_path: Path) -> None:
    files = published(tmp_path, rows_per_file=2)
    assert len(files) == 2 + 2 + 2
    assert results(files) == {"succeeded": SUCCEEDED, "failed": FAILED}


def test_the_manifest_tells_the_schema_that_the_rows_do_not_have() -> None:
    entry = {"TaskExecutionStatus": "failed", "Bucket": "b", "MD5Checksum": "m", "Key": "k"}
    assert json.loads(report_manifest([entry], NOW)) == {
        "Format": "Report_CSV_20180820",
        "ReportCreationDate": "2019-04-05T17:48:39.725Z",
        "Results": [entry],
        "ReportSchema": "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage",
    }


def test_the_side_car_holds_the_manifest_s_checksum(tmp_path: Path) -> None:
    files = published(tmp_path)
    manifest = files["reports/job-f8fb9d89/manifest.json"]
    assert files["reports/job-f8fb9d89/manifest.json.md5"].decode() == hashlib.md5(manifest).hexdigest()


def test_a_row_has_seven_fields_but_where_the_version_is_missing() -> None:
    assert len(report_row(Task("b", "k"), SUCCESS)) == 7
    assert len(report_row(Task("b", "k", lacks_version=True), NO_VERSION)) == 6


# -- when there is one ------------------------------------------------------------------------


def reports(lab: Bench) -> list[str]:
    return [key for bucket, key in lab.store.files if bucket == "reports"]


def test_a_job_that_invoked_no_task_has_no_report(lab: Bench) -> None:
    lab.emulator.hold("Active")
    job_id = lab.create("a")
    lab.emulator.wait(job_id, "Active")
    lab.set_status(job_id, "Cancelled")
    lab.emulator.wait(job_id)
    lab.emulator.wait_for_report(job_id)
    assert reports(lab) == []


def test_a_job_that_wants_no_report_has_none(lab: Bench) -> None:
    lab.emulator.wait(lab.create("a", Report={"Enabled": False}))
    assert reports(lab) == []


def test_a_job_without_failures_has_a_report_on_failures_that_lists_no_file(lab: Bench) -> None:
    place = {"Enabled": True, "Bucket": "arn:aws:s3:::reports", "Format": "Report_CSV_20180820"}
    job_id = lab.create("a", Report={**place, "ReportScope": "FailedTasksOnly"})
    lab.emulator.wait(job_id)
    assert json.loads(lab.store.files["reports", f"job-{job_id}/manifest.json"])["Results"] == []


def test_a_job_that_failed_reports_what_ran(lab: Bench) -> None:
    lab.outcome_of = lambda obj: Outcome(403, "AccessDenied", "no")
    job_id = lab.create(*(f"k{number}" for number in range(1001)))
    assert lab.emulator.wait(job_id)["Status"] == "Failed"
    manifest = json.loads(lab.store.files["reports", f"p/job-{job_id}/manifest.json"])
    (entry,) = manifest["Results"]
    assert lab.store.files["reports", entry["Key"]].count(b"\n") == 1000


def test_rows_can_be_left_out(lab: Bench) -> None:
    """As if S3 had never invoked those tasks."""
    lab.emulator.omit_from_reports(lambda task: task.spelled_key == "b")
    job_id = lab.create("a", "b", "c")
    assert lab.emulator.wait(job_id)["ProgressSummary"]["NumberOfTasksSucceeded"] == 3
    body = next(body for (_, key), body in lab.store.files.items() if "results" in key)
    assert [line.split(b",")[1] for line in body.splitlines()] == [b"a", b"c"]
