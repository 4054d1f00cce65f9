"""Reads data files of any format as one table, and writes the rows that a selection wants to staged Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.manifest import FIXED_COLUMNS
from airflow_s3batch.manifests.columns import SUPPLIED, TYPES, InventoryColumn
from airflow_s3batch.manifests.sql.duck import identifier, quoted
from airflow_s3batch.manifests.sql.sqltree import in_parentheses

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    import duckdb

    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.delivery import Delivery

_STAGED_GROUP_ROWS = 40_960
_SELECT = "SELECT {} FROM {}"


class Scanned(NamedTuple):
    """
    What one batch of data files gave.

    Attributes:
        path: staged Parquet file with the selected rows, in the order of the data files.
        rows: how many they are.
        read: rows in the data files; ``None`` where only another pass would tell (CSV).
    """

    path: Path
    rows: int
    read: int | None


def sql_columns(delivery: Delivery) -> tuple[InventoryColumn, ...]:
    """Return the columns that SQL sees: the inventory's own, and those supplied to inventories of current versions."""
    return delivery.schema + tuple(InventoryColumn(name, TYPES[name]) for name in _supplied(delivery))


def check_delete_markers(delivery: Delivery, selection: Selection) -> None:
    """
    Check that *delivery* tells delete markers from objects, if *selection* does not want them.

    Raises:
        ManifestError: it does not.
    """
    names = {column.name for column in sql_columns(delivery)}
    if selection.include_delete_markers or "is_delete_marker" in names:
        return
    by_size = ' (where="size IS NOT NULL": they have no size)' if "size" in names else ""
    raise ManifestError(
        f"{delivery.url}: it lists all versions but has no column 'is_delete_marker', so delete markers can't be left "
        f"out. Pass include_delete_markers=True if there are none, or if the filter leaves them out{by_size}"
    )


def scan(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, selection: Selection, paths: Sequence[Path], staged: Path
) -> Scanned:
    """Write the rows of the data files *paths* that *selection* wants to *staged*, in the connection's folder."""
    readable = [_orc_to_parquet(path) for path in paths] if delivery.file_format == "ORC" else list(paths)
    query = selection_query(delivery, selection, readable)
    row = connection.execute(
        f"COPY ({query}) TO {quoted(str(staged))} (FORMAT parquet, ROW_GROUP_SIZE {_STAGED_GROUP_ROWS})"
    ).fetchone()
    read = None
    if delivery.file_format != "CSV":
        read = sum(pq.read_metadata(path).num_rows for path in readable)
    for path in set(readable) - set(paths):
        path.unlink()
    return Scanned(staged, int(row[0]) if row else 0, read)


def selection_query(delivery: Delivery, selection: Selection, paths: Sequence[Path]) -> str:
    """Return the SELECT that gives the rows and columns of the manifest."""
    names = {column.name for column in sql_columns(delivery)}
    fixed = [identifier(name) if name in names else f"CAST(NULL AS {TYPES[name]})" for name in FIXED_COLUMNS]
    fixed[FIXED_COLUMNS.index("key")] = _checked_key(names)
    outputs = [f"{sql} AS {identifier(name)}" for name, sql in zip(FIXED_COLUMNS, fixed, strict=True)]
    outputs += [f"{in_parentheses(sql)} AS {identifier(name)}" for name, sql in selection.columns.items()]
    where = in_parentheses(selection.where)
    if not selection.include_delete_markers:
        where += " AND NOT is_delete_marker"
    return _SELECT.format(", ".join(outputs), f"({inventory_query(delivery, paths)}) AS inventory WHERE {where}")


def inventory_query(delivery: Delivery, paths: Sequence[Path]) -> str:
    """Return the SELECT that gives the data files as SQL sees them: decoded, typed, empty text as NULL."""
    read = _csv_reader if delivery.file_format == "CSV" else _parquet_reader
    outputs = [f"{_value(delivery.file_format, column)} AS {identifier(column.name)}" for column in delivery.schema]
    outputs += [f"{sql} AS {identifier(name)}" for name, sql in _supplied(delivery).items()]
    return _SELECT.format(", ".join(outputs), read(delivery, paths))


def _supplied(delivery: Delivery) -> Mapping[str, str]:
    """Return the supplied columns and their SQL: of an inventory of all versions nothing can be said by default."""
    return {} if delivery.is_versioned else SUPPLIED


def _checked_key(names: Collection[str]) -> str:
    """Return the SQL for the key of a selected row: an empty one is an error that says which row it is."""
    values = [f"'{name} ' || {identifier(name)}" for name in ("bucket", "version_id", "size", "e_tag") if name in names]
    described = f"concat_ws(', ', {', '.join(values)})"
    advice = quoted("); add AND key <> '' to where= to leave such rows out")
    fault = f"error('a selected row has an empty key (' || {described} || {advice})"
    return f"CASE WHEN key = '' OR key IS NULL THEN {fault} ELSE key END"


def _csv_reader(delivery: Delivery, paths: Sequence[Path]) -> str:
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in delivery.columns)
    return (
        f"read_csv({_list(paths)}, columns = {{{columns}}}, auto_detect = false, header = false, delim = ',', "
        "quote = '\"', escape = '\"', compression = 'gzip')"
    )


def _parquet_reader(_delivery: Delivery, paths: Sequence[Path]) -> str:
    return f"read_parquet({_list(paths)}, binary_as_string = true)"


def _value(file_format: str, column: InventoryColumn) -> str:
    """Return the SQL for one column of the inventory. The only place where keys of CSV inventories are decoded."""
    name = identifier(column.name)
    if column.name == "key":
        return _DECODED_KEY if file_format == "CSV" else name
    text = f"NULLIF({name}, '')" if file_format == "CSV" or column.type == "VARCHAR" else name
    if column.name == "version_id":
        return f"COALESCE({text}, 'null')"
    if column.name == "e_tag":
        return f"trim({text}, '\"')"
    if column.name in ("is_latest", "is_delete_marker"):
        return f"COALESCE(CAST({text} AS BOOLEAN), FALSE)"
    return f"CAST({text} AS {column.type})"


_DECODED_KEY = (
    "CASE WHEN regexp_matches(\"key\", '%([^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)') "
    "THEN error('key field ''' || \"key\" || ''' is not URL-encoded') "
    "ELSE url_decode(replace(\"key\", '+', ' ')) END"
)
"""As `airflow_s3batch.core.keys.decode_key`, but a stray percent sign is an error: S3 writes none."""


def _list(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(quoted(str(path)) for path in paths) + "]"


def _orc_to_parquet(path: Path) -> Path:
    """Rewrite an ORC file as Parquet, stripe by stripe: DuckDB reads no ORC."""
    target = path.with_suffix(".orc.parquet")
    try:
        orc = pa_orc.ORCFile(path)
        with pq.ParquetWriter(target, orc.schema) as writer:
            for stripe in range(orc.nstripes):
                writer.write_batch(orc.read_stripe(stripe))
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(f"{path}: can't be read as ORC ({error})") from None
    return target
