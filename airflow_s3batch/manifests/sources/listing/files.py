"""
Writes what was listed in the form of an S3 Inventory: Parquet files, ``manifest.json``, ``manifest.checksum``.

Nothing but ``manifest.json`` names a data file, and it is written when all of them are: what a killed attempt leaves
behind belongs to nobody.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_s3batch.manifests.columns import TYPES
from airflow_s3batch.manifests.sources.listing.rows import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage

GROUP_ROWS = 65_536
FILE_ROWS = 16 * GROUP_ROWS
"""Rows of a data file: some 50 MB on local disk, of which at most `_MOST_WAITING` + 1 are there at a time."""

_MOST_WAITING = 2
_REPETITIVE = ("bucket", "storage_class", "checksum_algorithm", "object_owner")
_PARQUET = {
    "VARCHAR": "binary {} (UTF8)",
    "BOOLEAN": "boolean {}",
    "BIGINT": "int64 {}",
    "TIMESTAMP": "int64 {} (TIMESTAMP_MILLIS)",
}


class WrittenFile(NamedTuple):
    """A data file that is in the store."""

    key: str
    size: int
    md5: str


class ListingFiles:
    """
    Takes rows in any order and writes them to *place*, a folder of this attempt's own. A context manager.

    Memory holds one row group, *staging* (a local folder) a few files.

    Attributes:
        rows: taken so far.
    """

    def __init__(
        self,
        storage: Storage,
        place: S3Url,
        staging: Path,
        columns: Sequence[str],
        *,
        group_rows: int = GROUP_ROWS,
        file_rows: int = FILE_ROWS,
    ) -> None:
        self.schema = arrow_schema(columns)
        self.rows = 0
        self._storage = storage
        self._place = place
        self._staging = staging
        self._group_rows = group_rows
        self._file_rows = file_rows
        self._group: list[Any] = []
        self._grouped = 0
        self._writer: pq.ParquetWriter | None = None
        self._in_file = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="listing")
        self._uploads: deque[Future[WrittenFile]] = deque()
        self._files: list[WrittenFile] = []
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of threads and open files; what was not delivered counts for nothing."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._pool.shutdown(cancel_futures=True)

    def add(self, batch: Any) -> None:
        """Take the rows of a record batch; waits where the store takes files more slowly than they come."""
        self._group.append(batch)
        self._grouped += batch.num_rows
        self.rows += batch.num_rows
        if self._grouped >= self._group_rows:
            self._write_group()
            if self._in_file >= self._file_rows:
                self._end_file()

    def deliver(self, created: dt.datetime, source_bucket: str) -> S3Url:
        """Write what is left, then what names it; return where the ``manifest.json`` is."""
        if self._group:
            self._write_group()
        self._end_file()
        while self._uploads:
            self._files.append(self._uploads.popleft().result())
        body = json.dumps(self._manifest(created, source_bucket), indent=1).encode()
        folder = self._place / f"{created.astimezone(dt.UTC):%Y-%m-%dT%H-%MZ}"
        self._storage.write(folder / "manifest.json", body, "application/json")
        checksum = hashlib.md5(body, usedforsecurity=False).hexdigest()
        self._storage.write(folder / "manifest.checksum", checksum.encode(), "text/plain")
        return folder / "manifest.json"

    def discard(self) -> None:
        """Delete what is in the store already, as far as that can be done."""
        for upload in self._uploads:
            with contextlib.suppress(Exception):
                self._files.append(upload.result())
        for file in self._files:
            self._storage.delete(self._place._replace(key=file.key))
        self._files.clear()
        self._uploads.clear()

    def _write_group(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._path(self._number),
                self.schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=[name for name in _REPETITIVE if name in self.schema.names],
                store_schema=False,
            )
        self._writer.write_table(pa.Table.from_batches(self._group), row_group_size=self._grouped)
        self._in_file += self._grouped
        self._group.clear()
        self._grouped = 0

    def _end_file(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer, self._in_file = None, 0
        self._uploads.append(self._pool.submit(self._upload, self._number))
        self._number += 1
        while len(self._uploads) > _MOST_WAITING:
            self._files.append(self._uploads.popleft().result())

    def _upload(self, number: int) -> WrittenFile:
        path = self._path(number)
        url = self._place / "data" / path.name
        with path.open("rb") as stream:
            md5 = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        size = path.stat().st_size
        self._storage.upload(path, url, "application/vnd.apache.parquet")
        path.unlink()
        return WrittenFile(url.key, size, md5)

    def _path(self, number: int) -> Path:
        return self._staging / f"listing-{number:05d}.parquet"

    def _manifest(self, created: dt.datetime, source_bucket: str) -> dict[str, Any]:
        fields = (
            f"  {'optional' if field.nullable else 'required'} {_PARQUET[TYPES[field.name]].format(field.name)};"
            for field in self.schema
        )
        return {
            "sourceBucket": source_bucket,
            "destinationBucket": f"arn:aws:s3:::{self._place.bucket}",
            "version": "2016-11-30",
            "creationTimestamp": str(int(created.timestamp() * 1000)),
            "fileFormat": "Parquet",
            "fileSchema": f"message s3.inventory {{ {' '.join(fields)} }}",
            "files": [{"key": file.key, "size": file.size, "MD5checksum": file.md5} for file in self._files],
        }
