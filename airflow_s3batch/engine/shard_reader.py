"""Reads a shard's Parquet file as objects to work on, a small batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from airflow_s3batch.core.manifest import FIXED_COLUMNS
from airflow_s3batch.core.objects import NO_COLUMNS, S3Object

_BATCH_ROWS = 2_000


class ShardReader:
    """
    The objects of one shard file, in row order.

    Memory is bounded by one batch of rows and what Parquet needs to decode a row group's pages.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], range_rows: int) -> None:
        """*columns* are the extra ones; row ranges have *range_rows* rows each."""
        self._path = path
        self._columns = columns
        self._range_rows = range_rows

    def first(self) -> S3Object | None:
        """Return the first object, ``None`` if the shard is empty."""
        return next((obj for _, obj in self.rows({0: None})), None)

    def rows(self, wanted: Mapping[int, frozenset[int] | None]) -> Iterator[tuple[int, S3Object]]:
        """
        Yield ``(row number, object)`` for the *wanted* rows: by range index the ordinals, ``None`` for all.

        Row groups that hold none of them are not read.
        """
        with pq.ParquetFile(self._path) as file:
            offset = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if any(index in wanted for index in self._ranges(offset, rows)):
                    for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group]):
                        yield from self._wanted(offset, batch, wanted)
                        offset += batch.num_rows
                else:
                    offset += rows

    def _ranges(self, first: int, rows: int) -> range:
        return range(first // self._range_rows, (first + rows - 1) // self._range_rows + 1)

    def _wanted(
        self, offset: int, batch: Any, wanted: Mapping[int, frozenset[int] | None]
    ) -> Iterator[tuple[int, S3Object]]:
        ranges = [index for index in self._ranges(offset, batch.num_rows) if index in wanted]
        if not ranges:
            return
        numbered = enumerate(self._objects(batch), start=offset)
        if len(ranges) == len(self._ranges(offset, batch.num_rows)) and all(wanted[index] is None for index in ranges):
            yield from numbered
            return
        for number, obj in numbered:
            index, ordinal = divmod(number, self._range_rows)
            ordinals = wanted.get(index, frozenset())
            if ordinals is None or ordinal in ordinals:
                yield number, obj

    def _objects(self, batch: Any) -> Iterator[S3Object]:
        fixed = [batch.column(name).to_pylist() for name in FIXED_COLUMNS]
        if not self._columns:
            yield from map(S3Object, *fixed, [NO_COLUMNS] * batch.num_rows)
            return
        extras = zip(*(batch.column(name).to_pylist() for name in self._columns), strict=True)
        dicts = (dict(zip(self._columns, values, strict=True)) for values in extras)
        yield from map(S3Object, *fixed, dicts)
