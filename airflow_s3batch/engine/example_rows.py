"""A few rows of a manifest, to show to people and to try an estimate on, without fetching whole shards."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.manifest import FIXED_COLUMNS
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import Manifest, ShardFile
    from airflow_s3batch.engine.storage import Storage

_READ_AHEAD = 65_536


def example_rows(storage: Storage, manifest: Manifest, most: int) -> list[S3Object]:
    """
    Return up to *most* rows of *manifest*: the first ones of shards that lie evenly apart; the same each time.

    Of each shard that is looked at, one row group is read. The shards' checksums are not looked at.

    Raises:
        S3BatchError: a file can't be read.
    """
    shards = manifest.shards[:: max(1, -(-len(manifest.shards) // most))] if most else ()
    found: list[S3Object] = []
    for number, shard in enumerate(shards):
        wanted = -(-(most - len(found)) // (len(shards) - number))
        found += _first_rows(storage, manifest, shard, wanted)
    return found


def _first_rows(storage: Storage, manifest: Manifest, shard: ShardFile, most: int) -> list[S3Object]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = S3Url(manifest.job_url.bucket, shard.key)
    try:
        with pq.ParquetFile(_StoredFile(storage, place, shard.file_bytes), pre_buffer=False) as file:
            batch = next(file.iter_batches(min(most, shard.rows), row_groups=[0], use_threads=False))
    except (pa.ArrowException, OSError) as error:
        raise JobDamagedError(f"{place}: not a shard of this package ({error})") from None
    columns: list[Any] = [batch.column(name).to_pylist() for name in FIXED_COLUMNS]
    extras = {name: batch.column(name).to_pylist() for name in manifest.columns}
    return [
        S3Object(*values)._replace(columns={name: column[row] for name, column in extras.items()})
        for row, values in enumerate(zip(*columns, strict=True))
    ]


class _StoredFile(io.RawIOBase):
    """A file of *storage*, of which only the parts that are looked at are read."""

    def __init__(self, storage: Storage, url: S3Url, size: int) -> None:
        self._storage = storage
        self._url = url
        self._size = size
        self._at = 0
        self._first, self._ahead = 0, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        start = self._at - self._first
        if start < 0 or start + wanted > len(self._ahead):
            size = min(self._size - self._at, max(wanted, _READ_AHEAD))
            self._first, self._ahead, start = self._at, self._storage.read_part(self._url, self._at, size), 0
        piece = self._ahead[start : start + wanted]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)
