"""Files of staged rows: Arrow's file format in small batches, so that many readers cost little memory each."""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

BATCH_ROWS = 4_096
BATCH_BYTES = 1024**2
_READ = pa.ipc.IpcReadOptions(use_threads=False)  # a batch is too small for threads to be worth their switching


class StagedFile(NamedTuple):
    """A local file of rows; *ends* are the rows up to the end of each of its batches."""

    path: Path
    ends: tuple[int, ...]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.ends[-1] if self.ends else 0


class StageWriter(contextlib.AbstractContextManager["StageWriter"]):
    """Writes a `StagedFile`. Compressed (LZ4) it has about half the size, and costs twice the time."""

    def __init__(self, path: Path, schema: pa.Schema, *, is_compressed: bool = True) -> None:
        options = pa.ipc.IpcWriteOptions(compression="lz4" if is_compressed else None, use_threads=False)
        self._path = path
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, schema, options=options)
        self._ends: list[int] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Add the rows of *batch*, in pieces of at most `BATCH_ROWS` rows and about `BATCH_BYTES`."""
        pieces = max(-(-batch.num_rows // BATCH_ROWS), -(-batch.nbytes // BATCH_BYTES))
        cuts = [batch.num_rows * piece // pieces for piece in range(pieces + 1)] if pieces else []
        for first, end in pairwise(cuts):
            if end > first:
                self._writer.write_batch(batch.slice(first, end - first))
                self._ends.append(end - first + (self._ends[-1] if self._ends else 0))

    @property
    def bytes(self) -> int:
        """Size of the file so far."""
        return int(self._sink.tell())

    @property
    def file(self) -> StagedFile:
        """What was written; complete once the writer is closed."""
        return StagedFile(self._path, tuple(self._ends))

    def __exit__(self, *_: object) -> None:
        """Finish the file."""
        self._writer.close()
        self._sink.close()


class RowReader(contextlib.AbstractContextManager["RowReader"]):
    """
    Rows ``first .. end - 1`` of several files, one after the other, taken in pieces of any size.

    Holds one batch in memory, and one file open.
    """

    def __init__(self, files: Sequence[StagedFile], first: int, end: int) -> None:
        """*first* and *end* count through all *files*."""
        self.left = end - first
        self._batches = _read(files, first)
        self._batch: pa.RecordBatch | None = None
        self._taken = 0

    def take(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the next *rows* rows, fewer at the end."""
        rows = min(rows, self.left)
        self.left -= rows
        while rows:
            if self._batch is None or self._taken == self._batch.num_rows:
                self._batch, self._taken = next(self._batches), 0
            piece = self._batch.slice(self._taken, rows)
            self._taken += piece.num_rows
            rows -= piece.num_rows
            yield piece

    def __exit__(self, *_: object) -> None:
        """Close the file that is open."""
        self._batches.close()


def schema_of(file: StagedFile) -> pa.Schema:
    """Return the columns of *file*."""
    with pa.OSFile(str(file.path)) as stream, pa.ipc.open_file(stream) as reader:
        return reader.schema


def _read(files: Sequence[StagedFile], skip: int) -> Generator[pa.RecordBatch, None, None]:
    for file in files:
        if skip >= file.rows:
            skip -= file.rows
            continue
        number = bisect_right(file.ends, skip)
        skip -= file.ends[number - 1] if number else 0
        with pa.OSFile(str(file.path)) as stream, pa.ipc.open_file(stream, options=_READ) as reader:
            for index in range(number, reader.num_record_batches):
                yield reader.get_batch(index).slice(skip)
                skip = 0
