"""From a delivery to a published manifest, through every format, and what happens when things go wrong."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from deliveries import JOBS, NOW, PREFIX, Rows, deliver, deliver_text, objects, published_rows

from airflow_s3batch.core.errors import (
    AccessError,
    ArgumentError,
    InventoryError,
    JobChangedError,
    JobDamagedError,
    ManifestError,
    SelectionError,
)
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import FIXED_COLUMNS, Manifest
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_s3batch.testing.storage import MemoryStorage

FLAGSHIP = "encryption_status = 'NOT-SSE' AND is_latest AND NOT is_delete_marker"
Publish = Callable[..., Manifest]


def job_files(storage: MemoryStorage) -> dict[S3Url, bytes]:
    return {url: body for url, body in storage.files.items() if url.bucket == JOBS.bucket}


def versions(*rows: dict[str, Any]) -> Rows:
    """Return inventory rows of all versions."""
    common = {"size": 1, "e_tag": "e", "is_latest": True, "is_delete_marker": False, "version_id": None}
    return [common | row for row in rows]


@pytest.mark.parametrize("file_format", ["CSV", "Parquet", "ORC"])
def test_the_flagship_filter_selects_the_same_from_every_format(
    storage: MemoryStorage, publish: Publish, file_format: str
) -> None:
    deliver(storage, objects(100), file_format=file_format, files=3)
    manifest = publish(FLAGSHIP, columns={"team": "split_part(key, '/', 1)"}, objects_per_shard=20)
    rows = published_rows(storage, manifest)
    assert sorted(row["size"] for row in rows) == list(range(1, 100, 2))
    assert {row["key"]: row["team"] for row in rows} == {
        f"team{n % 3}/object {n}": f"team{n % 3}" for n in range(1, 100, 2)
    }
    assert tuple(rows[0]) == (*FIXED_COLUMNS, "team")
    assert {(r["bucket"], r["version_id"], r["is_latest"], r["storage_class"]) for r in rows} == {
        ("lake", None, True, "STANDARD")
    }
    assert (manifest.rows, manifest.bytes, manifest.columns) == (50, sum(range(1, 100, 2)), ("team",))
    assert [(shard.rows, shard.bytes > 0) for shard in manifest.shards] == [(17, True), (17, True), (16, True)]
    assert sum(shard.bytes for shard in manifest.shards) == manifest.bytes
    stored = storage.files[JobLayout(JOBS / "job").manifest]
    assert Manifest.from_json(stored, place="m") == manifest


@pytest.mark.parametrize("file_format", ["CSV", "Parquet", "ORC"])
def test_versions_get_the_literal_null_and_delete_markers_stay_out(
    storage: MemoryStorage, publish: Publish, file_format: str
) -> None:
    rows = versions(
        {"key": "a", "version_id": "v2"},
        {"key": "a", "is_latest": False},
        {"key": "b", "is_delete_marker": True, "size": None, "e_tag": None, "version_id": "v1"},
    )
    deliver(storage, rows, file_format=file_format, files=1)
    found = published_rows(storage, publish())
    assert [(row["key"], row["version_id"], row["is_latest"]) for row in found] == [
        ("a", "v2", True),
        ("a", "null", False),
    ]
    found = published_rows(storage, publish(include_delete_markers=True, job_id="with-markers"))
    assert [(row["key"], row["size"], row["e_tag"]) for row in found][2] == ("b", None, None)


@pytest.mark.parametrize("file_format", ["CSV", "Parquet", "ORC"])
def test_nothing_is_made_up_about_versions_of_which_the_inventory_says_nothing(
    storage: MemoryStorage, publish: Publish, file_format: str
) -> None:
    """Neither that each is the latest nor that none is a delete marker."""
    rows: Rows = [{"key": "a", "version_id": "v2", "size": 1}, {"key": "a", "version_id": "v1", "size": None}]
    url = deliver(storage, rows, file_format=file_format, files=1)
    with pytest.raises(ManifestError) as caught:
        publish()
    assert str(caught.value) == (
        f"{url}: it lists all versions but has no column 'is_delete_marker', so delete markers can't be left out. "
        "Pass include_delete_markers=True if there are none, or if the filter leaves them out "
        '(where="size IS NOT NULL": they have no size)'
    )
    for name in ("is_latest", "is_delete_marker"):
        with pytest.raises(
            ManifestError, match=f"has no column '{name}', and it can't be supplied to an inventory of all"
        ):
            publish(f"NOT {name}", include_delete_markers=True)
    assert not job_files(storage)
    found = published_rows(storage, publish("size IS NOT NULL", include_delete_markers=True))
    assert [(row["key"], row["version_id"], row["is_latest"]) for row in found] == [("a", "v2", None)]


@pytest.mark.parametrize("file_format", ["CSV", "Parquet", "ORC"])
def test_columns_that_the_inventory_lacks_are_null_with_their_type(
    storage: MemoryStorage, publish: Publish, file_format: str
) -> None:
    deliver(storage, [{"key": "a"}], file_format=file_format)
    manifest = publish()
    (row,) = published_rows(storage, manifest)
    assert row == dict.fromkeys(FIXED_COLUMNS) | {"bucket": "lake", "key": "a", "is_latest": True}
    schema = pq.read_schema(__import__("io").BytesIO(storage.files[S3Url(JOBS.bucket, manifest.shards[0].key)]))
    assert [str(schema.field(name).type) for name in FIXED_COLUMNS] == [
        *["string"] * 3,
        "int64",
        *["string"] * 2,
        "bool",
    ]
    assert manifest.bytes == 0


@pytest.mark.parametrize("file_format", ["CSV", "Parquet", "ORC"])
def test_all_types_and_unknown_columns_can_be_used(storage: MemoryStorage, publish: Publish, file_format: str) -> None:
    moment = dt.datetime(2026, 3, 1, 10, 30, tzinfo=dt.UTC)
    row = {
        "key": "a",
        "last_modified_date": moment,
        "is_multipart_uploaded": True,
        "replication_status": "",
        "object_lock_retain_until_date": None,
        "brand_new": "x",
    }
    deliver(storage, [row], file_format=file_format, schema=("bucket", *row))
    manifest = publish(
        "last_modified_date = '2026-03-01 10:30' AND is_multipart_uploaded AND replication_status IS NULL "
        "AND object_lock_retain_until_date IS NULL AND brand_new = 'x'",
        columns={"modified": "last_modified_date", "month": "month(last_modified_date)", "brand_new": "brand_new"},
    )
    (found,) = published_rows(storage, manifest)
    assert (found["modified"], found["month"], found["brand_new"]) == (moment.replace(tzinfo=None), 3, "x")


@pytest.mark.parametrize("file_format", ["CSV", "Parquet", "ORC"])
def test_functions_work_on_a_column_that_is_empty_throughout(
    storage: MemoryStorage, publish: Publish, file_format: str
) -> None:
    deliver(storage, objects(10, object_owner=None), file_format=file_format)
    manifest = publish("coalesce(split_part(object_owner, '/', 1), 'x') = 'x'", columns={"o": "upper(object_owner)"})
    assert [row["o"] for row in published_rows(storage, manifest)] == [None] * 10
    assert publish("split_part(object_owner, '/', 1) = 'x'", job_id="none").rows == 0


def test_of_two_planners_at_once_the_first_manifest_counts(storage: MemoryStorage, publish: Publish) -> None:
    """Though they saw different newest deliveries, both give the same manifest."""
    deliver(storage, objects(10), days_ago=2)
    found: list[Manifest] = []

    def overtake(verb: str, _url: S3Url) -> None:
        if verb == "upload":
            storage.before = None
            deliver(storage, objects(20), days_ago=1)
            found.append(publish())

    storage.before = overtake
    found.append(publish())
    assert found[0] == found[1]
    assert found[0].rows == 10


def test_a_retry_publishes_byte_identical_files(storage: MemoryStorage, publish: Publish) -> None:
    """Two stores, different batches: same names, same bytes, same order."""
    url = deliver(storage, objects(30_000), file_format="CSV", files=5)
    first = publish("size % 3 <> 0", columns={"n": "size"}, objects_per_shard=4_000)
    files = job_files(storage)
    for place in files:
        storage.delete(place)
    size = json.loads(storage.files[url])["files"][0]["size"]
    assert publish("size % 3 <> 0", columns={"n": "size"}, objects_per_shard=4_000, batch_bytes=size * 2) == first
    assert job_files(storage) == files
    sizes = [row["size"] for row in published_rows(storage, first)]
    in_file_order = [n for file in range(5) for n in range(file, 30_000, 5) if n % 3]
    assert sizes == in_file_order


def test_a_published_manifest_is_returned_as_it_is(storage: MemoryStorage, publish: Publish) -> None:
    url = deliver(storage, objects(10))
    first = publish()
    files = job_files(storage)
    storage.delete(url)
    assert publish() == first
    assert job_files(storage) == files


def test_a_later_attempt_uses_the_pinned_delivery_though_there_is_a_newer_one(
    storage: MemoryStorage, publish: Publish
) -> None:
    deliver(storage, objects(10), days_ago=2)

    def fail(verb: str, url: S3Url) -> None:
        if verb == "upload":
            raise AccessError(f"can't write {url}")

    storage.before = fail
    with pytest.raises(AccessError):
        publish(max_age=dt.timedelta(days=3))
    storage.before = None
    deliver(storage, objects(20), days_ago=0)
    assert publish(max_age=dt.timedelta(days=3), now=NOW + dt.timedelta(days=9)).rows == 10
    assert publish(job_id="another", max_age=dt.timedelta(days=3)).rows == 20


@pytest.mark.parametrize("name", [str, lambda url: str(url).removesuffix("manifest.json"), lambda _url: PREFIX])
def test_a_published_job_stays_with_its_delivery_though_another_of_the_inventory_is_named(
    storage: MemoryStorage, publish: Publish, name: Callable[[S3Url], str]
) -> None:
    """As when a whole run is cleared, and its sensor finds a newer delivery."""
    older = deliver(storage, objects(10), days_ago=2)
    first = publish(inventory=str(older))
    job = storage.files[JobLayout(JOBS / "job").job]
    newer = deliver(storage, objects(20), days_ago=1)
    assert publish(inventory=name(newer)) == first
    assert storage.files[JobLayout(JOBS / "job").job] == job
    assert publish(inventory=name(newer), resume=False).rows == 20


def test_a_job_without_manifest_stays_with_its_delivery_too_and_says_so(
    storage: MemoryStorage, publish: Publish
) -> None:
    older = deliver(storage, objects(10), days_ago=2)
    with pytest.raises(SelectionError):
        publish(inventory=str(older), max_objects=5)
    newer = deliver(storage, objects(20), days_ago=1)
    said = (
        f"this job stays with the delivery that it was started with, {older}, though {newer} is asked for; "
        "set resume=False to start a new job with that one"
    )
    for _ in range(2):
        lines: list[str] = []
        assert publish(inventory=str(newer), log=lines.append).rows == 10
        assert said in lines
    for same in (str(older), str(older).removesuffix("manifest.json"), PREFIX):
        lines = []
        publish(inventory=same, log=lines.append)
        assert not [line for line in lines if "stays with" in line]


def test_a_delivery_of_another_inventory_does_not_resume_the_job(storage: MemoryStorage, publish: Publish) -> None:
    publish(inventory=str(deliver(storage, objects(10), days_ago=2)))
    other = deliver(storage, objects(10), days_ago=1, config_id="weekly")
    with pytest.raises(JobChangedError, match=r"inventory was .*daily.*, is .*weekly"):
        publish(inventory=str(other))


def test_a_pinned_delivery_that_is_gone_is_one_sentence(storage: MemoryStorage, publish: Publish) -> None:
    url = deliver(storage, objects(10), days_ago=2)
    publish()
    storage.delete(JobLayout(JOBS / "job").manifest)
    body = storage.files.pop(url)
    with pytest.raises(InventoryError, match=r"is gone .* Set resume=False"):
        publish()
    storage.files[url] = body + b" "
    with pytest.raises(InventoryError, match=r"has been altered since\. Set resume=False"):
        publish()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"where": "size > 1"}, 'where was "TRUE", is "size > 1"'),
        ({"columns": {"a": "1"}}, r'columns was \{\}, is \{"a": "1"\}'),
        ({"inventory": PREFIX + "-2"}, "inventory was "),
        ({"include_delete_markers": True}, "include_delete_markers was false, is true"),
    ],
)
def test_another_selection_does_not_resume_the_published_job(
    storage: MemoryStorage, publish: Publish, more: dict[str, Any], message: str
) -> None:
    deliver(storage, objects(10))
    publish()
    with pytest.raises(JobChangedError, match=rf"{message}.*Restore it .* or set resume=False"):
        publish(**more)


def test_guards_and_shard_sizes_may_change_between_attempts(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, objects(10))
    with pytest.raises(SelectionError):
        publish(max_objects=5)
    assert publish(max_objects=20, objects_per_shard=5).job_url == JOBS / "job"


def test_a_filter_edited_before_there_is_a_manifest_starts_a_new_job(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, objects(10))
    with pytest.raises(SelectionError):
        publish(max_objects=5)
    narrowed = publish("size < 5", max_objects=5)
    assert (narrowed.job_url, narrowed.rows) == (JOBS / "job-2", 5)
    assert publish("size < 5", max_objects=5) == narrowed


def test_resume_false_starts_beside_the_old_jobs_and_the_newest_counts(
    storage: MemoryStorage, publish: Publish
) -> None:
    deliver(storage, objects(10), days_ago=2)
    first = publish()
    deliver(storage, objects(20), days_ago=1)
    second = publish(resume=False)
    third = publish("size > 0", resume=False)
    assert [m.job_url for m in (first, second, third)] == [JOBS / "job", JOBS / "job-2", JOBS / "job-3"]
    assert [m.rows for m in (first, second, third)] == [10, 20, 19]
    assert publish("size > 0") == third


@pytest.mark.parametrize(
    ("guard", "message"),
    [
        ({"max_objects": 4}, "selects 5 objects, more than max_objects=4; nothing was done"),
        ({"min_objects": 6}, "selects 5 objects, fewer than min_objects=6; nothing was done"),
    ],
)
def test_guards_stop_before_anything_but_job_json_is_written(
    storage: MemoryStorage, publish: Publish, guard: dict[str, int], message: str
) -> None:
    deliver(storage, objects(10))
    with pytest.raises(SelectionError, match=message) as caught:
        publish("size < 5", **guard)
    assert str(caught.value).startswith("s3://inventories/all/lake/daily/2026-11-21T12-00Z/manifest.json: ")
    assert list(job_files(storage)) == [JobLayout(JOBS / "job").job]


@pytest.mark.parametrize("rows", [0, 10])
@pytest.mark.parametrize("file_format", ["CSV", "Parquet", "ORC"])
def test_no_match_is_a_normal_end(storage: MemoryStorage, publish: Publish, rows: int, file_format: str) -> None:
    deliver(storage, objects(rows), file_format=file_format, schema=("bucket", "key", "size"))
    manifest = publish("size > 1000", max_objects=0)
    assert (manifest.rows, manifest.bytes, manifest.shards) == (0, 0, ())
    assert publish("size > 1000") == manifest


@pytest.mark.parametrize("where", ["", "-- everything"])
def test_an_empty_filter_touches_nothing(storage: MemoryStorage, publish: Publish, where: str) -> None:
    deliver(storage, objects(10))
    with pytest.raises(ArgumentError, match="an empty filter would select every object"):
        publish(where)
    assert not job_files(storage)


@pytest.mark.parametrize("where", ["no_such_column = 1", "encryption_status = 'NOT_ENCRYPTED'", "now() > '2026-01-01'"])
def test_sql_that_is_refused_writes_nothing_and_fetches_nothing(
    storage: MemoryStorage, publish: Publish, where: str
) -> None:
    deliver(storage, objects(10))
    verbs: list[str] = []
    storage.before = lambda verb, _url: verbs.append(verb)
    with pytest.raises(ManifestError, match=r"^where: "):
        publish(where)
    assert {"write", "upload", "download"}.isdisjoint(verbs)


def test_a_data_file_with_another_md5_is_damaged(storage: MemoryStorage, publish: Publish) -> None:
    url = deliver(storage, objects(10))
    data = S3Url(url.bucket, json.loads(storage.files[url])["files"][1]["key"])
    body = storage.files[data]
    storage.files[data] = body[:-1] + bytes([body[-1] ^ 1])
    with pytest.raises(InventoryError, match=rf"{data}: its MD5 is [0-9a-f]{{32}}, but .*manifest\.json says"):
        publish()
    storage.files[data] = body[:-1]
    with pytest.raises(InventoryError, match=rf"{data}: it has {len(body) - 1:,} bytes, but .* says {len(body):,}"):
        publish()
    del storage.files[data]
    with pytest.raises(InventoryError, match=rf"{data}: the data file is gone"):
        publish()
    assert list(job_files(storage)) == [JobLayout(JOBS / "job").job]


def test_a_store_that_refuses_is_quoted_word_for_word(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, objects(10))

    def refuse(verb: str, url: S3Url) -> None:
        if verb == refused:
            raise AccessError(f"can't {verb} {url}: the store refuses")

    storage.before = refuse
    for refused in ("folders", "read", "download", "write", "upload"):
        with pytest.raises(AccessError, match=f"^can't {refused} s3://.*: the store refuses$"):
            publish()


def test_a_filter_that_fails_on_a_row_is_one_sentence(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, objects(10))
    with pytest.raises(
        ManifestError, match=r"manifest\.json: reading and filtering its rows failed: .*team\d/object \d"
    ):
        publish("CAST(key AS INTEGER) > 1")


def test_a_conversion_that_fails_on_a_row_is_told_try_cast(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, [{"key": "5"}, {"key": "odd"}])
    with pytest.raises(ManifestError, match=r"'odd' to INT32.*; where the SQL itself converts a value, TRY_CAST\("):
        publish("key::INTEGER > 3")
    assert publish("TRY_CAST(key AS INTEGER) > 3", job_id="advised").rows == 1


def test_a_csv_row_of_another_width_names_the_data_file_and_the_schema(
    storage: MemoryStorage, publish: Publish, tmp_path: Path
) -> None:
    url, data = deliver_text(storage, '"lake","a"\n', ("bucket", "key", "size"))
    with pytest.raises(ManifestError) as caught:
        publish(staging_dir=tmp_path)
    assert str(caught.value) == (
        f"{url}: reading and filtering its rows failed: Invalid Input Error: CSV Error on Line: 1; "
        f"Expected Number of Columns: 3 Found: 2; file = {data}; fileSchema declares 3 columns: bucket, key, size"
    )


def test_a_foreign_job_json_is_not_overwritten(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, objects(10))
    storage.write(JobLayout(JOBS / "job").job, b"{}")
    with pytest.raises(JobDamagedError, match=r"job\.json: not the job\.json of a job"):
        publish()


def test_job_json_says_what_was_pinned_and_who_asked(storage: MemoryStorage, publish: Publish) -> None:
    url = deliver(storage, objects(10))
    manifest = publish("size > 1", max_objects=100)
    job = json.loads(storage.files[JobLayout(JOBS / "job").job])
    assert job["format"] == "airflow-s3batch-job/1"
    assert (job["job_id"], job["fingerprint"]) == ("job", manifest.fingerprint)
    assert (job["selection"]["where"], job["selection"]["max_objects"]) == ("size > 1", 100)
    assert (job["source"]["manifest"], job["source"]["files"], job["source"]["format"]) == (str(url), 2, "CSV")
    assert set(job["versions"]) == {"airflow_s3batch", "duckdb", "pyarrow", "python"}


def test_the_log_has_a_line_per_phase(storage: MemoryStorage, publish: Publish) -> None:
    url = deliver(storage, objects(1_000), file_format="Parquet")
    lines: list[str] = []
    publish(FLAGSHIP, log=lines.append)
    assert lines[0].startswith("inventory of lake, 2026-11-21 12:00 UTC: 2 Parquet files, 0.000 GB")
    assert str(url) in lines[0]
    assert lines[1] == "selected 500 of 1,000 rows"
    assert lines[2] == "published 500 objects (0.000 GB) in 1 shards of up to 500 objects to s3://ops/s3batch/job"
    publish(FLAGSHIP, log=lines.append)
    assert lines[3] == "s3://ops/s3batch/job/manifest/manifest.json is published: 500 objects in 1 shards"
    assert len(lines) == 4
