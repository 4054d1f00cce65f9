"""What columns Parquet files have: read from their last kilobytes, before any of them is fetched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from airflow_s3batch.core.errors import InventoryError
from airflow_s3batch.engine.files.staging import staging_folder
from airflow_s3batch.manifests.sources.looks import look_at_all
from airflow_s3batch.manifests.sources.row_values import NO_TYPE
from airflow_s3batch.manifests.sql.duck import one_line, open_locked
from airflow_s3batch.manifests.sql.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from airflow_s3batch.engine.files.storage import Storage, StoredFile

TAIL_BYTES = 64 * 1024
_COLUMNS = "DESCRIBE SELECT * FROM read_parquet({}, binary_as_string = true, hive_partitioning = false)"
_MAGIC = b"PAR1"
_ENCRYPTED = b"PARE"
_END_BYTES = 8
"""The footer's length and the magic word, at the very end."""


def parquet_columns(storage: Storage, files: Sequence[StoredFile]) -> dict[str, str]:
    """
    Return the DuckDB type of each column of *files* (one at least) by name, in the order of the first file.

    Raises:
        InventoryError: one is not Parquet, or has other columns than the first.
    """
    footers = look_at_all(files, lambda file: _footer(storage, file))
    known: dict[bytes, dict[str, str]] = {}
    with staging_folder() as folder, open_locked(folder, memory_limit="256MB", threads=1) as connection:
        for file, footer in zip(files, footers, strict=True):
            if footer not in known:
                known[footer] = _columns(connection, file, footer, folder / "footer.parquet")
                _check_alike(files[0], known[footers[0]], file, known[footer])
    return known[footers[0]]


def _footer(storage: Storage, file: StoredFile) -> bytes:
    tail = _tail(storage, file, TAIL_BYTES)
    if tail[-4:] == _ENCRYPTED:
        raise InventoryError(f"{file.url}: an encrypted Parquet file; write it without Parquet's own encryption")
    if tail[-4:] != _MAGIC or file.size < 2 * _END_BYTES:
        raise InventoryError(
            f"{file.url}: not a Parquet file, or not whole: it does not end in PAR1; for CSV files use CsvManifest"
        )
    size = int.from_bytes(tail[-8:-4], "little") + _END_BYTES
    if size > file.size:
        raise InventoryError(f"{file.url}: not a whole Parquet file: its footer is longer than the file")
    return (tail if size <= len(tail) else _tail(storage, file, size))[-size:]


def _tail(storage: Storage, file: StoredFile, size: int) -> bytes:
    first = max(0, file.size - size)
    return storage.read_part(file.url, first, file.size - first)


def _columns(connection: duckdb.DuckDBPyConnection, file: StoredFile, footer: bytes, stub: Path) -> dict[str, str]:
    """Return the columns of *file* from a local file *stub* that holds nothing but its footer."""
    stub.write_bytes(_MAGIC + footer)
    query = _COLUMNS.format(quoted(str(stub)))
    try:
        found = {str(name): str(kind) for name, kind, *_ in connection.execute(query).fetchall()}
    except duckdb.Error as error:
        raise InventoryError(f"{file.url}: its Parquet footer can't be read: {one_line(error)}") from None
    if any(re.fullmatch(r".*_\d+", name) for name in found):  # so DuckDB calls the second of two that differ in case
        _check_case(file, pq.read_schema(stub).names)
    if "INTEGER" in found.values():  # which older versions of DuckDB also make of columns that have no type
        found |= {field.name: NO_TYPE for field in pq.read_schema(stub) if pa.types.is_null(field.type)}
    return found


def _check_case(file: StoredFile, names: Sequence[str]) -> None:
    twice = sorted(name for name in names if [other.lower() for other in names].count(name.lower()) > 1)
    if twice:
        raise InventoryError(f"{file.url}: columns {', '.join(twice)} differ in upper and lower case only; rename one")


def _check_alike(first: StoredFile, columns: Mapping[str, str], file: StoredFile, others: Mapping[str, str]) -> None:
    for name in {**columns, **others}:
        here, there = others.get(name, "missing"), columns.get(name, "missing")
        if here != there:
            raise InventoryError(
                f"{file.url}: column {name!r} is {here}, but in {first.url} it is {there}; write all files with the "
                "same columns, or make a job of each"
            )
