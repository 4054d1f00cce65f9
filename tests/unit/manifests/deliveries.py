"""An inventory in memory, and a look into what was published from it."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import io
import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.guards import Guards
from airflow_s3batch.manifests.planning.selection import Selection
from airflow_s3batch.manifests.sources.inventory import Inventory
from airflow_s3batch.testing.inventories import write_inventory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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


def select(*inventories: str, where: str = "TRUE", columns: Mapping[str, str] | None = None, **more: Any) -> Selection:
    """Return what is selected of *inventories*; guards and the inventory's own arguments are told apart by name."""
    of_source = {name: more.pop(name) for name in ("as_of", "max_age") if name in more}
    guards = {field.name: more.pop(field.name) for field in fields(Guards) if field.name in more}
    source = Inventory(inventories, **of_source)
    return Selection(source, where, columns or {}, guards=Guards(**guards), **more)


def deliver_text(storage: MemoryStorage, text: str, columns: Sequence[str] = ("bucket", "key")) -> tuple[S3Url, S3Url]:
    """Write a delivery whose one CSV file is *text*; return the URLs of its manifest.json and of the file."""
    url = deliver(storage, [{"key": "a"}], files=1, schema=columns)
    manifest = json.loads(storage.files[url])
    body = gzip.compress(text.encode())
    (file,) = manifest["files"]
    file |= {"size": len(body), "MD5checksum": hashlib.md5(body).hexdigest()}
    data = S3Url(url.bucket, file["key"])
    storage.write(data, body)
    rewrite(storage, url, manifest)
    return url, data


def rewrite(storage: MemoryStorage, url: S3Url, manifest: Mapping[str, Any]) -> None:
    """Write *manifest* to *url*, and its checksum beside it."""
    body = json.dumps(manifest).encode()
    storage.write(url, body)
    storage.write(S3Url(url.bucket, url.key.replace(".json", ".checksum")), hashlib.md5(body).hexdigest().encode())


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


def job_files(storage: MemoryStorage) -> dict[S3Url, bytes]:
    """Return the files below the jobs' bucket."""
    return {url: body for url, body in storage.files.items() if url.bucket == JOBS.bucket}
