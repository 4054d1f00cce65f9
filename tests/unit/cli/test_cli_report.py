"""``s3batch report`` and ``s3batch failed``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from cli_jobs import DENIED, NAME, OK, s3batch, write_job

from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.testing.storage import MemoryStorage

GONE = Outcome(404, "NoSuchKey", "The specified key does not exist.")
ROWS = [("a/1.csv", OK), ("a/2 x.csv", DENIED), ("b/3.csv", GONE), ("=1+1", DENIED)]
URL = f"s3://ops/s3batch/{NAME}"


@pytest.fixture
def storage() -> MemoryStorage:
    storage = MemoryStorage()
    write_job(storage, ROWS)
    return storage


@pytest.mark.parametrize(
    "url",
    [URL, f"{URL}/", f"{URL}/report", f"{URL}/report/", f"{URL}/report/failed.csv", f"{URL}/q.run/g0001/shard-00000/x"],
)
def test_any_url_of_a_job_finds_its_report(storage: MemoryStorage, url: str) -> None:
    ran = s3batch(storage, "report", url)
    assert ran.code == 1
    assert "red" in ran.out.splitlines()[0]
    assert "AccessDenied" in ran.out
    assert "s3://lake/a/2 x.csv" in ran.out
    assert f"{URL}/report/failed.csv" in ran.out


def test_a_green_job_ends_with_0(storage: MemoryStorage) -> None:
    write_job(storage, [("a", OK), ("b", GONE)])
    ran = s3batch(storage, "report", URL)
    assert ran.code == 0
    assert "green" in ran.out.splitlines()[0]
    assert "tolerated" in ran.out


def test_json_is_the_summary_as_it_is(storage: MemoryStorage) -> None:
    ran = s3batch(storage, "report", URL, "--json")
    stored = next(body for url, body in storage.files.items() if url.key.endswith("report/summary.json"))
    assert json.loads(ran.out) == json.loads(stored)
    assert ran.code == 1


def test_rows_are_exact_csv_with_encoded_keys(storage: MemoryStorage) -> None:
    ran = s3batch(storage, "report", URL, "--rows")
    header, *rows = csv.reader(io.StringIO(ran.out))
    assert header[:2] == ["bucket", "key"]
    assert [row[1] for row in rows] == ["a/1.csv", "a/2%20x.csv", "b/3.csv", "%3D1%2B1"]
    assert rows[1][3:] == ["failed", "403", "AccessDenied", "Access Denied"]


def test_rows_can_be_chosen(storage: MemoryStorage) -> None:
    def keys(*options: str) -> list[str]:
        lines = s3batch(storage, "report", URL, "--rows", *options).out.splitlines()[1:]
        return [line.split(",")[1] for line in lines]

    assert keys("--status", "succeeded") == ["a/1.csv"]
    assert keys("--codes", "NoSuchKey") == ["b/3.csv"]
    assert keys("--prefix", "a/") == ["a/1.csv", "a/2%20x.csv"]
    assert keys("--bucket", "other") == []
    assert keys("--limit", "2") == ["a/1.csv", "a/2%20x.csv"]


def test_only_result_files_of_the_status_are_read(storage: MemoryStorage) -> None:
    succeeded = next(url for url in storage.files if url.key.endswith(".succeeded.csv"))
    del storage.files[succeeded]
    assert "a/2%20x.csv" in s3batch(storage, "report", URL, "--rows", "--status", "failed").out


def test_the_page_is_saved(storage: MemoryStorage, tmp_path: Path) -> None:
    s3batch(storage, "report", URL, "--html", str(tmp_path / "r.html"))
    assert (tmp_path / "r.html").read_bytes() == b"<html>page</html>"


def test_a_report_of_aws_is_counted(storage: MemoryStorage) -> None:
    """Such a report has no summary."""
    summary = next(url for url in storage.files if url.key.endswith("report/summary.json"))
    del storage.files[summary]
    ran = s3batch(storage, "report", f"{URL}/report")
    assert ran.code == 1
    assert "3 of 4 objects failed (AccessDenied 2, NoSuchKey 1)" in ran.out
    assert json.loads(s3batch(storage, "report", f"{URL}/report", "--json").out)["codes"]["AccessDenied"] == 2


def test_where_there_is_no_report_the_sentence_says_what_to_do(storage: MemoryStorage) -> None:
    ran = s3batch(storage, "report", "s3://ops/elsewhere")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("s3batch: s3://ops/elsewhere: there is no completion report here or above.")
    assert "s3batch jobs" in ran.err


def test_failed_lists_the_objects_and_how_to_run_them_again(storage: MemoryStorage) -> None:
    ran = s3batch(storage, "failed", URL)
    assert ran.code == 1
    assert "s3://lake/a/2 x.csv" in ran.out
    assert "s3://lake/a/1.csv" not in ran.out
    assert "clear task 'q.run'" in ran.out
    assert f"CompletionReport('{URL}')" in ran.out


def test_failed_says_how_many_more_there_are(storage: MemoryStorage) -> None:
    assert "The first 1 of 3" in s3batch(storage, "failed", URL, "--limit", "1").out


def test_nothing_failed_ends_with_0(storage: MemoryStorage) -> None:
    write_job(storage, [("a", OK)])
    assert s3batch(storage, "failed", URL) == (0, "No object failed.\n", "")
    assert s3batch(storage, "failed", URL, "--csv", "-") == (0, "", "")


def test_objects_that_a_dry_run_would_do_have_not_failed(storage: MemoryStorage) -> None:
    write_job(storage, [("a", Outcome(0, "DryRun", "would be done")), ("b", DENIED)], dry_run=True)
    assert "s3://lake/b" in s3batch(storage, "failed", URL).out
    assert "s3://lake/a" not in s3batch(storage, "failed", URL).out
    assert "s3://lake/a" in s3batch(storage, "failed", URL, "--codes", "DryRun").out


def test_failed_manifest_is_exact_and_can_be_narrowed(storage: MemoryStorage, tmp_path: Path) -> None:
    assert s3batch(storage, "failed", URL, "--csv", "-").out == "lake,a/2%20x.csv\nlake,b/3.csv\nlake,%3D1%2B1\n"
    ran = s3batch(storage, "failed", URL, "--codes", "NoSuchKey", "--csv", str(tmp_path / "f.csv"))
    assert (tmp_path / "f.csv").read_text() == "lake,b/3.csv\n"
    assert ran.out == ""
    assert "1 failed objects written" in ran.err


def test_spreadsheets_get_no_formula(storage: MemoryStorage) -> None:
    out = s3batch(storage, "failed", URL, "--spreadsheet", "-").out
    assert [row[1] for row in csv.reader(io.StringIO(out))][1:] == ["a/2 x.csv", "b/3.csv", "'=1+1"]


def test_failed_as_json_lines(storage: MemoryStorage) -> None:
    documents = [json.loads(line) for line in s3batch(storage, "failed", URL, "--json").out.splitlines()]
    assert [document["key"] for document in documents] == ["a/2 x.csv", "b/3.csv", "=1+1"]
    assert documents[0]["error_code"] == "AccessDenied"


def test_what_was_said_before_and_seen_after_is_shown(storage: MemoryStorage) -> None:
    more = {
        "cost": {"sentence": "estimated cost 5.00 $"},
        "approval": {"state": "approved", "sentence": "approved by ann \x1b[2J"},
        "rehearsal": {"objects": 100, "failed": 1},
        "verification": {"checked": 10, "of": 1_000, "differ": 0},
    }
    summary = next(url for url in storage.files if url.key.endswith("report/summary.json"))
    storage.files[summary] = json.dumps({**json.loads(storage.files[summary]), **more}).encode()
    out = s3batch(storage, "report", URL).out
    told = ("estimated cost 5.00 $", "approved by ann \\u{1b}[2J", "100 objects, 1 failed", "10 of 1,000, 0 differ")
    assert [line for line in told if line not in out] == []
