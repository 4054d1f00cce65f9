"""Cuts selected rows into shards: how many, how large, and the Parquet files themselves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_s3batch.core.size_classes import SizeClasses
from airflow_s3batch.manifests.planning.counting.size_count import SizeCount
from airflow_s3batch.manifests.planning.cutting.spread import dealt, turn_rows_for
from airflow_s3batch.manifests.planning.cutting.stage_files import StagedFile, schema_of
from airflow_s3batch.manifests.planning.selection import SLOTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ROWS_PER_SHARD = 150_000
LEAST_ROWS_PER_SHARD = 50_000
ROUNDS = 6
"""How many shards per slot there are before shards grow: so much of the work can move away from a slow worker."""

RANGES_PER_SHARD = 10
_DISTINCT_COLUMNS = frozenset({"key", "version_id", "size", "e_tag"})


def shard_sizes(rows: int, objects_per_shard: int | None, max_shards: int, slots: int = SLOTS) -> list[int]:
    """
    Return the rows of each shard; they differ by at most one, and add up to *rows*.

    Without *objects_per_shard* shards have up to 150,000 rows, the work of a minute for tagging (128 requests in
    flight, which take 50 ms each, are 2,560 a second) and of several for copies: long against what a task costs
    Airflow. There are as many for each of the *slots* that run at a time, so that all are busy also at the end: one
    from 50,000 rows each on, up to `ROUNDS`, so that the work of a slow slot moves to the others, then as many as keep
    shards below 150,000 rows. There are never more than *max_shards*; shards grow instead, because each costs the
    scheduler, and Airflow maps no more than ``[core] max_map_length`` (1,024). docs/scale-out.md has the figures.
    """
    if not rows:
        return []
    wanted = -(-rows // objects_per_shard) if objects_per_shard else _shards_for(rows, max_shards, slots)
    number = min(wanted, max_shards)
    base, extra = divmod(rows, number)
    return [base + 1] * extra + [base] * (number - extra)


def _shards_for(rows: int, most: int, slots: int) -> int:
    if rows <= slots * LEAST_ROWS_PER_SHARD:
        return -(-rows // LEAST_ROWS_PER_SHARD)
    rounds = max(min(ROUNDS, rows // (slots * LEAST_ROWS_PER_SHARD)), -(-rows // (slots * ROWS_PER_SHARD)))
    return slots * min(rounds, max(1, most // slots))


def range_rows_for(sizes: Sequence[int]) -> int:
    """Return the rows that are committed at once: about 10 ranges a shard, within 250 and 10,000 rows each."""
    return min(10_000, max(250, max(sizes, default=0) // RANGES_PER_SHARD))


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """
    One shard on local disk.

    Attributes:
        bytes: sum of the objects' sizes, as far as known.
        sha256: of the file, hex.
        sizes: objects and bytes by size class, those of unknown size left out.
    """

    index: int
    path: Path
    rows: int
    bytes: int
    sha256: str
    sizes: SizeClasses = ()


def write_shards(
    files: Sequence[StagedFile], sizes: Sequence[int], range_rows: int, folder: Path
) -> Iterator[WrittenShard]:
    """
    Yield a Parquet file per entry of *sizes*, rows of *files* in the order of `dealt`; each is deleted after use.

    A row group is a row range, so that a range can be read by itself. The shards depend on the rows alone, not on how
    the staged files are laid out: the same rows give the same bytes.
    """
    if not sizes:
        return
    rows_left = _Rows(files, range_rows)
    for index, rows in enumerate(sizes):
        path = folder / f"shard-{index:05d}.parquet"
        size, counted = 0, SizeCount()
        with pq.ParquetWriter(
            path, rows_left.schema, compression="zstd", use_dictionary=_dictionary_columns(rows_left.schema)
        ) as writer:
            for first in range(0, rows, range_rows):
                table = rows_left.take(min(range_rows, rows - first))
                size += pc.sum(table["size"]).as_py() or 0
                counted.add(table["size"])
                writer.write_table(table, row_group_size=range_rows)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        yield WrittenShard(index, path, rows, size, digest, counted.classes())
        path.unlink()


class _Rows:
    """The rows of staged files as they are dealt, taken in pieces of any size."""

    def __init__(self, files: Sequence[StagedFile], range_rows: int) -> None:
        self.schema = schema_of(files[0])
        self._pieces = dealt(files, turn_rows_for(range_rows))
        self._rest: list[pa.RecordBatch] = []

    def take(self, rows: int) -> pa.Table:
        """Return the next *rows* rows as a table of one chunk."""
        pieces, self._rest = self._rest, []
        missing = rows - sum(piece.num_rows for piece in pieces)
        while missing > 0:
            pieces.append(next(self._pieces))
            missing -= pieces[-1].num_rows
        if missing < 0:
            last = pieces.pop()
            pieces.append(last.slice(0, last.num_rows + missing))
            self._rest = [last.slice(last.num_rows + missing)]
        return pa.Table.from_batches(pieces, self.schema).combine_chunks()


def _dictionary_columns(schema: pa.Schema) -> list[str]:
    return [name for name in schema.names if name not in _DISTINCT_COLUMNS]
