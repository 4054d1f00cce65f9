"""Cuts the shards of all groups anew where they came out too unequal, or too small, and are few enough rows for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from airflow_s3batch.engine.files.staging import staging_folder
from airflow_s3batch.engine.shards.shard_file import fetch_shard
from airflow_s3batch.manifests.planning.cutting.shards import range_rows_for
from airflow_s3batch.manifests.planning.cutting.stage_files import StagedFile, StageWriter
from airflow_s3batch.manifests.planning.publish import Log, uploaded_shards

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.core.manifest import ShardFile
    from airflow_s3batch.engine.files.storage import Storage

MOST_ROWS = 20_000_000
"""Rows that one task may cut anew: a minute of work, and two gigabytes of local disk."""
UNEVEN = 2.0
"""How many times larger, or more, than wanted shards may be before that is worth it."""

_BATCH_ROWS = 10_000


def evened(
    storage: Storage,
    layout: JobLayout,
    shards: tuple[ShardFile, ...],
    sizes: Sequence[int],
    *,
    staging_dir: Path | None,
    log: Log,
    most_rows: int = MOST_ROWS,
) -> tuple[ShardFile, ...]:
    """
    Return *shards*, or shards of *sizes* with the same rows if *shards* are too far from that.

    The same shards give the same ones again. Of more than *most_rows* the *log* tells that they stay as they are.

    Raises:
        JobDamagedError: a shard file is not the one that a group has left.
    """
    largest = max((shard.rows for shard in shards), default=0)
    if largest <= UNEVEN * max(sizes, default=0) and len(shards) <= UNEVEN * len(sizes):
        return shards
    if sum(sizes) > most_rows:
        log(
            f"the largest of {len(shards)} shards has {largest:,} objects, {sizes[0]:,} were wanted: few groups of "
            "data files hold most of what is selected; fewer planning tasks, or a larger max_shards, even that out"
        )
        return shards
    log(f"{len(shards)} shards of up to {largest:,} objects are cut anew, into {len(sizes)} of up to {sizes[0]:,}")
    with staging_folder(staging_dir) as folder:
        files = [_staged(fetch_shard(storage, layout.url.bucket, shard, folder)) for shard in shards]
        return uploaded_shards(storage, files, sizes, range_rows_for(sizes), folder, layout.shard)


def _staged(path: Path) -> StagedFile:
    """Return the rows of the shard file *path* as the planner keeps them; *path* is deleted."""
    with (
        pq.ParquetFile(path) as file,
        StageWriter(path.with_suffix(".arrow"), file.schema_arrow.remove_metadata()) as writer,
    ):
        for batch in file.iter_batches(_BATCH_ROWS):
            writer.write(batch)
    path.unlink()
    return writer.file
