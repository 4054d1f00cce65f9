"""Writes the manifest that AWS reads: CSV, one bucket, keys encoded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.layout import RoundLayout
from airflow_s3batch.engine.files.staging import disk_sentences
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.managed.buckets import BucketRef
from airflow_s3batch.managed.request import CsvManifest
from airflow_s3batch.managed.rows import RowBatch
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.types import MOST_COPY_BYTES

MOST_KEY_BYTES = 1024
_COPIES = "S3PutObjectCopy"
_REPLICATIONS = "S3ReplicateObject"
_PLAIN_VERSION = re.compile(r"[\w.~+/=-]+", re.ASCII).fullmatch


def publish_csv_manifest(
    batches: Iterable[RowBatch],
    ref: BucketRef,
    operation: Operation,
    *,
    storage: Storage,
    place: RoundLayout,
    folder: Path,
) -> tuple[CsvManifest | None, list[int]]:
    """
    Write the rows of *batches* as AWS's manifest below *place*; return it, and the indexes of the shards they are of.

    ``None`` if there are no rows; nothing is written then. The file grows in the local *folder* before it is uploaded;
    memory does not. The same rows make the same file under the same name.

    Raises:
        ManifestError: AWS would not take these rows, each with the way out.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/specify-batchjob-manifest.html
    """
    if operation.managed_name == _REPLICATIONS and not ref.has_versions:
        raise ManifestError(
            f"bucket {ref.bucket}: {ref.rows:,} rows name no version, which AWS needs to replicate an object; take "
            "them from an inventory or a listing of all versions"
        )
    path = folder / "manifest.csv"
    digest, rows, shards = hashlib.sha256(), 0, set()
    with disk_sentences(folder), path.open("wb") as file:
        for batch in _checked(batches, ref, operation):
            text = "".join(_lines(batch, ref)).encode()
            file.write(text)
            digest.update(text)
            rows += len(batch.numbers)
            shards.add(batch.shard.index)
    if not rows:
        return None, []
    if rows > (most := operation.managed_most_objects):
        raise ManifestError(
            f"bucket {ref.bucket}: {rows:,} objects, AWS takes {most:,} in a job of {operation.managed_name}; "
            "split the selection, or use engine='worker'"
        )
    url = place.manifest(digest.hexdigest())
    e_tag = storage.upload(path, url, "text/csv", for_aws=True)
    path.unlink()
    return CsvManifest(url, e_tag, rows, ref.has_versions), sorted(shards)


def _lines(batch: RowBatch, ref: BucketRef) -> Iterator[str]:
    keys = batch.rows.column("key").to_pylist()
    if not ref.has_versions:
        return (f"{ref.bucket},{encode_key(key)}\n" for key in keys)
    versions = batch.rows.column("version_id").to_pylist()
    return (f"{ref.bucket},{encode_key(key)},{version}\n" for key, version in zip(keys, versions, strict=True))


def _checked(batches: Iterable[RowBatch], ref: BucketRef, operation: Operation) -> Iterator[RowBatch]:
    for batch in batches:
        _check_keys(batch, ref)
        if ref.has_versions:
            _check_versions(batch.rows.column("version_id").to_pylist(), ref)
        if operation.managed_name == _COPIES:
            _check_sizes(batch.rows.column("size").to_pylist(), ref)
        yield batch


def _check_keys(batch: RowBatch, ref: BucketRef) -> None:
    import pyarrow.compute as pc

    longest = pc.max(pc.binary_length(batch.rows.column("key"))).as_py()
    if longest > MOST_KEY_BYTES:
        raise ManifestError(
            f"bucket {ref.bucket}: shard {batch.shard.index} has a key of {longest:,} bytes; S3 has none above "
            f"{MOST_KEY_BYTES:,}, so look at how the manifest was made"
        )


def _check_versions(versions: Collection[str], ref: BucketRef) -> None:
    odd = next((version for version in versions if not _PLAIN_VERSION(version)), None)
    if odd is not None:
        raise ManifestError(
            f"bucket {ref.bucket}: {odd!r} is not a version id of S3; look at how the manifest was made"
        )


def _check_sizes(sizes: Collection[int | None], ref: BucketRef) -> None:
    large = sum(1 for size in sizes if size is not None and size > MOST_COPY_BYTES)
    if large:
        raise ManifestError(
            f"bucket {ref.bucket}: {large:,} or more objects are larger than 5 GiB, which AWS's copy job can't copy; "
            f"add size <= {MOST_COPY_BYTES} to where=, or use engine='worker'"
        )
