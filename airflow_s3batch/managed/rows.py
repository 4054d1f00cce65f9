"""The manifest rows that a round is about: those of one bucket that are not finished."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.layout import GenerationLayout
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.engine.shards.claims import in_doubt
from airflow_s3batch.engine.shards.shard_file import fetch_shard
from airflow_s3batch.engine.shards.shard_state import ShardState, shard_state
from airflow_s3batch.managed.buckets import BucketRef, shards_of

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 10_000
_COLUMNS = ["bucket", "key", "version_id", "size"]


class RowBatch(NamedTuple):
    """
    Some rows of one shard.

    Attributes:
        numbers: of the rows within the shard, ascending.
        rows: columns ``key`` (raw), ``version_id``, ``size``; as many as there are *numbers*.
    """

    shard: ShardFile
    numbers: list[int]
    rows: pa.RecordBatch


def unfinished_rows(
    ref: BucketRef,
    *,
    storage: Storage,
    manifest: Manifest,
    generation: GenerationLayout,
    folder: Path,
    without: Collection[str] = (),
    with_unknown: bool = True,
) -> Iterator[RowBatch]:
    """
    Yield the rows of *ref* that have not succeeded yet, in the manifest's order.

    Memory: a batch of rows, and a byte for each row of a shard. The local *folder* must have room for one shard file.

    Args:
        ref: which rows.
        storage: where the job's files are.
        manifest: the job's.
        generation: whose outcomes count.
        folder: a local one.
        without: attempts whose outcomes are passed over, as if they had not been.
        with_unknown: also rows that ended as ``OutcomeUnknown``.

    Raises:
        JobDamagedError: files of the job are missing or altered.
    """
    for shard in shards_of(ref, manifest, storage):
        state = shard_state(storage, manifest, shard, generation, without=without)
        if not state.to_do:
            continue
        flags = _flags(state, shard, manifest.range_rows)
        if not with_unknown:
            _drop_unknown(flags, state, storage, generation, without)
        path = fetch_shard(storage, manifest.job_url.bucket, shard, folder)
        try:
            yield from _batches(ref, shard, path, flags)
        finally:
            path.unlink(missing_ok=True)


def _flags(state: ShardState, shard: ShardFile, range_rows: int) -> bytearray:
    """Return a byte for each row of *shard*, 1 if it is unfinished."""
    flags = bytearray(shard.rows)
    for index, wanted in state.unfinished.items():
        row_range = state.ranges[index]
        first = index * range_rows
        flags[first : first + row_range.rows] = wanted if wanted is not None else b"\1" * row_range.rows
    return flags


def _drop_unknown(
    flags: bytearray, state: ShardState, storage: Storage, generation: GenerationLayout, without: Collection[str]
) -> None:
    """
    Clear the *flags* of rows that some attempt, not one *without*, called `OUTCOME_UNKNOWN`, or may have worked on.

    Workers may have: those of a rehearsal, or before the engine was changed.
    """
    shard = state.evidence.shard.index
    has_open = bool(set(state.evidence.attempts) - state.ended - set(without))
    for index in state.unfinished:
        found = in_doubt(storage, generation, shard, index, state, without=without, may_be_claimed=has_open)
        for ordinal in found:
            flags[state.ranges[index].first + ordinal] = 0


def _batches(ref: BucketRef, shard: ShardFile, path: Path, flags: bytearray) -> Iterator[RowBatch]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    first = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=_COLUMNS, use_threads=False):
            end = first + batch.num_rows
            left = pa.Array.from_buffers(pa.uint8(), batch.num_rows, [None, pa.py_buffer(flags[first:end])])
            named = pc.greater(pc.fill_null(pc.binary_length(batch.column("version_id")), 0), 0)
            wanted = pc.and_(pc.equal(left, 1), pc.equal(batch.column("bucket"), ref.bucket))
            wanted = pc.and_(wanted, pc.equal(named, ref.has_versions))
            numbers = pc.add(pc.indices_nonzero(wanted).cast(pa.int64()), first).to_pylist()
            if numbers:
                yield RowBatch(shard, numbers, batch.filter(wanted).select(["key", "version_id", "size"]))
            first = end
