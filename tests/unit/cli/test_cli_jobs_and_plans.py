"""``s3batch jobs``, ``plan`` and ``iam-policy``."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli_jobs import DENIED, JOBS, NAME, OK, at, s3batch, write_job

from airflow_s3batch.cli.job_list import job_lines, sorted_lines
from airflow_s3batch.core.control import PAUSE, Control
from airflow_s3batch.core.errors import AccessError
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.testing.storage import MemoryStorage

URL = "s3://ops/s3batch"
NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage(clock=lambda: NOW)


def states(storage: MemoryStorage, now: datetime = NOW) -> dict[str, str]:
    return {line.name: line.state for line in job_lines(storage, JOBS, now=now)}


def pulse(storage: MemoryStorage, job: JobLayout, at: datetime) -> None:
    url = job.operation("q.run").generation(1).pulse(0, "0001-1790000000001-000000", 1, 0, "runs")
    storage.write(url, b"")
    storage.modified[url] = at


def test_jobs_have_the_state_that_their_files_tell(storage: MemoryStorage) -> None:
    write_job(storage, [("a", OK)], name="green")
    write_job(storage, [("a", DENIED)], name="red")
    write_job(storage, [("a", OK)], name="waits", is_reported=False)
    pulse(storage, write_job(storage, [("a", OK)], name="runs", is_reported=False), NOW)
    pulse(storage, write_job(storage, [("a", OK)], name="runs-again"), NOW)
    pulse(storage, write_job(storage, [("a", OK)], name="killed", is_reported=False), NOW - timedelta(hours=1))
    paused = write_job(storage, [("a", OK)], name="paused", is_reported=False)
    storage.write(paused.control, Control(state=PAUSE).to_bytes())
    storage.write(JOBS / "not-a-job/file.csv", b"")
    round_ = write_job(storage, [("a", OK)], name="at-aws", is_reported=False).operation("q.run").generation(1)
    storage.write(round_.round("lake", 1).request, b"{}")
    assert states(storage) == {
        "at-aws": "running",
        "green": "success",
        "red": "failed",
        "waits": "unfinished",
        "runs": "running",
        "runs-again": "running",
        "killed": "unfinished",
        "paused": "paused",
    }


def test_a_job_that_cant_be_read_is_told_not_left_out(storage: MemoryStorage) -> None:
    write_job(storage, [("a", OK)], name="fine")
    denied = write_job(storage, [("a", OK)], name="denied")

    def deny(verb: str, url: S3Url) -> None:
        if verb == "read" and url.key.startswith(denied.url.key):
            raise AccessError(f"can't read {url}")

    storage.before = deny
    assert states(storage) == {"fine": "success", "denied": "damaged"}
    assert "can't read" in s3batch(storage, "jobs", URL).out


def test_jobs_are_sorted_and_cut(storage: MemoryStorage) -> None:
    for number in range(5):
        rows = [("a", OK)] * number
        write_job(storage, rows, name=f"job-{number}", created=f"2026-11-2{number}T00:00:00+00:00")

    def names(*options: str) -> list[str]:
        out = s3batch(storage, "jobs", URL, "--json", *options).out
        return [json.loads(line)["name"] for line in out.splitlines()]

    assert names("--limit", "2") == ["job-4", "job-3"]
    assert names("--sort=-created", "--limit", "2") == ["job-0", "job-1"]
    assert names("--sort", "objects", "--limit", "1") == ["job-4"]
    assert names("--sort", "name") == [f"job-{number}" for number in range(5)]
    assert names("--sort", "none", "--limit", "1") == ["job-0"]
    assert names("--state", "failed") == []


def test_only_so_many_lines_are_kept_in_memory(storage: MemoryStorage) -> None:
    for number in range(200):
        write_job(
            storage, name=f"job-{number:03d}", created=f"2026-11-20T00:{number // 60:02d}:{number % 60:02d}+00:00"
        )
    seen: list[int] = []
    lines = job_lines(storage, JOBS, now=NOW, seen=lambda: seen.append(1))
    assert [line.name for line in sorted_lines(lines, "created", 2)] == ["job-199", "job-198"]
    assert len(seen) == 200


def test_the_list_shows_state_operation_and_age(storage: MemoryStorage) -> None:
    write_job(storage, [("a", DENIED)])
    out = s3batch(storage, "jobs", URL).out
    assert "failed" in out
    assert "put_object_tagging" in out
    assert f"{URL}/{NAME}" in out
    assert "There are no such jobs" in s3batch(storage, "jobs", URL, "--dag", "other").out


def test_plan_tells_selection_source_and_totals(storage: MemoryStorage) -> None:
    write_job(storage, [("a", OK), ("b", OK)], is_reported=False)
    out = s3batch(storage, "plan", f"{URL}/{NAME}/manifest/manifest.json").out
    assert "size > 10" in out
    assert "s3://inv/lake/daily/2026-11-21T01-00Z/manifest.json" in out
    plan = json.loads(s3batch(storage, "plan", f"{URL}/{NAME}", "--json").out)
    assert (plan["manifest"]["rows"], plan["manifest"]["shards"], plan["cost"]) == (2, 1, None)


def test_plan_of_a_job_without_a_manifest_says_so(storage: MemoryStorage) -> None:
    layout = write_job(storage, is_reported=False)
    del storage.files[layout.manifest]
    assert "not published" in s3batch(storage, "plan", f"{URL}/{NAME}").out


def test_plan_estimates_with_the_prices_that_are_named(storage: MemoryStorage) -> None:
    job_with_rows(storage, [["lake"]])
    asked = ("plan", f"{URL}/{NAME}", "--operation", '{"operation": "PutObjectTagging", "tags": {"a": "b"}}')
    before = dict(storage.files)
    ran = s3batch(storage, *asked, "--prices", "shipped")
    assert "estimated cost" in ran.out
    assert storage.files == before
    assert s3batch(storage, *asked).code == 2
    assert "--operation is missing" in s3batch(storage, "plan", f"{URL}/{NAME}", "--prices", "shipped").err


def test_plan_of_no_job_is_not_found(storage: MemoryStorage) -> None:
    ran = s3batch(storage, "plan", "s3://ops/other/thing")
    assert ran.code == 3
    assert "there is no job here or above" in ran.err


def test_a_url_that_is_none_is_a_usage_error(storage: MemoryStorage) -> None:
    assert s3batch(storage, "plan", "ops/jobs").code == 2


def job_with_rows(storage: MemoryStorage, groups: list[list[str]]) -> JobLayout:
    """Write a job whose shard's row groups name these buckets."""
    layout = write_job(storage, [("k", OK)] * sum(map(len, groups)), is_reported=False)
    sink = io.BytesIO()
    names = ("bucket", "key", "version_id", "size", "e_tag", "storage_class", "is_latest")
    types = [pa.string()] * 3 + [pa.int64()] + [pa.string()] * 2 + [pa.bool_()]
    schema = pa.schema(list(zip(names, types, strict=True)))
    with pq.ParquetWriter(sink, schema) as writer:
        for buckets in groups:
            rows = [dict.fromkeys(names) | {"bucket": bucket, "key": "k"} for bucket in buckets]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    body = sink.getvalue()
    url = next(url for url in storage.files if url.key.endswith(".parquet"))
    storage.write(url, body)
    manifest = json.loads(storage.files[layout.manifest])
    manifest["shards"][0]["file_bytes"] = len(body)
    storage.write(layout.manifest, json.dumps(manifest).encode())
    return layout


def begin(storage: MemoryStorage, layout: JobLayout) -> None:
    """Begin to set a tag, whose value is a column's, on the job's objects."""
    declared = {"operation": "PutObjectTagging", "tags": {"team": {"column": "team"}}}
    operation = {
        "format": "airflow-s3batch-operation/1",
        "operation": declared,
        "fingerprint": fingerprint(declared),
        "policy": {},
    }
    storage.write(layout.operation("q.run").generation(1).operation, json.dumps(operation).encode())


def test_a_damaged_shard_is_a_sentence(storage: MemoryStorage) -> None:
    begin(storage, job_with_rows(storage, [["lake"]]))
    shard = next(url for url in storage.files if url.key.endswith(".parquet"))
    storage.write(shard, bytes(len(storage.files[shard])))
    ran = s3batch(storage, "iam-policy", "--job", f"{URL}/{NAME}")
    assert f"{shard}: not a shard of this package" in ran.err


def test_the_policy_of_a_job_names_all_its_buckets(storage: MemoryStorage) -> None:
    """Row groups of one bucket are known by their statistics, the others by their column; no file is fetched whole."""
    begin(storage, job_with_rows(storage, [["lake"] * 3, ["b", "a", "b"]]))
    fetched: list[str] = []
    storage.before = lambda verb, url: fetched.append(url.key) if verb == "download" else None
    ran = s3batch(storage, "iam-policy", "--job", f"{URL}/{NAME}")
    assert ran.err == ""
    policy = json.loads(ran.out)
    objects = next(entry for entry in policy["Statement"] if entry["Sid"] == "Objects")
    assert objects["Resource"] == [f"arn:aws:s3:::{bucket}/*" for bucket in ("a", "b", "lake")]
    assert "s3:PutObjectTagging" in objects["Action"]
    inventory = next(entry for entry in policy["Statement"] if entry["Sid"] == "Inventory")
    assert inventory["Resource"] == ["arn:aws:s3:::inv/lake/daily/*"]
    assert fetched == []


def test_the_policy_of_an_operation_needs_no_store() -> None:
    class Unreachable:
        def __getattr__(self, name: str) -> None:
            raise AssertionError(name)

    asked = ("iam-policy", "--operation", "DeleteObject", "--objects", "s3://lake/x", "--job-url", URL)
    policy = json.loads(s3batch(Unreachable(), *asked).out)
    assert policy["Version"] == "2012-10-17"
    managed = ("--engine", "managed", "--role-arn", "arn:aws:iam::123456789012:role/r")
    tagging = ("iam-policy", "--operation", '{"operation": "PutObjectTagging", "tags": {"a": "b"}}', *asked[3:])
    assert set(json.loads(s3batch(Unreachable(), *tagging, *managed).out)) == {"caller", "role", "trust"}
    listed = json.loads(s3batch(Unreachable(), *tagging, "--listing", "s3://lake/x", "--versions").out)
    assert "s3:ListBucketVersions" in str(listed)
    read = json.loads(s3batch(Unreachable(), *tagging, "--rows", "s3://inv/a.csv", "--report", "s3://ops/job").out)
    assert {"Rows", "Report"} <= {one["Sid"] for one in read["Statement"]}
    looked_at_again = json.loads(s3batch(Unreachable(), *tagging, "--verification").out)
    (statement,) = [one for one in looked_at_again["Statement"] if one["Sid"] == "Verification"]
    assert "s3:GetObjectTagging" in statement["Action"]


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        ("TagObject", "there is no 'TagObject'"),
        ("{", "is not JSON"),
        ('{"operation": "CopyObject"}', "target_bucket"),
        ('{"operation": "DeleteObject", "quickly": true}', "there is no 'quickly'"),
        ('{"operation": "PutObjectTagging", "tags": {}}', "at least one tag"),
    ],
)
def test_operations_that_are_none_are_told(operation: str, sentence: str) -> None:
    ran = s3batch(None, "iam-policy", "--operation", operation, "--objects", "s3://lake", "--job-url", URL)
    assert ran.code == 2
    assert sentence in ran.err


def test_cleanup_asks_before_it_removes(storage: MemoryStorage) -> None:
    layout = write_job(storage, [("a", OK)])
    for url in storage.files:
        storage.modified[url] = at("01T00:00")
    asked = ("cleanup", URL, "--older-than", "7d", "--keep-last", "0")
    assert s3batch(storage, *asked).code == 2
    ran = s3batch(storage, *asked, "--dry-run", "--json")
    assert json.loads(ran.out)["jobs"] == 1
    assert layout.job in storage.files
    assert s3batch(storage, *asked, "--yes").code == 0
    assert layout.job not in storage.files


def test_a_user_without_a_name_may_clean_up(storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some containers run as a number that no file knows."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nobody)
    write_job(storage, [("a", OK)])
    ran = s3batch(storage, "cleanup", URL, "--older-than", "7d", "--yes")
    assert ran.code == 0, ran.err
    assert json.loads(storage.files[JOBS / "cleanup/last.json"])["by"]["user"] == "somebody"


def test_an_end_of_input_is_no_yes(storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-D, where somebody is asked whether to remove."""
    layout = write_job(storage, [("a", OK)])
    for url in storage.files:
        storage.modified[url] = at("01T00:00")
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin", terminal)
    ran = s3batch(storage, "cleanup", URL, "--older-than", "7d", "--keep-last", "0")
    assert (ran.code, layout.job in storage.files) == (2, True), ran.err
