"""Parquet files that name objects: what SQL sees of them, and what is refused."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest
from deliveries import JOBS, NOW, published_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from sourced import IN, objects_of, parquet, put, rows_of, seen

from airflow_s3batch.core.errors import InventoryError, ManifestError
from airflow_s3batch.manifests.planning.publish import publish_manifest
from airflow_s3batch.manifests.planning.selection import Selection
from airflow_s3batch.manifests.sources.csv.source import CsvManifest
from airflow_s3batch.manifests.sources.parquet.source import ParquetFiles
from airflow_s3batch.testing.storage import MemoryStorage

KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
NOON = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


def files(storage: MemoryStorage, *tables: pa.Table | bytes, **more: Any) -> ParquetFiles:
    return ParquetFiles(put(storage, {f"{n}-of-many": table for n, table in enumerate(tables)}), **more)


@settings(max_examples=3, deadline=None)
@given(st.lists(st.tuples(KEYS, st.sampled_from(["v1", "null"]), st.integers(0, 2**50)), min_size=1, max_size=20))
def test_the_same_rows_as_parquet_and_as_csv_are_the_same_manifest(rows: list[tuple[str, str, int]]) -> None:
    """Whatever is in the keys."""
    names = ("key", "version_id", "size")
    table = pa.table({"bucket": ["lake"] * len(rows), **dict(zip(names, zip(*rows, strict=True), strict=True))})
    text = "".join(f"lake,{quote(key)},{version},{size}\n" for key, version, size in rows)
    from_parquet, from_csv = MemoryStorage(), MemoryStorage()
    csv = CsvManifest(put(from_csv, {"a.csv": text}), fields=("bucket", *names))
    found = rows_of(from_parquet, files(from_parquet, table))
    assert found == rows_of(from_csv, csv)
    assert [(row["key"], row["version_id"], row["size"]) for row in found] == rows


def test_columns_keep_their_types() -> None:
    """Known ones are what they are in an inventory; nested ones, decimals and times with a zone can be asked."""
    storage = MemoryStorage()
    table = pa.table(
        {
            "Bucket": ["lake", "lake"],
            "KEY": ["a +%", "b"],
            "versionId": ["v1", "v2"],
            "Size": [7.0, math.nan],
            "ETag": ['"e1"', None],
            "LastModified": pa.array([NOON, None], pa.timestamp("ns", "Europe/Rome")),
            "price": [decimal.Decimal("1.50"), decimal.Decimal("2.50")],
            "seen": pa.array([NOON, NOON], pa.timestamp("us", "Europe/Rome")),
            "to_the_ns": pa.array([NOON, NOON], pa.timestamp("ns", "UTC")),
            "naive": pa.array([NOON, NOON], pa.timestamp("ns")),
            "tags": pa.array([[("team", "x")], [("team", "y")]], pa.map_(pa.string(), pa.string())),
            "owner": [{"name": "ann"}, {"name": "bob"}],
            "nothing": pa.array([None, None], pa.null()),
            "gap name": ["", "g"],
        }
    )
    where = "tags['team'] = 'x' AND owner['name'] = 'ann' AND price < 2 AND gap_name = ''"
    where += " AND nothing IS NULL AND to_the_ns = seen"
    assert rows_of(storage, files(storage, table), where, columns={"price": "price", "seen": "seen", "n": "naive"}) == [
        {
            "bucket": "lake",
            "key": "a +%",
            "version_id": "v1",
            "size": 7,
            "e_tag": "e1",
            "price": decimal.Decimal("1.50"),
            "seen": NOON,
            "n": NOON.replace(tzinfo=None),
        }
    ]
    last = seen(storage, files(storage, table))
    assert [row["last_modified_date"] for row in last] == [NOON.replace(tzinfo=None), None]
    assert [row["size"] for row in last] == [7, None]


def test_a_nested_value_can_not_be_a_column_of_the_manifest() -> None:
    """And the error says what can."""
    storage = MemoryStorage()
    table = pa.table({"bucket": ["lake"], "key": ["a"], "owner": [{"name": "ann"}]})
    with pytest.raises(ManifestError, match="expected a text, number, time or boolean"):
        rows_of(storage, files(storage, table), columns={"owner": "owner"})


def test_one_bucket_for_files_without_that_column() -> None:
    """Several files, read by name: their order of columns does not matter."""
    storage = MemoryStorage()
    tables = pa.table({"key": ["a"], "team": ["x"]}), pa.table({"team": ["y"], "key": ["b"]})
    assert objects_of(storage, files(storage, *tables, bucket="lake")) == [("lake", "a", None), ("lake", "b", None)]


@pytest.mark.parametrize("kind", [pa.string(), pa.null()])
def test_an_empty_version_is_what_the_user_says(kind: pa.DataType) -> None:
    """Also where no row has any, so that the file does not even know the column's type."""
    storage = MemoryStorage()
    table = pa.table({"bucket": ["lake"], "key": ["a"], "version_id": pa.array([None], kind)})
    assert objects_of(storage, files(storage, table, empty_version_id="null")) == [("lake", "a", "null")]
    assert objects_of(storage, files(storage, table, empty_version_id="current")) == [("lake", "a", None)]
    with pytest.raises(ManifestError, match="an empty version_id; say empty_version_id="):
        objects_of(storage, files(storage, table))


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (
            pa.table({"bucket": ["lake"], "key": ["a"]}),
            r"1-of-many: column 'team' is missing, but in .*0-of-many it is",
        ),
        (
            pa.table({"bucket": ["lake"], "key": ["a"], "team": [1]}),
            r"1-of-many: column 'team' is BIGINT, but in .* VARCHAR",
        ),
        (b"bucket,key\nlake,a\n", r"1-of-many: not a Parquet file.*use CsvManifest"),
        (parquet(pa.table({"key": ["a"]}))[4:], "1-of-many"),
        (b"PAR1" + bytes(4) + b"\xff\xff\xff\x7fPAR1", r"1-of-many: not a whole Parquet file"),
        (b"PAR1" + b"nonsense" + b"\x08\0\0\0PAR1", r"1-of-many: its Parquet footer can't be read"),
        (b"PAR1" + bytes(8) + b"PARE", r"1-of-many: an encrypted Parquet file"),
    ],
)
def test_a_file_that_is_not_like_the_others_is_told(second: pa.Table | bytes, told: str) -> None:
    """Before anything is fetched."""
    storage = MemoryStorage()
    first = pa.table({"bucket": ["lake"], "key": ["a"], "team": ["x"]})
    with pytest.raises(InventoryError, match=told):
        seen(storage, files(storage, first, second))


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"bucket": ["lake"], "size": [1]}, "no column 'key'; it has: bucket, size"),
        ({"key": ["a"]}, "no column 'bucket'.*Pass bucket="),
        ({"bucket": ["lake"], "key": [1]}, "column 'key' is BIGINT, but key is a VARCHAR; cast it"),
        ({"bucket": ["lake"], "key": ["a"], "lastModified": [1]}, "column 'lastModified' is BIGINT"),
        ({"bucket": ["lake"], "key": ["a"], "size": [{"bytes": 1}]}, r"column 'size' is STRUCT\(bytes BIGINT\)"),
        ({"bucket": ["lake"], "key": ["a"], "ETag": ["e"], "e_tag": ["e"]}, "two columns 'e_tag'"),
    ],
)
def test_columns_that_can_not_name_objects_are_told(columns: dict[str, Any], told: str) -> None:
    """With what is there instead."""
    storage = MemoryStorage()
    with pytest.raises(InventoryError, match=rf"s3://in/m/: .*{told}"):
        seen(storage, files(storage, pa.table(columns)))


@pytest.mark.parametrize("bad", [{"bucket": None}, {"bucket": "a b"}, {"key": None}, {"key": ""}, {"size": "big"}])
def test_a_row_that_names_no_object_is_an_error(bad: dict[str, str | None]) -> None:
    """Not one object less."""
    storage = MemoryStorage()
    rows = [{"bucket": "lake", "key": "a", "size": "1"}, {"bucket": "lake", "key": "a", "size": "1", **bad}]
    with pytest.raises(ManifestError, match=r"a row has no|Could not convert"):
        seen(storage, files(storage, pa.Table.from_pylist(rows)))


def test_a_large_footer_is_read_to_its_beginning() -> None:
    """Thousands of columns or row groups make one."""
    storage = MemoryStorage()
    table = pa.table({"bucket": ["lake"], "key": ["a"], **{f"column_{n}": ["x"] for n in range(1_500)}})
    assert len(parquet(table)) > 100_000
    assert objects_of(storage, files(storage, table)) == [("lake", "a", None)]


def test_a_file_that_changed_since_the_job_was_started_is_an_error() -> None:
    """A retry reads the same bytes, or nothing."""
    storage = MemoryStorage()
    source = files(storage, pa.table({"bucket": ["lake"], "key": ["a"]}))

    def rewrite(verb: str, _place: object) -> None:
        if verb == "download":
            storage.files[IN / "0-of-many"] = parquet(pa.table({"bucket": ["lake"], "key": ["b"]}))

    storage.before = rewrite
    with pytest.raises(InventoryError, match=r"m/0-of-many: .* resume=False"):
        rows_of(storage, source)


def test_a_partition_is_read_whatever_its_column_is_called() -> None:
    storage = MemoryStorage()
    row = pa.table({"bucket": ["b"], "key": ["k"]})
    put(storage, {"_day=1/part-0": row, "_temporary/part-0": row, "_day=1/.part-0.crc": b"crc", "_SUCCESS": b" "})
    assert objects_of(storage, ParquetFiles(f"{IN}/")) == [("b", "k", None)]


def test_a_folder_that_reads_like_a_partition_is_no_column(tmp_path: Path) -> None:
    """As with a staging_dir below the folders of Airflow's logs."""
    storage, staging_dir = MemoryStorage(), tmp_path / "run_id=other" / "key=evil"
    staging_dir.mkdir(parents=True)
    source = files(storage, pa.table({"bucket": ["b"], "key": ["k"], "run_id": ["mine"]}))
    for sample in (None, 1):
        selection = Selection(source, "run_id = 'mine'", {"run": "run_id"}, sample=sample)
        job = f"job-{sample}"
        manifest = publish_manifest(storage, JOBS, job, selection, now=NOW, threads=1, staging_dir=staging_dir)
        assert [(row["key"], row["run"]) for row in published_rows(storage, manifest)] == [("k", "mine")]


def test_columns_that_differ_in_case_only_are_told() -> None:
    """One of them would be taken for the other, in silence."""
    storage = MemoryStorage()
    source = files(storage, pa.table({"bucket": ["b"], "key": ["k"], "Key": ["l"]}))
    with pytest.raises(InventoryError, match="columns Key, key differ in upper and lower case only"):
        rows_of(storage, source)


def test_of_files_that_name_versions_nobody_says_that_they_are_current(storage: MemoryStorage) -> None:
    """As of an inventory of current versions."""
    lines: list[str] = []
    source = files(storage, pa.table({"bucket": ["lake"], "key": ["a"], "version_id": ["v1"]}))
    selection = Selection(source, where="NOT is_latest")
    assert publish_manifest(storage, JOBS, "job", selection, now=NOW, threads=1, log=lines.append).rows == 0
    assert "selected 0 of 1 rows" in lines
