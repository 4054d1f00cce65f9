"""What commands read of a job's files: its operation, its manifest, the buckets of its objects."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.generation import newest_generation, operation_document
from airflow_s3batch.engine.job_manifest import published_manifest

if TYPE_CHECKING:
    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.engine.storage import Storage

MOST_BUCKETS = 1_000


def find_operation(storage: Storage, layout: JobLayout) -> Mapping[str, Any] | None:
    """Return ``operation.json`` of the job's operation task; ``None`` if none was ever started."""
    for task in storage.folders(layout.url):
        place = layout.operation(task)
        if number := newest_generation(storage, place):
            return operation_document(storage, place.generation(number))
    return None


def job_operation(storage: Storage, layout: JobLayout) -> Mapping[str, Any]:
    """
    Return the declaration of the job's operation.

    Raises:
        ManifestError: no operation task was started yet.
    """
    document = find_operation(storage, layout)
    if document is None:
        raise ManifestError(f"{layout.url}: no operation was started yet, so name it: --operation")
    operation: Mapping[str, Any] = document["operation"]
    return operation


def object_buckets(storage: Storage, layout: JobLayout) -> list[str]:
    """
    Return the buckets that the job's objects lie in, by name.

    Only the column of the bucket names is fetched, which takes a few kilobytes a shard.

    Raises:
        ManifestError: there is no manifest, or it has more than a thousand buckets.
    """
    manifest = published_manifest(storage, layout)
    found: set[str] = set()
    for names in _bucket_names(storage, manifest):
        found.update(names)
        if len(found) > MOST_BUCKETS:
            raise ManifestError(f"{layout.url}: its objects lie in more than {MOST_BUCKETS:,} buckets; name: --objects")
    return sorted(found)


def _bucket_names(storage: Storage, manifest: Manifest) -> Iterator[list[str]]:
    import pyarrow.parquet as pq

    for shard in manifest.shards:
        place = RemoteFile(storage, S3Url(manifest.job_url.bucket, shard.key), shard.file_bytes)
        with pq.ParquetFile(place, buffer_size=1 << 16) as file:
            for group in range(file.num_row_groups):
                statistics = file.metadata.row_group(group).column(0).statistics
                if statistics is not None and statistics.has_min_max and statistics.min == statistics.max:
                    yield [str(statistics.min)]
                else:
                    yield file.read_row_group(group, columns=["bucket"])["bucket"].unique().to_pylist()


class RemoteFile(io.RawIOBase):
    """A stored file of *size* bytes of which only what is read is fetched."""

    def __init__(self, storage: Storage, url: S3Url, size: int) -> None:
        super().__init__()
        self._storage = storage
        self._url = url
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Whether one can read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether one can go to another place: yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to *offset* bytes from where *whence* says."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """Return where one is."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fetch up to as many bytes as *buffer* takes."""
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        body = self._storage.read_part(self._url, self._at, wanted)
        buffer[: len(body)] = body
        self._at += len(body)
        return len(body)
