"""Every row of the manifest has exactly one row in the completion report, by the rule."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from aws_reader import Row, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_jobs import DENIED, GONE, JOB, OK, TASK, Job, attempt_id, objects

from airflow_s3batch.core.errors import JobDamagedError, ManifestError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.reports import JobSummary, build_report

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


def build(job: Job, **how: object) -> JobSummary:
    return build_report(job.storage, JOB, TASK, now=NOW, **how)  # type: ignore[arg-type]


def report_rows(job: Job) -> list[Row]:
    """Return the report's rows as a tool written for AWS's reports reads them."""
    return read(
        lambda bucket, key: job.storage.files[S3Url(bucket, key)], JOB.bucket, f"{JOB.key}/report/manifest.json"
    )


def outcome_by_key(job: Job) -> dict[str, str]:
    rows = report_rows(job)
    assert Counter((row.bucket, row.key, row.version_id) for row in rows) == Counter(
        (row.bucket, row.key, row.version_id or "") for row in job.rows
    )
    return {row.key: row.error_code or "ok" for row in rows}


def test_job_without_incident_lists_its_files_as_they_are() -> None:
    job = Job(objects(25), shard_rows=15)
    job.open()
    job.commit_all()
    summary = build(job)
    assert outcome_by_key(job) == dict.fromkeys((row.key for row in job.rows), "ok")
    assert not [url for url in job.storage.files if "/report/results/" in url.key]
    assert (summary.objects, summary.succeeded, summary.failed, summary.is_green) == (25, 25, 0, True)
    assert summary.bytes == sum(row.size or 0 for row in job.rows)


def test_later_success_replaces_an_earlier_failure_and_only_that_row() -> None:
    job = Job(objects(10))
    job.open()
    job.commit({n: DENIED if n in (2, 7) else OK for n in range(10)})
    job.commit({2: OK, 7: GONE}, attempt=2)
    summary = build(job)
    assert outcome_by_key(job) == {row.key: "NoSuchKey" if n == 7 else "ok" for n, row in enumerate(job.rows)}
    assert summary.codes == {"NoSuchKey": 1}
    assert summary.bytes == sum(row.size or 0 for n, row in enumerate(job.rows) if n != 7)


def test_failure_that_is_partly_superseded_is_rewritten_without_the_superseded_rows() -> None:
    job = Job(objects(10))
    job.open()
    job.commit({n: DENIED if n in (2, 7) else OK for n in range(10)})
    job.commit({2: OK}, attempt=2)
    summary = build(job)
    assert outcome_by_key(job)[job.rows[7].key] == "AccessDenied"
    assert outcome_by_key(job)[job.rows[2].key] == "ok"
    assert (summary.codes, summary.examples) == ({"AccessDenied": 1}, {"AccessDenied": ["s3://lake/a/0007.csv"]})


def test_zombies_success_is_not_counted_twice() -> None:
    """Two attempts overlap; each thinks that it did the objects."""
    job = Job(objects(10))
    job.open()
    job.commit(dict.fromkeys(range(6), OK), attempt=1)
    job.commit(dict.fromkeys(range(3, 10), OK), attempt=1, salt=1)
    summary = build(job)
    assert outcome_by_key(job) == dict.fromkeys((row.key for row in job.rows), "ok")
    assert (summary.succeeded, summary.bytes) == (10, sum(row.size or 0 for row in job.rows))


def test_success_survives_a_later_failure_of_a_zombie() -> None:
    job = Job(objects(10))
    job.open()
    job.commit(dict.fromkeys(range(10), OK))
    job.commit(dict.fromkeys(range(4), DENIED), attempt=2)
    assert build(job).is_green
    assert set(outcome_by_key(job).values()) == {"ok"}


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (lambda job: None, "no attempt reached this object"),
        (lambda job: job.start(), "the last attempt was cut short before this object"),
        (lambda job: job.finish(stopped="55 % failed"), "the shard stopped before this object: 55 % failed"),
        (lambda job: job.finish(), "no attempt reached this object"),
    ],
)
def test_object_without_outcome_is_not_attempted_and_the_report_says_why(
    prepare: Callable[[Job], None], why: str
) -> None:
    job = Job(objects(25))
    job.open()
    prepare(job)
    summary = build(job, tolerate={"NotAttempted"}, allowed_failures=24)
    rows = report_rows(job)
    assert {row[3:] for row in rows} == {("failed", "0", "NotAttempted", why)}
    assert [row.key for row in rows] == [row.key for row in job.rows]
    assert (summary.not_attempted, summary.counted_failures, summary.is_green) == (25, 25, False)
    assert summary.examples == {"NotAttempted": [f"s3://lake/a/{n:04d}.csv" for n in range(3)]}


def test_gap_between_committed_rows_is_filled() -> None:
    job = Job(objects(30), group_rows=4)
    job.open()
    job.commit(dict.fromkeys((0, 1, 2, 5, 9), OK), index=1)
    build(job)
    reached = {job.rows[10 + n].key for n in (0, 1, 2, 5, 9)}
    assert outcome_by_key(job) == {row.key: "ok" if row.key in reached else "NotAttempted" for row in job.rows}


def test_operation_that_was_never_started_leaves_everything_not_attempted() -> None:
    job = Job(objects(5))
    summary = build(job)
    assert set(outcome_by_key(job).values()) == {"NotAttempted"}
    assert (summary.operation, summary.name, summary.is_green) == ({}, TASK, False)


def test_manifest_without_rows_gives_an_empty_green_report() -> None:
    job = Job([])
    summary = build(job)
    assert report_rows(job) == []
    assert (summary.is_green, summary.failed_url) == (True, None)
    assert summary.sentence() == f"{TASK}: the manifest is empty, so nothing was done."


def test_job_without_manifest_is_an_error_that_says_so() -> None:
    job = Job(objects(1))
    job.storage.delete(job.layout.manifest)
    with pytest.raises(ManifestError, match=r"manifest/manifest.json: there is no manifest, so there is nothing to"):
        build(job)


def test_newest_generation_of_each_shard_counts() -> None:
    """Started over (resume=False), but only shard 0 got a turn: shard 1 keeps what it has."""
    job = Job(objects(20), shard_rows=10)
    job.open(1)
    job.commit_all(OK)
    job.open(2)
    job.commit(dict.fromkeys(range(10), DENIED), shard=0, generation=2)
    build(job)
    assert outcome_by_key(job) == {row.key: "AccessDenied" if n < 10 else "ok" for n, row in enumerate(job.rows)}


def test_generation_of_another_operation_does_not_count() -> None:
    job = Job(objects(20), shard_rows=10)
    job.open(1)
    job.commit_all(OK)
    job.open(2, operation={"operation": "DeleteObjectTagging"})
    job.commit(dict.fromkeys(range(10), OK), shard=0, generation=2)
    build(job)
    assert outcome_by_key(job) == {row.key: "ok" if n < 10 else "NotAttempted" for n, row in enumerate(job.rows)}


def test_foreign_file_is_ignored_with_a_warning_and_an_uncommitted_part_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    job = Job(objects(10))
    job.open()
    job.commit_all()
    shard = job.generation().shard(0)
    job.storage.write(shard / "notes\n.txt", b"?")
    job.storage.write(job.generation().part(0, 0, attempt_id(9), "failed"), b"half")
    assert build(job).is_green
    assert [record.getMessage() for record in caplog.records] == [
        f"'{shard}/notes\\n.txt': ignored, not a file of this package"
    ]


def damage_nothing_left(job: Job, part: S3Url) -> None:
    job.storage.delete(part)


def damage_other_size(job: Job, part: S3Url) -> None:
    job.storage.files[part] += b"x"


def damage_other_bytes(job: Job, part: S3Url) -> None:
    job.storage.files[part] = job.storage.files[part].replace(b"lake", b"cake")


@pytest.mark.parametrize("status", ["succeeded", "failed"])
@pytest.mark.parametrize("damage", [damage_nothing_left, damage_other_size, damage_other_bytes])
def test_missing_or_altered_result_file_is_an_error_that_names_it(
    damage: Callable[[Job, S3Url], None], status: str
) -> None:
    job = Job(objects(10))
    job.open()
    job.commit({n: DENIED if n == 3 else OK for n in range(10)})
    part = job.generation().part(0, 0, attempt_id(1), status)
    damage(job, part)
    with pytest.raises(JobDamagedError) as caught:
        build(job)
    assert str(caught.value).startswith(f"{part}: ")
    assert JOB / "report/manifest.json" not in job.storage.files


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        (b"Access Denied", b"ACCESS DENIED", "missing or altered since it was written: its MD5 is not"),
        (b",failed,403,", b",succeeded,403,", "the row of object 3 is not one of status 'failed'"),
        (b"failed,403,AccessDenied,", b"failed", "the row of object 3 is not one of status 'failed'"),
        (b"Access Denied", b"Access\nDenied", "has 2 rows, the commit says 1"),
    ],
)
def test_content_is_checked_where_the_listing_shows_nothing_wrong(before: bytes, after: bytes, error: str) -> None:
    job = Job(objects(10))
    job.open()
    job.commit({n: DENIED if n == 3 else OK for n in range(10)})
    part, commit = job.generation().part(0, 0, attempt_id(1), "failed"), job.generation().commit(0, 0, attempt_id(1))
    body = job.storage.files[part].replace(before, after)
    md5 = hashlib.md5(body).hexdigest()
    files = json.loads(job.storage.files[commit])["files"]
    claim = files["failed"]["md5"] if "MD5" in error else md5
    files["failed"].update(bytes=len(body), e_tag=job.storage.write(part, body), md5=claim)
    edited(job, commit, files=files)
    with pytest.raises(JobDamagedError) as caught:
        build(job)
    assert str(caught.value).startswith(f"{part}: {error}")


def edited(job: Job, url: S3Url, **changes: object) -> None:
    job.storage.files[url] = json.dumps({**json.loads(job.storage.files[url]), **changes}).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"range": [0, 0, 9]},
        {"range": [1, 0, 10]},
        {"attempt": attempt_id(7)},
        {"format": "other/1"},
        {"attempted": [[0, 9]]},
        {"tally": {"succeeded": 10, "failed": 0, "bytes": 1, "codes": {"AccessDenied": 1}, "examples": {}}},
        {"started": "yesterday"},
    ],
)
def test_commit_that_does_not_fit_the_manifest_or_itself_is_an_error(changes: dict[str, object]) -> None:
    job = Job(objects(10))
    job.open()
    job.commit_all()
    edited(job, job.generation().commit(0, 0, attempt_id(1)), **changes)
    with pytest.raises(JobDamagedError):
        build(job)


def test_commit_for_a_range_that_the_manifest_lacks_is_an_error() -> None:
    job = Job(objects(10))
    job.open()
    job.commit_all()
    commit = job.storage.files[job.generation().commit(0, 0, attempt_id(1))]
    job.storage.write(job.generation().commit(0, 1, attempt_id(1)), commit)
    with pytest.raises(JobDamagedError, match="shard 0 has no range 1"):
        build(job)


def test_altered_shard_file_is_an_error_when_its_rows_are_needed() -> None:
    job = Job(objects(10))
    url = S3Url(JOB.bucket, job.shards[0].key)
    job.storage.files[url] = job.storage.files[url].replace(b"PAR1", b"PAR2")
    with pytest.raises(JobDamagedError, match="altered since it was published"):
        build(job)


def test_generation_with_shards_but_without_operation_is_an_error() -> None:
    job = Job(objects(10))
    job.open()
    job.commit_all()
    job.storage.delete(job.generation().operation)
    with pytest.raises(JobDamagedError, match=r"operation.json: missing, although shards were worked on beside it"):
        build(job)


def test_report_that_was_not_finished_is_not_there() -> None:
    """The manifest comes last: a crash before it leaves an earlier report valid."""
    job = Job(objects(10))
    job.open()
    job.commit_all(DENIED)
    build(job)
    before = report_rows(job)
    job.commit_all(OK, attempt=2)

    def crash(verb: str, url: S3Url) -> None:
        if verb == "upload" and url == JOB / "report/manifest.json":
            raise RuntimeError("killed")

    job.storage.before = crash
    with pytest.raises(RuntimeError, match="killed"):
        build(job)
    assert report_rows(job) == before


# -- any history of attempts ------------------------------------------------------------------------------------------

ROWS, RANGE_ROWS = 23, 5
WHY = "no attempt reached this object"
OUTCOMES = st.sampled_from([OK, DENIED, GONE])


History = list[tuple[int, int, int, dict[int, Outcome]]]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Return commits (range, attempt, salt, outcomes): resumed, partial, overlapping, in any number."""
    found = []
    for index in range(-(-ROWS // RANGE_ROWS)):
        rows = min(RANGE_ROWS, ROWS - index * RANGE_ROWS)
        attempts = draw(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2)), unique=True, max_size=4))
        for attempt, salt in attempts:
            outcomes = draw(st.dictionaries(st.integers(0, rows - 1), OUTCOMES, min_size=1))
            found.append((index, attempt, salt, outcomes))
    return found


NASTY = "a b", "a+b", "50%", 'q"q', "c,c", "n\nn", "é/日本", "../up", "/lead", "x" * 1022, "tab\t", "\u2028"
VERSIONS = "v1", "null", None
MANIFEST = [S3Object("lake", f"{NASTY[n % len(NASTY)]}{n}", VERSIONS[n % len(VERSIONS)], 2**n) for n in range(ROWS)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_any_history_gives_each_row_exactly_once_by_the_rule(history: History) -> None:
    """A success wins, else the newest attempt, else NotAttempted; files and counts agree."""
    job = Job(MANIFEST, range_rows=RANGE_ROWS, group_rows=4)
    job.open()
    job.finish(attempt=9)
    expected = [("NotAttempted", WHY)] * ROWS
    for index, attempt, salt, outcomes in sorted(history, key=lambda commit: (commit[1], commit[2])):
        signed = {n: outcome._replace(message=f"{attempt}, {salt}") for n, outcome in outcomes.items()}
        job.commit(signed, index=index, attempt=attempt, salt=salt)
        for ordinal, outcome in signed.items():
            row = index * RANGE_ROWS + ordinal
            if expected[row][0]:
                expected[row] = (outcome.error_code, outcome.message)
    summary = build(job)
    failed = [row for row, (code, _) in zip(MANIFEST, expected, strict=True) if code]
    rows = {row.key: (row.error_code, row.result_message) for row in report_rows(job)}
    assert len(report_rows(job)) == ROWS
    assert rows == {row.key: verdict for row, verdict in zip(MANIFEST, expected, strict=True)}
    assert summary.codes == Counter(code for code, _ in expected if code)
    assert summary.bytes == sum(row.size or 0 for row in MANIFEST if row not in failed)
    assert_failed_csv_names_the_failed(job, failed)


def assert_failed_csv_names_the_failed(job: Job, failed: list[S3Object]) -> None:
    rows = [row for row in report_rows(job) if row.task_status == "failed"]
    assert Counter(row[:3] for row in rows) == Counter((row.bucket, row.key, row.version_id or "") for row in failed)
    body = job.storage.files.get(JOB / "report/failed.csv", b"").decode()
    listed = list(csv.reader(body.splitlines()))
    assert len(listed) == len(failed)
    assert len({len(fields) for fields in listed}) <= 1
