"""Ways to read a stored file: a JSON document that may be anybody's, and a shard of which parts will do."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

    from airflow_s3batch.core.manifest import Manifest, ShardFile
    from airflow_s3batch.engine.files.storage import Storage

READ_AHEAD = 65_536


def json_at(storage: Storage, url: S3Url) -> Mapping[str, Any]:
    """
    Return the JSON object at *url*; an empty one if there is none, or something else.

    For those who look at jobs from outside; who goes on from a file of the job refuses one that is damaged.
    """
    body = storage.read(url)
    try:
        document = json.loads(body) if body is not None else {}
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


@contextlib.contextmanager
def remote_shard(storage: Storage, manifest: Manifest, shard: ShardFile) -> Iterator[ParquetFile]:
    """
    Open the file of *shard* where it lies: only the parts that are looked at are fetched, its checksum is not.

    Raises:
        JobDamagedError: it is no Parquet file.
        AccessError: it can't be read.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    place = S3Url(manifest.job_url.bucket, shard.key)
    try:
        with ParquetFile(StoredParts(storage, place, shard.file_bytes), pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise JobDamagedError(f"{place}: not a shard of this package ({error})") from None


class StoredParts(io.RawIOBase):
    """A file of *size* bytes at *url*, of which only the parts that are looked at are fetched."""

    def __init__(self, storage: Storage, url: S3Url, size: int) -> None:
        super().__init__()
        self._storage = storage
        self._url = url
        self._size = size
        self._at = 0
        self._first, self._ahead = 0, b""

    def readable(self) -> bool:
        """Whether one can read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether one can go to another place: yes."""
        return True

    def tell(self) -> int:
        """Return where one is."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to *offset* bytes from where *whence* says."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Take up to as many bytes as *buffer* has room for; at least `READ_AHEAD` are fetched at a time."""
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        start = self._at - self._first
        if start < 0 or start + wanted > len(self._ahead):
            size = min(self._size - self._at, max(wanted, READ_AHEAD))
            self._first, self._ahead, start = self._at, self._storage.read_part(self._url, self._at, size), 0
        piece = self._ahead[start : start + wanted]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)
