"""Rows on local disk that are looked at together, and which of them stay."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_s3batch.core.errors import InfrastructureError, ManifestError
from airflow_s3batch.manifests.planning.comparing.masks import Mask
from airflow_s3batch.manifests.planning.filtering.streaming import arrow_batches
from airflow_s3batch.manifests.sql.duck import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

_LEAST_FREE = 256 * 1024**2
_SELECT = "SELECT {} FROM {}"


class Room:
    """
    How much local disk rows may take.

    Attributes:
        left: bytes.
    """

    def __init__(self, limit: int) -> None:
        self.left = self._limit = limit

    def take(self, path: Path) -> None:
        """
        Count the file *path*.

        Raises:
            ManifestError: there is no room for it.
            InfrastructureError: the disk is nearly full.
        """
        self.left -= path.stat().st_size
        if self.left < 0:
            raise ManifestError(
                f"{path.parent}: the rows that are compared take more local disk than the {self._limit / 1e9:,.3f} GB "
                "that staging_limit leaves them; raise staging_limit, or select fewer rows or columns"
            )
        if shutil.disk_usage(path.parent).free < _LEAST_FREE:
            raise InfrastructureError(f"{path.parent}: its disk is nearly full; set staging_dir to a larger one")

    def give_back(self, path: Path) -> None:
        """Delete the file *path*."""
        self.left += path.stat().st_size
        path.unlink()


class _File(NamedTuple):
    path: Path
    first: int
    rows: int


class Candidates:
    """
    Rows, numbered from 0 in the order in which they were added.

    Attributes:
        rows: how many.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path, room: Room) -> None:
        """The files lie in *folder*, which is made, and which *connection* can read and write."""
        self.rows = 0
        self._connection = connection
        self._folder = folder
        self._room = room
        self._files: list[_File] = []
        folder.mkdir()

    def add(self, query: str) -> int:
        """Keep what the SELECT *query* gives, in its order; return how many rows that is."""
        path = self._folder / f"rows-{len(self._files):06d}.parquet"
        row = self._connection.execute(f"COPY ({query}) TO {quoted(str(path))} (FORMAT parquet)").fetchone()
        self._room.take(path)
        rows = int(row[0]) if row else 0
        self._files.append(_File(path, self.rows, rows))
        self.rows += rows
        return rows

    @property
    def source(self) -> str:
        """All rows as SQL reads them; there must be some."""
        return f"read_parquet([{', '.join(quoted(str(file.path)) for file in self._files)}], hive_partitioning = false)"

    def where(self, query: str) -> Mask:
        """Return the mask of the rows whose numbers *query* gives."""
        return Mask.of(self.rows, arrow_batches(self._connection, query))

    def numbered(self, columns: str, mask: Mask) -> str:
        """Return the SELECT of *columns* (SQL) and the number ``n`` of the rows in *mask*, of which there are some."""
        return " UNION ALL ".join(self._parts(columns + ", staged.file_row_number + {} AS n", mask))

    def kept(self, columns: str, mask: Mask) -> Iterator[str]:
        """Yield SELECTs that, one after the other, give *columns* (SQL) of the rows in *mask*, in their order."""
        return self._parts(columns, mask)

    def _parts(self, columns: str, mask: Mask) -> Iterator[str]:
        for file in self._files:
            stays = mask.part(file.first, file.first + file.rows)
            rows = (
                f"read_parquet({quoted(str(file.path))}, file_row_number = true, hive_partitioning = false) AS staged"
            )
            if stays.all():
                yield _SELECT.format(columns.format(file.first), rows)
                continue
            # A semi join by number would not keep the order.
            path = file.path.with_suffix(".mask")
            pq.write_table(pa.table({"stays": stays}), path)
            masked = f"read_parquet({quoted(str(path))}, hive_partitioning = false)"
            joined = f"{rows} POSITIONAL JOIN {masked} AS mask WHERE mask.stays"
            yield _SELECT.format(columns.format(file.first), joined)

    def delete(self) -> None:
        """Delete the files."""
        for file in self._files:
            self._room.give_back(file.path)
        shutil.rmtree(self._folder)
