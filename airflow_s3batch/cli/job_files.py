"""What commands read of a job's files: its operation, its manifest, the buckets of its objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.engine.files.stored_files import remote_shard
from airflow_s3batch.engine.jobs.job_manifest import published_manifest
from airflow_s3batch.engine.shards.generation import newest_generations, operation_document

if TYPE_CHECKING:
    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.engine.files.storage import Storage

MOST_BUCKETS = 1_000


def find_operation(storage: Storage, layout: JobLayout) -> Mapping[str, Any] | None:
    """Return ``operation.json`` of the job's operation task; ``None`` if none was ever started."""
    _, generation = next(newest_generations(storage, layout), ("", None))
    return operation_document(storage, generation) if generation else None


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
    for shard in manifest.shards:
        with remote_shard(storage, manifest, shard) as file:
            for group in range(file.num_row_groups):
                statistics = file.metadata.row_group(group).column(0).statistics
                if statistics is not None and statistics.has_min_max and statistics.min == statistics.max:
                    yield [str(statistics.min)]
                else:
                    yield file.read_row_group(group, columns=["bucket"])["bucket"].unique().to_pylist()
