"""Brings the rows that match ``where=`` to local disk, for selections that then look at several of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.manifest import FIXED_COLUMNS
from airflow_s3batch.manifests.columns import TYPES
from airflow_s3batch.manifests.planning.comparing.candidates import Candidates, Room
from airflow_s3batch.manifests.planning.filtering.binding import bound_for
from airflow_s3batch.manifests.planning.filtering.faults import in_inventory_words
from airflow_s3batch.manifests.planning.filtering.fetch import fetch_batches
from airflow_s3batch.manifests.planning.filtering.scan import inventory_query, manifest_columns, readable, rows_in
from airflow_s3batch.manifests.sql.duck import identifier
from airflow_s3batch.manifests.sql.sqltree import in_parentheses

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import duckdb

    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.dataset import Dataset, Place

WANTED = '"is wanted"'
"""Whether a row matches ``where=``; no column that a user names can hold a space."""
DATE = '"date of version"'
_IDENTITY = ("bucket", "key", "version_id", "is_latest")
_SELECT = "SELECT {} FROM {} WHERE {}"


@dataclass(frozen=True, slots=True)
class Bench:
    """
    Where rows are put side by side.

    Attributes:
        folder: local, which *connection* reads and writes.
        room: bytes that rows may take in it.
        batch_bytes: of data files that are fetched at once; two such batches may be in *folder* beside the rows.
    """

    connection: duckdb.DuckDBPyConnection
    place: Place
    folder: Path
    room: Room
    batch_bytes: int

    def candidates(self, name: str) -> Candidates:
        """Return a set of rows, empty at first, whose files lie in a folder of that *name*."""
        return Candidates(self.connection, self.folder / name, self.room)

    def add_all(
        self, datasets: Sequence[Dataset], rows: Candidates, query: Callable[[int, list[Path]], str]
    ) -> int | None:
        """
        Add to *rows* what *query* (of a dataset's index and local files) gives; return how many rows were looked at.

        That is ``None`` where only another pass would tell (CSV).

        Raises:
            InventoryError: a data file is gone or damaged.
            ManifestError: rows can't be read or filtered, or take more disk than there is room.
        """
        read: int | None = 0
        for index, dataset in enumerate(datasets):
            for batch in fetch_batches(self.place.storage, dataset, self.folder, batch_bytes=self.batch_bytes):
                with in_inventory_words(dataset, batch):
                    for paths in readable(dataset, list(batch)):
                        rows.add(query(index, paths))
                        read = None if read is None or dataset.file_format == "CSV" else read + rows_in(paths)
        return read


def stage_matching(
    bench: Bench,
    datasets: Sequence[Dataset],
    selection: Selection,
    asked: Sequence[str],
    rows: Candidates,
    *,
    compare: Sequence[str],
    is_earlier: bool = False,
) -> int | None:
    """
    Add to *rows* those of *datasets* that match *asked*, the condition for each, parameters bound.

    They have the columns of the manifest, those to *compare* by the name that `compared` gives, and with
    ``keep_versions`` `WANTED` and `DATE`: then those that don't match are there, too, for they count. Of *is_earlier*
    rows only what identifies and compares them is kept.

    Raises:
        S3BatchError: as `Bench.add_all`.
    """
    bound = [
        replace(bound_for(bench.connection, selection, dataset), where=where)
        for dataset, where in zip(datasets, asked, strict=True)
    ]

    def query(index: int, paths: list[Path]) -> str:
        return _query(datasets[index], bound[index], paths, compare, is_earlier=is_earlier)

    return bench.add_all(datasets, rows, query)


def compared(name: str) -> str:
    """Return the column of staged rows that holds column *name* of the source, as SQL."""
    return identifier(name if name in FIXED_COLUMNS else f"compared {name}")


def check_versions(datasets: Sequence[Dataset]) -> None:
    """
    Check that *datasets* tell the age of versions.

    Raises:
        ManifestError: one does not.
    """
    for dataset in datasets:
        names = {column.name for column in dataset.schema}
        lacking = [name for name in ("version_id", "is_latest", "last_modified_date") if name not in names]
        if lacking:
            raise ManifestError(
                f"keep_versions: {dataset.url} has no column {' and no '.join(lacking)}, so nobody can tell which "
                "versions are the newest; use an inventory of all versions with the field LastModifiedDate"
            )


def _query(
    dataset: Dataset, selection: Selection, paths: Sequence[Path], compare: Sequence[str], *, is_earlier: bool
) -> str:
    rows = f"({inventory_query(dataset, paths)}) AS inventory"
    markers = "TRUE" if selection.include_delete_markers else "NOT is_delete_marker"
    where = in_parentheses(selection.where)
    counts_all = selection.keep_versions is not None
    outputs = _outputs(dataset, selection, compare, is_earlier=is_earlier)
    if not counts_all:
        return _SELECT.format(", ".join(outputs.values()), rows, f"{where} AND {markers}")
    flagged = f"(SELECT *, coalesce({where}, FALSE) AS {WANTED} FROM {rows} WHERE {markers}) AS inventory"
    needed = [
        sql
        if name in _IDENTITY and name != "key"
        else f"CASE WHEN {WANTED} THEN ({sql.rpartition(' AS ')[0]})"
        f"{' ELSE key' if name == 'key' else ''} END AS {identifier(name)}"
        for name, sql in outputs.items()
    ]
    return _SELECT.format(", ".join([*needed, WANTED, f"last_modified_date AS {DATE}"]), flagged, "TRUE")


def _outputs(dataset: Dataset, selection: Selection, compare: Sequence[str], *, is_earlier: bool) -> dict[str, str]:
    """Return the columns of staged rows, ``… AS name``, by name."""
    own = manifest_columns(dataset, replace(selection, columns={}) if is_earlier else selection)
    names = [*FIXED_COLUMNS, *(() if is_earlier else selection.columns)]
    outputs = dict(zip(names, own, strict=True))
    if is_earlier:
        outputs = {name: sql for name, sql in outputs.items() if name in _IDENTITY or name in compare}
    for name in compare:
        if name not in FIXED_COLUMNS:
            value = identifier(name) if name in TYPES else f"CAST({identifier(name)} AS VARCHAR)"
            outputs[f"compared {name}"] = f"{value} AS {compared(name)}"
    return outputs
