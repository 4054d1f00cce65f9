"""Runs the emulated Athena's queries: Trino's SQL through a parser, then DuckDB over the tables' files."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from airflow_s3batch.testing.athena import AthenaEmulator

_UNLOAD = re.compile(
    r"UNLOAD \(\n(?P<select>.*)\n\)\nTO '(?P<folder>(?:[^']|'')*/)'\n"
    r"WITH \(format = 'PARQUET', compression = '(?P<compression>ZSTD|SNAPPY|GZIP)'\)",
    re.DOTALL,
)


class QueryFaultError(Exception):
    """Why a query fails, in Athena's words."""


def unloaded(emulator: AthenaEmulator, statement: str, context: Mapping[str, str]) -> tuple[S3Url, list[bytes], int]:
    """Return where the result of *statement* goes, its Parquet files, and how many bytes of files were read."""
    match = _UNLOAD.fullmatch(statement)
    if match is None:
        raise QueryFaultError("SYNTAX_ERROR: mismatched input: not an UNLOAD of the expected form")
    folder = S3Url.parse(match["folder"].replace("''", "'"))
    if any(True for _ in emulator.storage.list(folder)):
        raise QueryFaultError(f"HIVE_PATH_ALREADY_EXISTS: Target directory for table already exists: {folder}")
    with tempfile.TemporaryDirectory() as name:
        run = _Run(emulator, context, Path(name))
        table = run.select(match["select"])
    return folder, list(_parquet(table, emulator.files, match["compression"].lower())), run.scanned_bytes


def _parquet(table: pa.Table, files: int, compression: str) -> Iterator[bytes]:
    rows = -(-table.num_rows // files)
    for first in range(0, table.num_rows, rows or 1):
        sink = io.BytesIO()
        pq.write_table(table.slice(first, rows), sink, compression=compression, use_deprecated_int96_timestamps=True)
        yield sink.getvalue()


class _Run:
    """One query."""

    def __init__(self, emulator: AthenaEmulator, context: Mapping[str, str], folder: Path) -> None:
        self.emulator = emulator
        self.context = context
        self.folder = folder
        self.scanned_bytes = 0
        self.connection = duckdb.connect(":memory:")
        self.connection.execute("SET TimeZone = 'UTC'")

    def select(self, sql: str) -> pa.Table:
        """Return what *sql* gives."""
        try:
            tree = sqlglot.parse_one(sql, dialect="trino")
        except SqlglotError as error:
            raise QueryFaultError(f"SYNTAX_ERROR: {error}") from None
        for number, table in enumerate(list(tree.find_all(exp.Table))):
            view = f"t{number}"
            self._load(table, view, _pinned(table))
            alias = table.alias or table.name
            table.replace(exp.alias_(exp.to_table(view), alias, table=True))
        tree = tree.transform(_in_duckdb)
        try:
            result = self.folder / "result"
            self.connection.execute(f"COPY ({tree.sql(dialect='duckdb')}) TO '{result}' (FORMAT parquet)")
            return pq.read_table(result)
        except duckdb.BinderException as error:
            raise QueryFaultError(f"COLUMN_NOT_FOUND: {error}") from None
        except duckdb.Error as error:
            raise QueryFaultError(f"GENERIC_USER_ERROR: {error}") from None

    def _load(self, table: exp.Table, view: str, dt: str | None) -> None:
        database = table.db or self.context.get("Database", "default")
        catalog = table.catalog or self.context.get("Catalog", "AwsDataCatalog")
        full = f"{catalog}.{database}.{table.name}"
        if full in self.emulator.rows:
            self.connection.register(view, self.emulator.rows[full])
            return
        definition = self.emulator.tables.get(f"{database}.{table.name}")
        if definition is None or catalog.lower() != "awsdatacatalog":
            raise QueryFaultError(f"TABLE_NOT_FOUND: line 1:1: Table '{full.lower()}' does not exist")
        if definition.get("PartitionKeys") and dt is None:
            raise QueryFaultError("CONSTRAINT_VIOLATION: the query reads every partition that may exist")
        self._read(definition, view, dt)

    def _read(self, definition: Mapping[str, Any], view: str, dt: str | None) -> None:
        storage = definition["StorageDescriptor"]
        place = storage["Location"].rstrip("/") + (f"/dt={dt}/" if dt else "/")
        files = [self._local(S3Url.parse(line)) for line in self._data_files(S3Url.parse(place), storage)]
        declared = {column["Name"]: column["Type"] for column in storage["Columns"]}
        if not files:
            typed = ", ".join(f'"{name}" {_DUCKDB[kind]}' for name, kind in declared.items())
            self.connection.execute(f"CREATE TABLE {view} ({typed}, dt VARCHAR)")
            return
        reader = f"read_parquet({files}, binary_as_string = true)"
        if "CSV" in storage["SerdeInfo"]["SerializationLibrary"]:
            names = ", ".join(f"'{name}': 'VARCHAR'" for name in declared)
            reader = f"read_csv({files}, columns = {{{names}}}, header = false, quote = '\"', escape = '\"')"
        there = {name: kind for name, kind, *_ in self.connection.execute(_DESCRIBE.format(reader)).fetchall()}
        values = [_as_declared(name, there[name], kind) for name, kind in declared.items()]
        listed = ", ".join([*values, f"'{dt}' AS dt"] if dt else values)
        self.connection.execute(_TABLE_OF.format(view, listed, reader))

    def _data_files(self, place: S3Url, storage: Mapping[str, Any]) -> Iterator[str]:
        for file in list(self.emulator.storage.list(place)):
            if "Symlink" in storage["InputFormat"]:
                yield from (self.emulator.storage.read(file.url) or b"").decode().splitlines()
            else:
                yield str(file.url)

    def _local(self, url: S3Url) -> str:
        path = self.folder / url.key.replace("/", "_")
        self.emulator.storage.download(url, path)
        self.scanned_bytes += path.stat().st_size
        if path.suffix == ".orc":
            pq.write_table(pa_orc.read_table(path), path)
        return str(path)


_DESCRIBE = "DESCRIBE SELECT * FROM {}"
_TABLE_OF = "CREATE TABLE {} AS SELECT {} FROM {}"
_DUCKDB = {"string": "VARCHAR", "boolean": "BOOLEAN", "bigint": "BIGINT", "timestamp": "TIMESTAMP"}


def _as_declared(name: str, kind: str, declared: str) -> str:
    """Return the column as Hive's readers give it: a time that is declared a number is its milliseconds."""
    value = f'epoch_ms("{name}")' if kind == "TIMESTAMP" and declared == "bigint" else f'"{name}"'
    return f'{value} AS "{name}"'


def _pinned(table: exp.Table) -> str | None:
    """Return the one ``dt`` that the SELECT of *table* reads, ``None`` if it reads more."""
    select = table.find_ancestor(exp.Select)
    where = select.args.get("where") if select else None
    for equality in where.find_all(exp.EQ) if where else ():
        if equality.left.name == "dt" and isinstance(equality.right, exp.Literal) and equality.parent is where:
            return str(equality.right.this)
    return None


def _in_duckdb(node: Any) -> Any:
    """Return *node* as DuckDB has to be told it, where sqlglot alone does not know."""
    if isinstance(node, exp.Bracket) and not isinstance(node.this, exp.Array) and not node.args.get("safe"):
        raise QueryFaultError(f"INVALID_FUNCTION_ARGUMENT: Key not present in map: {node.sql(dialect='trino')}")
    if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.TIMESTAMP:
        return exp.DataType.build("TIMESTAMP")
    if isinstance(node, exp.ArraySize):
        return exp.Anonymous(this="cardinality", expressions=[node.this])
    if isinstance(node, exp.Anonymous) and node.name.lower() == "url_decode":
        form = f"main.url_decode(replace({node.expressions[0].sql('duckdb')}, '+', ' '))"
        return sqlglot.parse_one(form, dialect="duckdb")
    return node
