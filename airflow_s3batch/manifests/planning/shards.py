"""Cuts selected rows into shards: how many, how large, and the Parquet files themselves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

ROWS_PER_SHARD = 50_000
RANGES_PER_SHARD = 10
_DISTINCT_COLUMNS = frozenset({"key", "version_id", "size", "e_tag"})


def shard_sizes(rows: int, objects_per_shard: int | None, max_shards: int) -> list[int]:
    """
    Return the rows of each shard; they differ by at most one, and add up to *rows*.

    Without *objects_per_shard* shards have about 50,000 rows: an Airflow task costs a second or more of process start,
    parsing and scheduling, which 50,000 requests (half a minute to some minutes) make small. There are never more than
    *max_shards*; shards grow instead, because Airflow's scheduler slows down from a few hundred mapped instances on.
    """
    if not rows:
        return []
    wanted = -(-rows // (objects_per_shard or ROWS_PER_SHARD))
    number = min(wanted, max_shards)
    base, extra = divmod(rows, number)
    return [base + 1] * extra + [base] * (number - extra)


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
    """

    index: int
    path: Path
    rows: int
    bytes: int
    sha256: str


def write_shards(staged: Sequence[Path], sizes: Sequence[int], range_rows: int, folder: Path) -> Iterator[WrittenShard]:
    """
    Yield a Parquet file per entry of *sizes*, rows in the order of the *staged* files; each is deleted after use.

    A row group is a row range, so that a range can be read by itself. The files depend on the rows alone, not on how
    the staged files are laid out: the same rows give the same bytes.
    """
    if not sizes:
        return
    tables = _Rows(staged)
    for index, rows in enumerate(sizes):
        path = folder / f"shard-{index:05d}.parquet"
        size = 0
        with pq.ParquetWriter(
            path, tables.schema, compression="zstd", use_dictionary=_dictionary_columns(tables.schema)
        ) as writer:
            for first in range(0, rows, range_rows):
                table = tables.take(min(range_rows, rows - first))
                size += pc.sum(table["size"]).as_py() or 0
                writer.write_table(table, row_group_size=range_rows)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        yield WrittenShard(index, path, rows, size, digest)
        path.unlink()


class _Rows:
    """The rows of several Parquet files, one after the other, taken in pieces of any size."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.schema: pa.Schema = pq.read_schema(paths[0]).remove_metadata()
        self._batches = self._read(paths)
        self._rest: list[pa.RecordBatch] = []

    def _read(self, paths: Iterable[Path]) -> Iterator[pa.RecordBatch]:
        for path in paths:
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(batch_size=10_000)

    def take(self, rows: int) -> pa.Table:
        """Return the next *rows* rows as a table of one chunk."""
        while sum(batch.num_rows for batch in self._rest) < rows:
            self._rest.append(next(self._batches))
        table = pa.Table.from_batches(self._rest).cast(self.schema)
        self._rest = table.slice(rows).to_batches()
        return table.slice(0, rows).combine_chunks()


def _dictionary_columns(schema: pa.Schema) -> list[str]:
    return [name for name in schema.names if name not in _DISTINCT_COLUMNS]
