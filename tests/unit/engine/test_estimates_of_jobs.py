"""The estimate of a job: which prices it takes, on which row it is tried, and where it is kept."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_s3batch.core.errors import ArgumentError, JobDamagedError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import FIXED_COLUMNS, Manifest, ShardFile
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.costs import shipped_prices
from airflow_s3batch.costs.prices import FORMAT
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.checks.estimates import estimate_job, prices_for, read_estimate, read_prices
from airflow_s3batch.engine.checks.example_rows import example_rows
from airflow_s3batch.operations import Column, CopyObject, PutObjectTagging
from airflow_s3batch.testing import MemoryStorage

if TYPE_CHECKING:
    from pathlib import Path

JOB = S3Url("ops", "s3batch/job")
TABLE = {
    "format": FORMAT,
    "region": "here",
    "currency": "EUR",
    "date": "2026",
    "prices": {"write.STANDARD": {"price": "1", "per": 1}},
}


def published(storage: MemoryStorage, shards: int = 1, rows: int = 10) -> Manifest:
    """Publish shards of *rows* rows each, whose keys are ``<shard>-<row>``, in several row groups."""
    files = []
    for index in range(shards):
        columns: dict[str, Any] = {name: [None] * rows for name in FIXED_COLUMNS}
        columns["bucket"], columns["key"] = ["lake"] * rows, [f"{index}-{row}" for row in range(rows)]
        columns["class"] = ["GLACIER_IR"] * rows
        stream = io.BytesIO()
        pq.write_table(pa.table(columns), stream, row_group_size=4)
        url = JOB / f"manifest/shard-{index}.parquet"
        storage.write(url, stream.getvalue())
        files.append(ShardFile(index, url.key, rows, 0, len(stream.getvalue()), "0" * 64))
    return Manifest(JOB, shards * rows, 0, 4, ("class",), tuple(files), "f")


@pytest.mark.parametrize(
    ("shards", "most", "keys"),
    [
        (1, 0, []),
        (1, 3, ["0-0", "0-1", "0-2"]),
        (5, 5, ["0-0", "1-0", "2-0", "3-0", "4-0"]),
        (5, 2, ["0-0", "3-0"]),
        (2, 3, ["0-0", "0-1", "1-0"]),
        (1, 50, ["0-0", "0-1", "0-2", "0-3"]),  # a row group
    ],
)
def test_examples_are_of_shards_that_lie_apart(shards: int, most: int, keys: list[str]) -> None:
    """The same ones each time, with their columns."""
    storage = MemoryStorage()
    found = example_rows(storage, published(storage, shards), most)
    assert [obj.key for obj in found] == keys
    assert all(obj.columns == {"class": "GLACIER_IR"} for obj in found)


def test_a_large_shard_is_not_fetched_for_its_first_row() -> None:
    storage = MemoryStorage()
    manifest = published(storage, rows=50_000)
    read: list[int] = []
    part = storage.read_part

    def counted(url: S3Url, first: int, size: int) -> bytes:
        read.append(size)
        return part(url, first, size)

    storage.read_part = counted  # type: ignore[method-assign]
    assert [obj.key for obj in example_rows(storage, manifest, 1)] == ["0-0"]
    assert sum(read) < manifest.shards[0].file_bytes


def test_the_estimate_takes_the_columns_of_a_row_and_is_kept() -> None:
    storage = MemoryStorage()
    operation = CopyObject("target", storage_class=Column("class"))
    found = estimate_job(storage, published(storage), operation, "worker", shipped_prices(), note="A note.")
    assert found.items[0].what == "PUT, COPY and POST requests (GLACIER_IR)"
    assert found.assumptions[0] == "A note."
    assert read_estimate(storage, JobLayout(JOB)) == found


def test_no_estimate_is_none_and_a_damaged_one_is_told() -> None:
    storage = MemoryStorage()
    assert read_estimate(storage, JobLayout(JOB)) is None
    storage.write(JobLayout(JOB).cost, b"{")
    with pytest.raises(JobDamagedError, match=r"s3://ops/s3batch/job/cost\.json"):
        read_estimate(storage, JobLayout(JOB))


def test_prices_come_from_a_store_a_disk_or_the_dag(tmp_path: Path) -> None:
    storage = MemoryStorage()
    storage.write(S3Url("ops", "prices.json"), json.dumps(TABLE).encode())
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(TABLE))
    tables = [read_prices(each, storage) for each in ("s3://ops/prices.json", str(path), f"file://{path}", TABLE)]
    assert all(table == tables[0] for table in tables)
    assert read_prices(tables[0], storage) is tables[0]


@pytest.mark.parametrize("named", ["s3://ops/none.json", "/no/such/file.json", {"format": "x"}])
def test_prices_that_are_not_there_are_told(named: Any) -> None:
    with pytest.raises(ArgumentError, match="prices"):
        read_prices(named, MemoryStorage())


def test_a_store_that_is_not_aws_has_no_prices_unless_they_are_named() -> None:
    """And another region of AWS has those of the shipped one, with a word of warning."""
    assert prices_for(S3Access(endpoint_url="http://127.0.0.1:1", region_name="us-east-1"))[0] is None
    assert prices_for(S3Access(region_name="us-east-1")) == (shipped_prices(), "")
    table, note = prices_for(S3Access(region_name="eu-central-1"))
    assert table == shipped_prices()
    assert "those of eu-central-1 may differ" in note


def test_tags_are_estimated_without_any_column() -> None:
    storage = MemoryStorage()
    found = estimate_job(
        storage, published(storage), PutObjectTagging({"k": "v"}), "worker", read_prices(TABLE, storage)
    )
    assert found.total == "10.00 €"
