"""What a report says of itself can be checked by others, with the files alone."""

from __future__ import annotations

import hashlib
import json
import shlex
from datetime import UTC, datetime
from typing import Any

import pytest
from report_examples import OK, TASK, Example, Rows, dry_run, failed, managed, small, written
from report_jobs import DENIED, JOB, Job, objects

from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.attempt import Attempt
from airflow_s3batch.engine.shards.generation import open_generation
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.reports import build_report
from airflow_s3batch.reports.accounts.generations import find_run
from airflow_s3batch.reports.page.proof import commands
from airflow_s3batch.testing.storage import MemoryStorage

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def evidence(example: Example) -> dict[str, Any]:
    return dict(example.report().evidence)


def test_digests_are_those_of_the_listed_files() -> None:
    example = failed()
    told = evidence(example)
    report = example.storage.files[example.url / "report/manifest.json"]
    lines = "".join(f"{entry['MD5Checksum']}  {entry['Key']}\n" for entry in json.loads(report)["Results"])
    assert told["report"]["sha256"] == hashlib.sha256(lines.encode()).hexdigest()
    assert told["report"]["md5"] == hashlib.md5(report).hexdigest()
    manifest = json.loads(example.storage.files[JobLayout(example.url).manifest])
    lines = "".join(f"{shard['sha256']}  {shard['key']}\n" for shard in manifest["shards"])
    assert told["manifest"]["shards"]["sha256"] == hashlib.sha256(lines.encode()).hexdigest()


def test_counts_of_manifest_shards_and_files_agree() -> None:
    told = evidence(failed())
    assert told["manifest"]["rows"] == told["manifest"]["shards"]["rows"] == told["report"]["rows"] == 12_000


def test_what_was_read_again_and_written_anew_is_counted() -> None:
    job = Job(objects(30), shard_rows=30, range_rows=10)
    job.open()
    job.commit(dict.fromkeys(range(10), Outcome(200)), index=0)
    job.commit({n: DENIED if n < 5 else Outcome(200) for n in range(10)}, index=1, attempt=1)
    job.commit({0: Outcome(200)}, index=1, attempt=2)
    told = build_report(job.storage, JOB, "quarantine.run", now=NOW).evidence["report"]
    # Of range 1 four failures are left of five, of range 2 nothing was reached: two files are new, one was read.
    assert (told["commits"], told["reread"], told["rewritten"], told["rows"]) == (3, 1, 2, 30)
    assert told["files"] == len(json.loads(job.storage.files[JOB / "report/manifest.json"])["Results"])


def test_engine_permissions_and_role_are_told() -> None:
    told = evidence(small())
    assert (told["engine"], told["iam"]["role_arn"]) == ("worker", "")
    assert told["iam"]["actions"] == ["s3:PutObjectTagging", "s3:PutObjectVersionTagging"]
    told = evidence(managed())
    assert (told["engine"], told["iam"]["role_arn"]) == ("managed", "arn:aws:iam::111122223333:role/s3batch")
    job = Job(objects(1))
    assert build_report(job.storage, JOB, TASK, now=NOW).engine == ""


@pytest.mark.parametrize("how", [{"shard": 0}, {"bucket": "b"}], ids=["worker", "managed"])
def test_an_attempt_leaves_permissions_and_versions(how: dict[str, Any]) -> None:
    """Whoever does the work knows them; the report has the operation's declaration only."""
    storage, task = MemoryStorage(), JobLayout(JOB).operation(TASK)
    operation = PutObjectTagging({"team": "x"})
    generation = open_generation(storage, task, operation, Policy(), resume=True, opened="2026-11-22T10:00:00Z", **how)
    assert "s3:PutObjectTagging" in find_run(storage, task).iam_actions
    Attempt(0, "0001-1790000000000-000000", "2026-11-22T10:00:00Z").announce(storage, generation, Policy())
    (url,) = (url for url in storage.files if "/attempt-" in url.key)
    assert json.loads(storage.files[url])["versions"]["libcurl"].count(".") == 2


def test_versions_of_plan_work_and_report_are_told() -> None:
    versions = evidence(small())["versions"]
    assert versions["planned"]["duckdb"] == "1.4.1"
    assert {"airflow_s3batch", "python", "libcurl", "airflow"} <= versions["worked"].keys() & versions[
        "reported"
    ].keys()


@pytest.mark.parametrize("job_id", ["plain", "it's; rm -rf $HOME `x`"])
def test_commands_name_the_job_and_nothing_a_shell_would_run(job_id: str) -> None:
    example = written(job_id, Rows(3, lambda _: OK, shards=1))
    lines = dict(commands(example.report()))
    fetch = shlex.split(lines["Fetch the job's files"])
    assert fetch[:6] == ["aws", "s3", "cp", "--recursive", "--only-show-errors", f"{example.url}/"]
    check = shlex.split(lines["Check every result file"])
    assert check[:5] == ["jq", "-r", "--arg", "job", f"{example.url.key}/"]


def test_what_is_no_failure_is_no_failure_by_prefix() -> None:
    """Rows that a dry run would do, and those that no attempt reached."""
    told = dry_run().report()
    assert sum(entry["failed"] for entry in told.prefixes) == 6
    assert told.failed == 2_400
    job = Job(objects(3))
    assert build_report(job.storage, JOB, TASK, now=NOW).prefixes == ()


def test_codes_of_a_stores_own_making_stay_whole_where_rows_are_written_anew() -> None:
    code = 'Quota,"used" up'
    job = Job(objects(10))
    job.open()
    job.commit(dict.fromkeys(range(10), Outcome(400, code, "no, not so")))
    job.commit({0: Outcome(200)}, attempt=2)
    summary = build_report(job.storage, JOB, TASK, now=NOW)
    assert summary.codes == {code: 9}
    assert [entry["codes"] for entry in summary.prefixes] == [{code: 9}]
