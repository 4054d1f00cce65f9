"""An inventory in memory, and a look into what was published from it."""

from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.testing.inventories import write_inventory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.testing.storage import MemoryStorage

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
PREFIX = "s3://inventories/all/lake/daily"
JOBS = S3Url("ops", "s3batch")

Rows = list[dict[str, Any]]


def deliver(storage: MemoryStorage, rows: Iterable[Mapping[str, Any]], *, days_ago: float = 1, **more: Any) -> S3Url:
    """Write a delivery of the inventory of bucket ``lake``; return the URL of its manifest.json."""
    created = NOW - dt.timedelta(days=days_ago)
    return S3Url.parse(write_inventory(storage, "s3://inventories/all", "lake", rows, created=created, **more))


def published_rows(storage: MemoryStorage, manifest: Manifest) -> Rows:
    """Return the rows of all shards, in order."""
    rows: Rows = []
    for shard in manifest.shards:
        rows += pq.read_table(io.BytesIO(storage.files[S3Url(manifest.job_url.bucket, shard.key)])).to_pylist()
    return rows


def objects(number: int, **more: Any) -> Rows:
    """Return inventory rows of current versions: every second one is not encrypted, object n has n bytes."""
    return [
        {
            "key": f"team{n % 3}/object {n}",
            "size": n,
            "e_tag": f"{n:032x}",
            "storage_class": "STANDARD",
            "encryption_status": "NOT-SSE" if n % 2 else "SSE-S3",
            **more,
        }
        for n in range(number)
    ]
