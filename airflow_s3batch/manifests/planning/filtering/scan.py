"""Reads data files of any format as one table: the SQL that does so, and which rows of it a selection wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pyarrow.parquet as pq

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.manifest import FIXED_COLUMNS
from airflow_s3batch.manifests.columns import TYPES, InventoryColumn
from airflow_s3batch.manifests.sql.duck import identifier, quoted
from airflow_s3batch.manifests.sql.sqltree import in_parentheses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.dataset import Dataset

_REWRITTEN_ROWS = 20_480
_SELECT = "SELECT {} FROM {}"
_LINE_ENDS = {"\n": ", new_line = '\\n'", "\r\n": ", new_line = '\\r\\n'"}


def check_delete_markers(dataset: Dataset, selection: Selection) -> None:
    """
    Check that *dataset* tells delete markers from objects, if *selection* does not want them.

    Raises:
        ManifestError: it does not.
    """
    names = {column.name for column in dataset.sql_columns}
    if selection.include_delete_markers or "is_delete_marker" in names:
        return
    by_size = ' (where="size IS NOT NULL": they have no size)' if "size" in names else ""
    raise ManifestError(
        f"{dataset.url}: it lists all versions but has no column 'is_delete_marker', so delete markers can't be left "
        f"out. Pass include_delete_markers=True if there are none, or if the filter leaves them out{by_size}"
    )


def readable(dataset: Dataset, paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield the data files *paths* in groups that DuckDB can read; ORC one file at a time, rewritten while in use."""
    if dataset.file_format != "ORC":
        yield list(paths)
        return
    for path in paths:
        rewritten = _orc_to_parquet(path)
        yield [rewritten]
        rewritten.unlink()


def rows_in(paths: Sequence[Path]) -> int:
    """Return how many rows the Parquet files *paths* have."""
    return sum(pq.read_metadata(path).num_rows for path in paths)


def selection_query(dataset: Dataset, selection: Selection, paths: Sequence[Path]) -> str:
    """Return the SELECT that gives the rows and columns of the manifest."""
    where = in_parentheses(selection.where)
    if not selection.include_delete_markers:
        where += " AND NOT is_delete_marker"
    outputs = ", ".join(manifest_columns(dataset, selection))
    return _SELECT.format(outputs, f"({inventory_query(dataset, paths)}) AS inventory WHERE {where}")


def manifest_columns(dataset: Dataset, selection: Selection) -> list[str]:
    """Return the columns of the manifest as SQL over `inventory_query`: the fixed ones, then the extra ones."""
    names = {column.name for column in dataset.sql_columns}
    fixed = [identifier(name) if name in names else f"CAST(NULL AS {TYPES[name]})" for name in FIXED_COLUMNS]
    fixed[FIXED_COLUMNS.index("key")] = _checked_key(names)
    outputs = [f"{sql} AS {identifier(name)}" for name, sql in zip(FIXED_COLUMNS, fixed, strict=True)]
    return outputs + [f"{in_parentheses(sql)} AS {identifier(name)}" for name, sql in selection.columns.items()]


def inventory_query(dataset: Dataset, paths: Sequence[Path]) -> str:
    """Return the SELECT that gives the data files as SQL sees them: decoded, typed, empty text as NULL."""
    read = _csv_reader if dataset.file_format == "CSV" else _parquet_reader
    outputs = [
        f"{dataset.values.get(column.name) or _value(dataset, column)} AS {identifier(column.name)}"
        for column in dataset.schema
    ]
    outputs += [f"{sql} AS {identifier(name)}" for name, sql in dataset.supplied.items()]
    return _SELECT.format(", ".join(outputs), read(dataset, paths))


def _checked_key(names: Collection[str]) -> str:
    """Return the SQL for the key of a selected row: an empty one is an error that says which row it is."""
    values = [f"'{name} ' || {identifier(name)}" for name in ("bucket", "version_id", "size", "e_tag") if name in names]
    described = f"concat_ws(', ', {', '.join(values)})"
    advice = quoted("); add AND key <> '' to where= to leave such rows out")
    fault = f"error('a selected row has an empty key (' || {described} || {advice})"
    return f"CASE WHEN key = '' OR key IS NULL THEN {fault} ELSE key END"


def _csv_reader(dataset: Dataset, paths: Sequence[Path]) -> str:
    form = dataset.csv
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in form.names or dataset.columns)
    line_end = _LINE_ENDS.get(form.line_end, "")
    return (
        f"read_csv({_list(paths)}, columns = {{{columns}}}, auto_detect = false, header = {form.has_header}, "
        f"delim = {quoted(form.delimiter)}, quote = '\"', escape = '\"', compression = {quoted(form.compression)}"
        f"{line_end}, hive_partitioning = false)"
    )


def _parquet_reader(_dataset: Dataset, paths: Sequence[Path]) -> str:
    return f"read_parquet({_list(paths)}, binary_as_string = true, hive_partitioning = false)"


def _value(dataset: Dataset, column: InventoryColumn) -> str:
    """Return the SQL for one column of the dataset. The only place where keys in CSV files are decoded."""
    name = identifier(column.name)
    is_csv = dataset.file_format == "CSV"
    if column.name == "key":
        return _DECODED_KEY if is_csv and dataset.csv.key_spelling == "form" else name
    text = f"NULLIF({name}, '')" if is_csv or column.type == "VARCHAR" else name
    if column.name == "version_id":
        return f"COALESCE({text}, 'null')"
    if column.name == "e_tag":
        return f"CASE WHEN contains({text}, '\"') THEN trim({text}, '\"') ELSE {text} END"  # trim() by itself is slow
    if column.name in ("is_latest", "is_delete_marker"):
        return f"COALESCE(CAST({text} AS BOOLEAN), FALSE)"
    if is_csv and column.type == "TIMESTAMP":  # DuckDB drops any zone but Z in silence; S3 itself writes Z
        zoned = f"CAST(CAST({text} AS TIMESTAMPTZ) AS TIMESTAMP)"
        return f"CASE WHEN ends_with({name}, 'Z') THEN CAST({text} AS TIMESTAMP) ELSE {zoned} END"
    return f"CAST({text} AS {column.type})"


_DECODED_KEY = (
    "CASE WHEN contains(\"key\", '%') AND regexp_matches(\"key\", '%([^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)') "
    "THEN error('key field ''' || \"key\" || ''' is not URL-encoded') "
    "ELSE url_decode(replace(\"key\", '+', ' ')) END"
)
"""As `airflow_s3batch.core.keys.decode_key`, but a stray percent sign is an error: S3 writes none."""


def _list(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(quoted(str(path)) for path in paths) + "]"


def _orc_to_parquet(path: Path) -> Path:
    """Rewrite an ORC file as Parquet, some rows at a time (a stripe may be too large for that): DuckDB reads no ORC."""
    target = path.with_suffix(".orc.parquet")
    try:
        rows = pa_dataset.dataset(path, format="orc").scanner(
            batch_size=_REWRITTEN_ROWS, batch_readahead=1, fragment_readahead=1, use_threads=False
        )
        with pq.ParquetWriter(target, rows.projected_schema, compression="lz4") as writer:
            for batch in rows.to_batches():
                writer.write_batch(batch)
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(f"{path}: can't be read as ORC ({error})") from None
    return target
