"""Fetches the file of a shard, and trusts it only if it is the one that was published."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.manifest import ShardFile
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage


def fetch_shard(storage: Storage, bucket: str, shard: ShardFile, folder: Path) -> Path:
    """
    Fetch the shard's file from the job's *bucket* into the local *folder*; return its path.

    There is never a file of that name that was not checked.

    Raises:
        JobDamagedError: it is not the file that was published.
    """
    url = S3Url(bucket, shard.key)
    path = folder / f"shard-{shard.index:05d}.parquet"
    incoming = path.with_suffix(".incoming")
    digest = _downloaded(storage, url, incoming)
    if digest != shard.sha256:  # the way is to blame more often than the file
        digest = _downloaded(storage, url, incoming)
    if digest != shard.sha256:
        raise JobDamagedError(f"{url}: altered since it was published: SHA-256 is {digest}, was {shard.sha256}")
    if (rows := _rows_in(incoming)) != shard.rows:
        raise JobDamagedError(f"{url}: has {rows:,} rows, the job's manifest says {shard.rows:,}; one was altered")
    return incoming.rename(path)


def _downloaded(storage: Storage, url: S3Url, path: Path) -> str:
    """Fetch the file at *url* to *path*; return its SHA-256."""
    storage.download(url, path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows_in(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)
