"""Selected rows on local disk: what every way to select gives, and what guards and shards take."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.errors import InfrastructureError, ManifestError, SelectionError
from airflow_s3batch.core.manifest import FIXED_COLUMNS
from airflow_s3batch.manifests.planning.counting.tally import Tally
from airflow_s3batch.manifests.planning.cutting.stage_files import StagedFile, StageWriter
from airflow_s3batch.manifests.planning.filtering.binding import bound_for
from airflow_s3batch.manifests.planning.filtering.faults import in_inventory_words
from airflow_s3batch.manifests.planning.filtering.fetch import batch_bytes_for, fetch_batches, room_for_rows
from airflow_s3batch.manifests.planning.filtering.scan import readable, rows_in, selection_query
from airflow_s3batch.manifests.planning.filtering.streaming import arrow_reader, batches_of, duckdb_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import duckdb
    import pyarrow as pa

    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.manifests.planning.guards import Guards
    from airflow_s3batch.manifests.planning.pin import Job
    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.dataset import Dataset, Place

STAGING_LIMIT = 20 * 10**9
"""Bytes of data files and selected rows on local disk at most, unless told otherwise."""

_FILE_BYTES = 256 * 1024**2
_LEAST_FREE = 256 * 1024**2


class Staged(NamedTuple):
    """
    Selected rows, staged.

    Attributes:
        files: the rows, in their order.
        columns: names of the extra columns, in file order.
        rows: how many.
        bytes: sum of the objects' sizes, as far as known.
        read: rows that were looked at; ``None`` where only another pass would tell (CSV).
        buckets: the rows by bucket.
        strays: rows outside the guards' allowed buckets and prefixes.
        stray: URL of the first of them; empty if there is none.
        unsized: rows whose size is unknown.
        storage_classes: rows and bytes by storage class.
    """

    files: tuple[StagedFile, ...]
    columns: tuple[str, ...]
    rows: int
    bytes: int
    read: int | None
    buckets: Mapping[str, int]
    strays: int
    stray: str
    unsized: int = 0
    storage_classes: Mapping[str, tuple[int, int]] = {}


class Stage:
    """
    Takes the rows that queries give, counts them, and keeps them in files of a folder.

    Usage: ``stage = Stage(folder, selection.guards, most_bytes=…)``, ``stage.add(connection, query)`` once or several
    times, ``stage.staged(read=…)``. The rows keep the order of the queries. Memory does not grow with them. They are
    compressed once they take a quarter of the disk that they may take.
    """

    def __init__(self, folder: Path, guards: Guards, *, most_bytes: int, jobs: S3Url | None = None) -> None:
        """
        The files take at most *most_bytes* in *folder*; *guards* say which rows are strays.

        What lies below *jobs*, the folder of all jobs, is refused: it is what jobs are resumed from, and reports.
        """
        self._folder = folder
        self._most_bytes = most_bytes
        self._files: list[StagedFile] = []
        self._schema: pa.Schema | None = None
        self._file_bytes = 0
        self._jobs = jobs
        self._tally = Tally(guards, jobs)

    def add(self, connection: duckdb.DuckDBPyConnection, query: str) -> int:
        """
        Stage the rows of the SELECT *query*, which gives the columns of a shard file; return how many they are.

        Raises:
            duckdb.Error: the query failed.
            ManifestError: the rows take more disk than allowed, or their columns differ from those before.
            InfrastructureError: the disk is nearly full.
        """
        with duckdb_errors():
            reader = arrow_reader(connection, query)
            schema = self._checked(reader.schema)
        before, batches = self.rows, batches_of(reader)
        while self._write_file(schema, batches):
            pass
        return self.rows - before

    def _write_file(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> bool:
        """Write a file of *batches*, up to `_FILE_BYTES`; return whether there may be more of them."""
        path = self._folder / f"selected-{len(self._files):06d}.arrow"
        is_full = False
        with StageWriter(path, schema, is_compressed=self._file_bytes > self._most_bytes // 4) as writer:
            for batch in batches:
                self._tally.add(batch)
                writer.write(batch)
                self._check_room(writer.bytes)
                if is_full := writer.bytes > _FILE_BYTES:
                    break
        self._file_bytes += path.stat().st_size
        self._files.append(writer.file)
        return is_full

    @property
    def rows(self) -> int:
        """Rows so far."""
        return sum(file.rows for file in self._files)

    def staged(self, *, read: int | None) -> Staged:
        """
        Return all of it; *read* is for `Staged`.

        Raises:
            SelectionError: files of jobs are among the rows.
        """
        if self._tally.own:
            raise SelectionError(
                f"{self._tally.own:,} of the selected objects are files of jobs, below {self._jobs}/: what jobs are "
                "resumed from, and reports; nothing was done to them. Leave them out "
                f"(AND NOT starts_with(key, '{self._jobs.key if self._jobs else ''}/')), or keep them in another bucket"
            )
        names = self._schema.names if self._schema else FIXED_COLUMNS
        return Staged(
            tuple(self._files),
            tuple(names[len(FIXED_COLUMNS) :]),
            self.rows,
            self._tally.bytes,
            read,
            dict(self._tally.buckets),
            self._tally.strays,
            self._tally.stray,
            self._tally.unsized,
            self._tally.classes.totals(),
        )

    def _checked(self, schema: pa.Schema) -> pa.Schema:
        """Return *schema*, which must be that of the queries before."""
        schema = schema.remove_metadata()
        if self._schema is None:
            self._schema = schema
        elif schema != self._schema:
            differ = [
                f"{ours.name!r} is {ours.type} and {theirs.type}"
                for ours, theirs in zip(self._schema, schema, strict=False)
                if ours != theirs
            ]
            raise ManifestError(f"the columns differ from source to source: {', '.join(differ)}; cast them")
        return schema

    def _check_room(self, file_bytes: int) -> None:
        taken = self._file_bytes + file_bytes
        if taken > self._most_bytes:
            raise ManifestError(
                f"the selected rows don't fit on local disk: {sum(self._tally.buckets.values()):,} of them take "
                f"{_gb(taken)}, and staging_limit leaves them {_gb(self._most_bytes)} in {self._folder}. "
                "Raise staging_limit if the disk has more room (staging_dir= names another one), select fewer rows, or "
                "plan in groups of data files"
            )
        free = shutil.disk_usage(self._folder).free
        if free < _LEAST_FREE:
            raise InfrastructureError(
                f"{self._folder}: its disk is nearly full ({_gb(free)} free) after {_gb(taken)} of selected rows; "
                "set staging_dir to a larger one, or select fewer rows"
            )


def _gb(size: int) -> str:
    return f"{size / 1e9:,.3f} GB"


def stage_rows(
    connection: duckdb.DuckDBPyConnection,
    place: Place,
    datasets: Sequence[Dataset],
    selection: Selection,
    folder: Path,
    *,
    job: Job | None = None,  # noqa: ARG001 - what `stage_sets` needs
    staging_limit: int = STAGING_LIMIT,
    batch_bytes: int | None = None,
) -> Staged:
    """
    Stage the rows of *datasets* that *selection* wants, looking at each row by itself.

    Data files are fetched to *folder* in batches of *batch_bytes* (by default a tenth of *staging_limit*, at most 2 GB)
    and deleted once they are read; one batch is read while the next one is fetched. They and the rows take at most
    *staging_limit* bytes.

    Raises:
        InventoryError: a data file is gone or damaged.
        ManifestError: rows can't be read or filtered, or take more disk than *staging_limit*.
        InfrastructureError: the disk is nearly full.
    """
    batch_bytes = batch_bytes or batch_bytes_for(staging_limit)
    room = room_for_rows(datasets, batch_bytes, staging_limit)
    stage = Stage(folder, selection.guards, most_bytes=room, jobs=place.layout.jobs)
    read: int | None = 0
    for dataset in datasets:
        wanted = bound_for(connection, selection, dataset)
        for batch in fetch_batches(place.storage, dataset, folder, batch_bytes=batch_bytes):
            with in_inventory_words(dataset, batch):
                for paths in readable(dataset, list(batch)):
                    stage.add(connection, selection_query(dataset, wanted, paths))
                    read = None if read is None or dataset.file_format == "CSV" else read + rows_in(paths)
    return stage.staged(read=read)
