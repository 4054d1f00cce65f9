"""The report's files: AWS's layout, failed.csv, summary.json."""

from __future__ import annotations

import hashlib
import json
import math
import re
from datetime import UTC, datetime

import pytest
from report_jobs import DENIED, GONE, JOB, OK, OPERATION, TASK, Job, objects

from airflow_s3batch.core.errors import ArgumentError, JobDamagedError, ManifestError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.reports import JobSummary, build_report

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
REPORT = JOB / "report"


def build(job: Job, **how: object) -> JobSummary:
    return build_report(job.storage, JOB, TASK, now=NOW, **how)  # type: ignore[arg-type]


def worked_on(rows: list[S3Object], outcomes: dict[int, Outcome], **how: int) -> Job:
    """Return a job of one range whose outcomes are *outcomes*, and OK for the other rows."""
    job = Job(rows, shard_rows=len(rows), range_rows=len(rows))
    job.open()
    job.commit({n: outcomes.get(n, OK) for n in range(len(rows))}, **how)
    return job


def test_manifest_is_as_aws_writes_it() -> None:
    job = worked_on(objects(3), {1: DENIED})
    build(job)
    body = job.storage.files[REPORT / "manifest.json"]
    document = json.loads(body)
    assert document["ReportCreationDate"] == "2026-11-22T12:00:00.123Z"
    assert [result["TaskExecutionStatus"] for result in document["Results"]] == ["succeeded", "failed"]
    assert job.storage.files[REPORT / "manifest.json.md5"].decode() == hashlib.md5(body).hexdigest()


def test_rewritten_result_files_are_named_as_aws_names_its_own() -> None:
    job = Job(objects(3))
    build(job)
    (result,) = json.loads(job.storage.files[REPORT / "manifest.json"])["Results"]
    assert re.fullmatch(re.escape(f"{REPORT.key}/results/") + r"[0-9a-f]{40}\.csv", result["Key"])


def test_manifest_is_the_last_file_written() -> None:
    job = worked_on(objects(3), {1: DENIED})
    written = []
    job.storage.before = lambda verb, url: written.append(url) if verb in ("write", "upload", "delete") else None
    build(job)
    assert written[-1] == REPORT / "manifest.json"
    assert {url.key.rpartition("/")[2] for url in written} == {
        "failed.csv",
        "summary.json",
        "report.html",
        "manifest.json.md5",
        "manifest.json",
    }


@pytest.mark.parametrize(
    ("versions", "text"),
    [
        ((None, None), "lake,a%20b/%2B.csv\nlake,c%0Ad\n"),
        (("null", "v2"), "lake,a%20b/%2B.csv,null\nlake,c%0Ad,v2\n"),
        (("v1", None), "lake,a%20b/%2B.csv,v1\nlake,c%0Ad,\n"),
    ],
)
def test_failed_csv_is_a_manifest_with_versions_for_all_rows_or_for_none(
    versions: tuple[str | None, str | None], text: str
) -> None:
    rows = [
        S3Object("lake", "a b/+.csv", versions[0]),
        S3Object("lake", "c\nd", versions[1]),
        S3Object("lake", "ok", "v3"),
    ]
    job = worked_on(rows, {0: DENIED, 1: Outcome(400, "InvalidRequest", "no, not\nso")})
    summary = build(job)
    assert job.storage.files[REPORT / "failed.csv"].decode() == text
    assert summary.failed_url == f"{REPORT}/failed.csv"


def test_stale_failed_csv_is_gone_once_nothing_fails() -> None:
    job = worked_on(objects(3), {1: DENIED})
    build(job)
    job.commit({1: OK}, attempt=2)
    summary = build(job)
    assert REPORT / "failed.csv" not in job.storage.files
    assert (summary.failed_url, summary.is_green) == (None, True)


@pytest.mark.parametrize(
    ("outcomes", "policy", "arguments", "is_green"),
    [
        ({0: GONE}, {"tolerate": ["NoSuchKey"], "allowed_failures": 0}, {}, True),
        ({0: GONE}, {"tolerate": [], "allowed_failures": 0}, {}, False),
        ({0: GONE}, {"tolerate": [], "allowed_failures": 0}, {"tolerate": {"NoSuchKey"}}, True),
        ({0: GONE}, {"tolerate": ["NoSuchKey"], "allowed_failures": 0}, {"tolerate": set()}, False),
        ({0: DENIED}, {"tolerate": [], "allowed_failures": 1}, {}, True),
        ({0: DENIED}, {"tolerate": [], "allowed_failures": 1}, {"allowed_failures": 0}, False),
        ({0: DENIED, 1: DENIED}, {"tolerate": [], "allowed_failures": 1}, {}, False),
        ({0: DENIED}, {"tolerate": [], "allowed_failures": 0.1}, {}, True),
        ({0: DENIED, 1: DENIED}, {"tolerate": [], "allowed_failures": 0.1}, {}, False),
        ({0: GONE}, {}, {}, True),
        ({0: DENIED}, {}, {}, False),
    ],
)
def test_run_is_green_only_if_no_more_failed_than_allowed(
    outcomes: dict[int, Outcome], policy: dict[str, object], arguments: dict[str, object], is_green: bool
) -> None:
    job = worked_on(objects(10), outcomes)
    job.open(policy=policy)
    assert build(job, **arguments).is_green is is_green


@pytest.mark.parametrize("before", [0, 5])
def test_newest_attempt_says_what_is_allowed(before: int) -> None:
    """The policy may be edited between two attempts, whatever the first one wrote into operation.json."""
    now = 5 - before
    job = Job(objects(20), shard_rows=10, range_rows=10)
    job.open(policy={"tolerate": [], "allowed_failures": before})
    for shard in (0, 1):
        job.start(shard, 1, policy={"tolerate": [], "allowed_failures": before})
        job.commit({n: DENIED if n == 0 else OK for n in range(10)}, shard=shard)
    assert build(job).is_green is (before == 5)
    job.start(1, 1, started_ms=90, policy={"tolerate": ["AccessDenied"], "allowed_failures": now})
    summary = build(job)
    assert (summary.allowed_failures, summary.tolerate) == (now, ("AccessDenied",))
    job.start(0, 2, started_ms=95, policy={"tolerate": [], "allowed_failures": now})
    summary = build(job)
    assert (summary.allowed_failures, summary.tolerate, summary.is_green) == (now, (), now == 5)


def test_newest_attempt_is_the_last_to_start_whatever_its_try_number() -> None:
    """Shards are retried independently."""
    job = Job(objects(4), shard_rows=2)
    job.open()
    job.commit_all()
    job.start(0, 7, policy={"allowed_failures": 7})
    job.start(1, 2, started_ms=1_000, policy={"allowed_failures": 2})
    assert build(job).allowed_failures == 2


def test_only_the_newest_attempt_is_read() -> None:
    """A job has thousands of attempts; reading them all would be slow."""
    job = worked_on(objects(3), {})
    for attempt in range(1, 6):
        job.start(0, attempt, policy={"allowed_failures": attempt})
    read: list[str] = []
    job.storage.before = lambda verb, url: read.append(url.key) if verb == "read" else None
    assert build(job).allowed_failures == 5
    assert len([key for key in read if "/attempt-" in key]) == 1


def test_damaged_start_of_an_attempt_is_an_error_that_names_it() -> None:
    job = worked_on(objects(3), {})
    job.start()
    (url,) = (url for url in job.storage.files if "/attempt-" in url.key)
    job.storage.files[url] = b"{"
    with pytest.raises(JobDamagedError, match=re.escape(str(url))):
        build(job)


@pytest.mark.parametrize("wrong", [-1, math.nan])
def test_allowance_that_is_no_number_of_objects_is_refused(wrong: float) -> None:
    with pytest.raises(ArgumentError, match=f"allowed_failures={wrong}"):
        build(worked_on(objects(1), {}), allowed_failures=wrong)


def test_sentence_says_what_how_many_the_first_and_the_next_step() -> None:
    job = worked_on(objects(1200), {5: DENIED, 6: DENIED, 7: GONE})
    assert build(job, tolerate=()).sentence() == (
        "put_object_tagging: 3 of 1,200 objects failed (AccessDenied 2, NoSuchKey 1). "
        "First: s3://lake/a/0005.csv (AccessDenied).\n"
        f"The failed objects are listed in {REPORT}/failed.csv; "
        f"fix the cause and clear task {TASK} (its instances may be green, as their failures add up) "
        "to run only these again."
    )


def test_sentence_names_the_failure_that_counts_and_what_is_tolerated() -> None:
    job = worked_on(objects(10), {1: GONE, 2: GONE, 3: DENIED})
    first, _ = build(job).sentence().split("\n")
    assert first == (
        "put_object_tagging: 3 of 10 objects failed (NoSuchKey 2, AccessDenied 1); 1 count, 0 are allowed. "
        "First: s3://lake/a/0003.csv (AccessDenied)."
    )


def test_sentence_of_a_green_job_asks_for_nothing() -> None:
    text = build(worked_on(objects(10), {1: GONE, 2: DENIED}), allowed_failures=0.25).sentence()
    assert text == (
        "put_object_tagging: 2 of 10 objects failed (AccessDenied 1, NoSuchKey 1); 1 count, 2 are allowed. "
        "First: s3://lake/a/0002.csv (AccessDenied).\n"
        f"The failed objects are listed in {REPORT}/failed.csv."
    )


def test_sentence_of_a_clean_job_is_short() -> None:
    assert build(worked_on(objects(10), {})).sentence() == "put_object_tagging: all 10 objects succeeded."


def test_requests_of_all_attempts_add_up_and_pauses_between_them_do_not() -> None:
    job = Job(objects(20), shard_rows=10)
    job.open()
    every = dict.fromkeys(range(10), OK)
    times = [("10:00:00.000Z", "10:00:10.000Z"), ("10:00:05.000Z", "10:00:20.500Z"), ("15:00:00.000Z", "15:00:04.000Z")]
    for shard, attempt, (started, ended) in zip((0, 1, 1), (1, 1, 2), times, strict=True):
        job.commit(every, shard=shard, attempt=attempt, started=f"2026-11-22T{started}", ended=f"2026-11-22T{ended}")
        job.finish(shard, attempt, requests=300)
    summary = build(job)
    assert (summary.requests, summary.retries, summary.slow_downs) == (900, 90, 9)
    assert (summary.started, summary.ended) == ("2026-11-22T10:00:00.000Z", "2026-11-22T15:00:04.000Z")
    assert summary.duration_s == 24.5
    assert summary.rate == 0.8


def test_summary_json_holds_counts_verdict_and_origin() -> None:
    job = worked_on(objects(10), {3: DENIED})
    selection = {"inventory": "s3://inv/daily", "where": "TRUE"}
    source = {"manifest": "s3://inv/daily/manifest.json"}
    document = {
        "format": "airflow-s3batch-job/1",
        "selection": selection,
        "source": source,
        "about": {"dag_id": "d", "try_number": 1},
    }
    job.storage.write(job.layout.job, json.dumps(document).encode())
    summary = build(job, about={"try_number": 2})
    data = json.loads(job.storage.files[REPORT / "summary.json"])
    assert data == json.loads(json.dumps(summary.to_json()))
    expected = {
        "format": "airflow-s3batch-summary/1",
        "objects": 10,
        "succeeded": 9,
        "failed": 1,
        "counted_failures": 1,
        "not_attempted": 0,
        "is_green": False,
        "codes": {"AccessDenied": 1},
        "operation": OPERATION,
        "tolerate": ["NoSuchKey", "NoSuchVersion"],
        "selection": selection,
        "source": source,
        "about": {"dag_id": "d", "try_number": 2},
        "report_url": f"{REPORT}/manifest.json",
    }
    assert {name: data[name] for name in expected} == expected


def test_same_outcomes_have_the_same_fingerprint_and_other_outcomes_another() -> None:
    job = worked_on(objects(10), {3: DENIED})
    first = build(job)
    files = dict(job.storage.files)
    again = build_report(job.storage, JOB, TASK, now=datetime(2027, 1, 1, tzinfo=UTC))
    assert again.fingerprint == first.fingerprint
    assert set(job.storage.files) == set(files)
    job.commit({3: OK}, attempt=2)
    assert build(job).fingerprint != first.fingerprint


def test_a_report_on_another_operation_is_not_replaced() -> None:
    """Two operations over one manifest would overwrite each other's evidence."""
    job = worked_on(objects(3), {})
    build(job)
    before = dict(job.storage.files)
    with pytest.raises(ManifestError, match=r"'another\.run'.*manifest task of its own"):
        build_report(job.storage, JOB, "another.run", now=NOW)
    assert job.storage.files == before


def test_a_report_on_a_task_that_never_started_is_replaced() -> None:
    """Its id was misspelt; it is evidence of nothing."""
    job = worked_on(objects(3), {})
    misspelt = build_report(job.storage, JOB, "quarantine.rnu", now=NOW)
    assert misspelt.not_attempted == 3
    assert build(job).succeeded == 3
    assert json.loads(job.storage.files[REPORT / "summary.json"])["task_id"] == TASK


def test_a_summary_of_no_manifest_is_red_and_has_every_name_of_a_report() -> None:
    """Notifiers' templates work with either."""
    summary = JobSummary.of_no_manifest(TASK, "there is no manifest")
    assert (summary.is_green, summary.sentence(), summary.objects) == (False, "there is no manifest", 0)
    assert summary.to_json().keys() == build(worked_on(objects(1), {})).to_json().keys()
    assert json.dumps(summary.to_json())


def test_a_refused_shard_makes_the_report_red() -> None:
    """Somebody edited the operation and cleared the task: what was asked for was not done."""
    job = worked_on(objects(3), {})
    job.storage.write(job.layout.operation(TASK).refusal(0), b"{}")
    summary = build(job)
    assert (summary.failed, summary.is_green) == (0, False)
    assert "edited" in summary.sentence()
    assert "edited" in job.storage.files[REPORT / "report.html"].decode()
    job.storage.delete(job.layout.operation(TASK).refusal(0))
    assert build(job).is_green
