"""A few rows of a manifest, to show to people and to try an estimate on, without fetching whole shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.manifest import FIXED_COLUMNS
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine.files.stored_files import remote_shard

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import Manifest, ShardFile
    from airflow_s3batch.engine.files.storage import Storage


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
    with remote_shard(storage, manifest, shard) as file:
        batch = next(file.iter_batches(min(most, shard.rows), row_groups=[0], use_threads=False))
    columns: list[Any] = [batch.column(name).to_pylist() for name in FIXED_COLUMNS]
    extras = {name: batch.column(name).to_pylist() for name in manifest.columns}
    return [
        S3Object(*values)._replace(columns={name: column[row] for name, column in extras.items()})
        for row, values in enumerate(zip(*columns, strict=True))
    ]
