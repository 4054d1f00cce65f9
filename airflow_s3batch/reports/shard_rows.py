"""Rows of the manifest's shard files, for objects of which no attempt said anything."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.commits import Spans, ordinals_in
from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_s3batch.core.manifest import RowRange, ShardFile
    from airflow_s3batch.engine.storage import Storage

BATCH_ROWS = 10_000


class ManifestRow(NamedTuple):
    """What a report needs of a manifest row; *key* is raw, *size* ``None`` if unknown."""

    bucket: str
    key: str
    version_id: str | None
    size: int | None


class ShardRows:
    """
    One shard's rows, fetched to the local *folder* on first use and read by row group.

    Safe to use from several threads. `close` removes the local file.
    """

    def __init__(self, storage: Storage, bucket: str, shard: ShardFile, folder: Path) -> None:
        """*bucket* is the job's."""
        self._storage = storage
        self._url = S3Url(bucket, shard.key)
        self._shard = shard
        self._path = folder / f"shard-{shard.index:05d}.parquet"
        self._lock = threading.Lock()

    def rows(self, row_range: RowRange, ordinals: Spans) -> Iterator[ManifestRow]:
        """
        Yield the rows with these *ordinals* (ascending, at least one) of *row_range*, in order.

        Raises:
            JobDamagedError: the shard file is not the one that was published.
        """
        self._fetch()
        first, end = ordinals[0][0], ordinals[-1][1]
        wanted = set(ordinals_in(ordinals))
        for ordinal, row in enumerate(self._between(row_range.first + first, row_range.first + end), start=first):
            if ordinal in wanted:
                yield row

    def close(self) -> None:
        """Remove the local file."""
        self._path.unlink(missing_ok=True)

    def _fetch(self) -> None:
        with self._lock:
            if self._path.exists():
                return
            incoming = self._path.with_suffix(".incoming")
            self._storage.download(self._url, incoming)
            with incoming.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != self._shard.sha256:
                raise JobDamagedError(f"{self._url}: altered since it was published: SHA-256 is {digest}")
            incoming.rename(self._path)

    def _between(self, first: int, end: int) -> Iterator[ManifestRow]:
        import pyarrow.parquet as pq

        with pq.ParquetFile(self._path) as file:
            offset = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if offset < end and offset + rows > first:
                    yield from _slice(file, group, max(first - offset, 0), min(end - offset, rows))
                offset += rows


def _slice(file: Any, group: int, start: int, stop: int) -> Iterator[ManifestRow]:
    columns = list(ManifestRow._fields)
    offset = 0
    for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns):
        first, end = max(start - offset, 0), min(stop - offset, batch.num_rows)
        offset += batch.num_rows
        if first < end:
            part = batch.slice(first, end - first)
            yield from map(ManifestRow, *(part.column(name).to_pylist() for name in columns))
        if offset >= stop:
            return
