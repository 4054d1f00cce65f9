"""Reads a shard's Parquet file as objects to work on, a small batch at a time."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from airflow_s3batch.core.manifest import FIXED_COLUMNS
from airflow_s3batch.core.objects import NO_COLUMNS, S3Object
from airflow_s3batch.engine.wire.exchange import Work

_BATCH_ROWS = 2_000
# a named tuple's own constructor takes twice the time, and there are two for each object
_OBJECT = functools.partial(tuple.__new__, S3Object)
_WORK = functools.partial(tuple.__new__, Work)


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
        return next((work.obj for _, rows in self.rows({0: None}) for work in rows), None)

    def rows(self, wanted: Mapping[int, bytes | None]) -> Iterator[tuple[int, Iterator[Work]]]:
        """
        Yield ``(range index, rows)`` for the *wanted* rows, ascending.

        *wanted* has for each range a byte per row, 1 where it is wanted, or ``None`` for all its rows. A range comes
        in several pieces. Row groups that hold no wanted row are not read. Rows are made as they are taken: Python's
        garbage collector would go through those that wait, again and again.
        """
        with pq.ParquetFile(self._path) as file:
            offset = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if any(index in wanted for index, _, _ in self._pieces(offset, rows)):
                    # decoding by several threads takes 30 MB more and a quarter more CPU, for columns as small as these
                    for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], use_threads=False):
                        yield from self._wanted(offset, batch, wanted)
                        offset += batch.num_rows
                else:
                    offset += rows

    def _pieces(self, first: int, rows: int) -> Iterator[tuple[int, int, int]]:
        """Yield ``(range index, first row, end)`` of what rows *first* … have of each range."""
        end = first + rows
        while first < end:
            index = first // self._range_rows
            stop = min(end, (index + 1) * self._range_rows)
            yield index, first, stop
            first = stop

    def _wanted(
        self, offset: int, batch: Any, wanted: Mapping[int, bytes | None]
    ) -> Iterator[tuple[int, Iterator[Work]]]:
        for index, first, stop in self._pieces(offset, batch.num_rows):
            if index not in wanted:
                continue
            flags = wanted[index]
            base = index * self._range_rows
            chosen = flags[first - base : stop - base] if flags is not None else None
            if chosen is not None and not any(chosen):
                continue
            objects = self._objects(batch.slice(first - offset, stop - first))
            works: Iterator[Work] = map(_WORK, zip(range(first, stop), objects, strict=True))
            yield index, works if chosen is None else itertools.compress(works, chosen)

    def _objects(self, batch: Any) -> Iterator[S3Object]:
        fixed = [batch.column(name).to_pylist() for name in FIXED_COLUMNS]
        if not self._columns:
            return map(_OBJECT, zip(*fixed, [NO_COLUMNS] * batch.num_rows, strict=True))
        extras = zip(*(batch.column(name).to_pylist() for name in self._columns), strict=True)
        dicts = (dict(zip(self._columns, values, strict=True)) for values in extras)
        return map(_OBJECT, zip(*fixed, dicts, strict=True))
