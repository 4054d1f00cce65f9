"""From a delivery to a published manifest, through every format, and what happens when things go wrong."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from deliveries import JOBS, NOW, Rows, deliver, deliver_text, job_files, objects, published_rows, select

from airflow_s3batch.core.errors import (
    AccessError,
    ArgumentError,
    InventoryError,
    JobDamagedError,
    ManifestError,
    SelectionError,
)
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import FIXED_COLUMNS, Manifest
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.publish import publish_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_s3batch.testing.storage import MemoryStorage

FLAGSHIP = "encryption_status = 'NOT-SSE' AND is_latest AND NOT is_delete_marker"
Publish = Callable[..., Manifest]


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


@pytest.mark.parametrize(
    ("where", "more"),
    [
        ("NOT is_latest", "every row has the same is_latest"),
        ("version_id <> 'null' OR is_delete_marker", "every row has the same version_id and is_delete_marker"),
        ("size < 0", ""),
    ],
)
def test_a_filter_for_versions_that_an_inventory_does_not_list_is_told(
    storage: MemoryStorage, publish: Publish, where: str, more: str
) -> None:
    """Else a clean-up of noncurrent versions would be green over nothing, each night."""
    deliver(storage, objects(10))
    lines: list[str] = []
    assert publish(where, log=lines.append).rows == 0
    (told,) = (line for line in lines if line.startswith("selected"))
    assert told.startswith("selected 0 rows")
    assert told.partition("lists current versions only: ")[2].rstrip(")") == more


def test_where_versions_are_listed_or_rows_selected_there_is_nothing_to_tell(
    storage: MemoryStorage, publish: Publish
) -> None:
    """The columns are there, or the filter has done what it should."""
    deliver(storage, versions({"key": "a"}, {"key": "b"}))
    lines: list[str] = []
    assert publish("NOT is_latest", log=lines.append).rows == 0
    assert publish("is_latest", resume=False, log=lines.append).rows == 2
    assert not [line for line in lines if "current versions only" in line]


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
    assert (job["selection"]["where"], job["selection"]["guards"]) == ("size > 1", {"max_objects": 100})
    assert (job["source"]["manifest"], job["source"]["files"], job["source"]["format"]) == (str(url), 2, "CSV")
    assert {"airflow_s3batch", "airflow", "duckdb", "libcurl", "pyarrow", "python"} <= set(job["versions"])


def test_the_log_has_a_line_per_phase(storage: MemoryStorage, publish: Publish) -> None:
    url = deliver(storage, objects(1_000), file_format="Parquet")
    lines: list[str] = []
    publish(FLAGSHIP, log=lines.append)
    assert lines[0].startswith("rows about lake, 2026-11-21 12:00 UTC: 2 Parquet files, 0.000 GB")
    assert str(url) in lines[0]
    assert lines[1] == "selected 500 of 1,000 rows"
    assert lines[2] == "published 500 objects (0.000 GB) in 1 shards of up to 500 objects to s3://ops/s3batch/job"
    publish(FLAGSHIP, log=lines.append)
    assert lines[3] == "s3://ops/s3batch/job/manifest/manifest.json is published: 500 objects in 1 shards"
    assert len(lines) == 4


def test_a_bucket_is_told_of_with_versions_or_without_them(storage: MemoryStorage) -> None:
    """Its objects would be worked on twice, once as a version and once as what is current."""
    current = deliver(storage, [{"key": "a", "size": 1}])
    version = {"key": "a", "version_id": "v1", "is_latest": True, "is_delete_marker": False}
    versions = deliver(storage, [version], config_id="versions")
    with pytest.raises(ManifestError, match="only one of them lists all versions"):
        publish_manifest(storage, JOBS, "job", select(str(current), str(versions)), now=NOW)


@pytest.mark.parametrize("more", [{}, {"sample": 100}])
def test_files_of_jobs_are_not_worked_on(storage: MemoryStorage, publish: Publish, more: dict[str, Any]) -> None:
    """A job on the bucket that its own files lie in would else take them, the reports of others among them."""
    keys = ["s3batch/other/job.json", "s3batch-data/a", "b"]
    url = deliver(storage, [{"key": key, "bucket": "ops", "size": 1} for key in keys])
    with pytest.raises(SelectionError, match=r"1 of the selected objects are files of jobs, below s3://ops/s3batch/"):
        publish("TRUE", inventory=str(url), **more)
    assert publish("NOT starts_with(key, 's3batch/')", inventory=str(url), **more).rows == 2
