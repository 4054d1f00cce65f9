"""Rows of the manifest's shard files, for objects of which no attempt said anything."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.commits import Spans, ordinals_in
from airflow_s3batch.engine.shards.shard_file import fetch_shard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_s3batch.core.manifest import RowRange, ShardFile
    from airflow_s3batch.engine.files.storage import Storage

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
        self._bucket = bucket
        self._shard = shard
        self._folder = folder
        self._path: Path | None = None
        self._lock = threading.Lock()

    def rows(self, row_range: RowRange, ordinals: Spans) -> Iterator[ManifestRow]:
        """
        Yield the rows with these *ordinals* (ascending, at least one) of *row_range*, in order.

        Raises:
            JobDamagedError: the shard file is not the one that was published.
        """
        first, end = ordinals[0][0], ordinals[-1][1]
        wanted = set(ordinals_in(ordinals))
        for ordinal, row in enumerate(self._between(row_range.first + first, row_range.first + end), start=first):
            if ordinal in wanted:
                yield row

    def close(self) -> None:
        """Remove the local file."""
        if self._path:
            self._path.unlink(missing_ok=True)

    def _fetched(self) -> Path:
        with self._lock:
            if self._path is None:
                self._path = fetch_shard(self._storage, self._bucket, self._shard, self._folder)
            return self._path

    def _between(self, first: int, end: int) -> Iterator[ManifestRow]:
        import pyarrow.parquet as pq

        with pq.ParquetFile(self._fetched()) as file:
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
