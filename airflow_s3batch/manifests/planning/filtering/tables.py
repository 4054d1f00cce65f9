"""Tables of the user's own that ``sql=`` joins with: Parquet or CSV files, pinned and brought to local disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.columns import InventoryColumn
from airflow_s3batch.manifests.planning.filtering.fetch import fetch_batches
from airflow_s3batch.manifests.sources.dataset import DataFile, Dataset
from airflow_s3batch.manifests.sources.file_list import files_at
from airflow_s3batch.manifests.sql.duck import identifier, quoted, sentences

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.manifests.planning.comparing.candidates import Room

_CSV_ENDINGS = (".csv", ".csv.gz")


def pinned_table(storage: Storage, name: str, url: str) -> dict[str, Any]:
    """
    Return what pins the files at *url*, a file or a folder, that ``sql=`` reads as table *name*.

    Raises:
        InventoryError: nothing is there.
        ManifestError: CSV and Parquet files are mixed.
    """
    files = files_at(storage, [url], what=f"tables: {name}")
    endings = {file.url.key.lower().endswith(_CSV_ENDINGS) for file in files}
    if len(endings) > 1:
        raise ManifestError(
            f"tables: {name!r}: {url} holds CSV files and others; keep each table in a folder of its own"
        )
    return {
        "url": url,
        "format": "CSV" if endings.pop() else "Parquet",
        "files": [[file.url.key, file.size, file.e_tag] for file in files],
    }


def table_views(
    connection: duckdb.DuckDBPyConnection, storage: Storage, pinned: Mapping[str, Any], folder: Path, room: Room
) -> dict[str, tuple[InventoryColumn, ...]]:
    """
    Fetch the *pinned* tables to the local *folder* and make a view of each; return their columns.

    All columns of CSV files are texts, named by the first line.

    Raises:
        InventoryError: a file is gone or another one.
        ManifestError: a file can't be read, or takes more local disk than allowed.
    """
    return {name: _view(connection, storage, name, table, folder, room) for name, table in pinned.items()}


def _view(
    connection: duckdb.DuckDBPyConnection,
    storage: Storage,
    name: str,
    table: Mapping[str, Any],
    folder: Path,
    room: Room,
) -> tuple[InventoryColumn, ...]:
    place = folder / f"table-{name}"
    place.mkdir()
    paths = _fetched(storage, table, place, room)
    listed = ", ".join(quoted(str(path)) for path in paths)
    how = "header = true, all_varchar = true" if table["format"] == "CSV" else "binary_as_string = true"
    read = "read_csv" if table["format"] == "CSV" else "read_parquet"
    with sentences(f"tables: {name!r}: {table['url']} can't be read"):
        connection.execute(f"CREATE TEMP VIEW {identifier(name)} AS FROM {read}([{listed}], {how})")
        described = connection.execute(f"DESCRIBE FROM {identifier(name)}").fetchall()
    return tuple(InventoryColumn(str(row[0]), str(row[1])) for row in described)


def _fetched(storage: Storage, table: Mapping[str, Any], place: Path, room: Room) -> list[Path]:
    url = S3Url.parse(table["url"])
    files = tuple(DataFile(key, size, e_tag=e_tag) for key, size, e_tag in table["files"])
    dataset = Dataset(url, "", None, "", url.bucket, table["format"], (), files)
    paths: list[Path] = []
    for batch in fetch_batches(storage, dataset, place):
        for path, file in batch.items():
            ending = ".parquet" if table["format"] == "Parquet" else ".csv.gz" if file.key.endswith("gz") else ".csv"
            kept = path.rename(place / f"table-{len(paths):06d}{ending}")
            room.take(kept)
            paths.append(kept)
    return paths
