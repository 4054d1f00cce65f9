"""The columns of Athena's tables in our words: what each is called, and the Trino SQL for what filters expect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from airflow_s3batch.manifests.columns import TYPES, InventoryColumn
from airflow_s3batch.manifests.sql.duck import identifier

MAP = "MAP(VARCHAR, VARCHAR)"


class TableColumn(NamedTuple):
    """
    One column of a table as our SQL sees it.

    Attributes:
        name: in our words.
        type: DuckDB's.
        sql: Trino SQL over the table's own columns.
    """

    name: str
    type: str
    sql: str

    @property
    def seen(self) -> InventoryColumn:
        """The column without its SQL."""
        return InventoryColumn(self.name, self.type)


def inventory_columns(declared: Iterable[tuple[str, str]], *, is_csv: bool) -> tuple[TableColumn, ...]:
    """
    Return the columns of a table over S3 Inventory.

    *declared* are names and Hive types. Over CSV (*is_csv*) keys are URL-encoded, and AWS's own table definition
    declares everything a string; in definitions for ORC and Parquet times may be a number of milliseconds.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-athena-query.html
    """
    return tuple(_inventory_column(name.lower(), hive.lower(), is_csv=is_csv) for name, hive in declared)


def _inventory_column(name: str, hive: str, *, is_csv: bool) -> TableColumn:
    kind = TYPES.get(name) or _DUCKDB_TYPES.get(hive.partition("(")[0], "VARCHAR")
    return TableColumn(name, kind, _inventory_value(name, hive, kind, is_csv=is_csv))


def _inventory_value(name: str, hive: str, kind: str, *, is_csv: bool) -> str:
    column = identifier(name)
    if name == "key":
        return f"url_decode({column})" if is_csv else column
    value = _converted(f"NULLIF({column}, '')", kind) if _is_text(hive) else _cast(column, hive, kind)
    if name == "version_id":
        return f"COALESCE({value}, 'null')"
    if name == "e_tag":
        return f"trim(BOTH '\"' FROM {value})"
    return f"COALESCE({value}, FALSE)" if name in ("is_latest", "is_delete_marker") else value


def _converted(text: str, kind: str) -> str:
    """Return the value of type *kind* that the SQL *text* spells."""
    if kind == "VARCHAR":
        return text
    if kind == "TIMESTAMP":
        return f"CAST(from_iso8601_timestamp({text}) AT TIME ZONE 'UTC' AS timestamp(3))"
    return f"CAST({text} AS {_TRINO_TYPES[kind]})"


def _cast(column: str, hive: str, kind: str) -> str:
    """Return *column*, which is declared *hive*, as *kind*."""
    if kind == "TIMESTAMP" and hive in ("bigint", "int", "integer"):
        return f"CAST(from_unixtime({column} / 1e3, 'UTC') AS timestamp(3))"
    # Hive's Parquet, which UNLOAD writes, knows milliseconds only.
    return f"CAST({column} AS {_TRINO_TYPES[kind]})"


def _is_text(hive: str) -> bool:
    return hive.partition("(")[0] in ("string", "varchar", "char")


_TRINO_TYPES: Mapping[str, str] = {
    "VARCHAR": "varchar",
    "BOOLEAN": "boolean",
    "BIGINT": "bigint",
    "INTEGER": "integer",
    "DOUBLE": "double",
    "DATE": "date",
    "TIMESTAMP": "timestamp(3)",
}
_DUCKDB_TYPES: Mapping[str, str] = {
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "bigint": "BIGINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "smallint": "INTEGER",
    "tinyint": "INTEGER",
    "double": "DOUBLE",
    "float": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}

_IS_OBJECT = "CASE WHEN is_delete_marker THEN NULL ELSE {} END"

METADATA_COLUMNS: tuple[TableColumn, ...] = (
    TableColumn("bucket", "VARCHAR", "bucket"),
    TableColumn("key", "VARCHAR", '"key"'),
    TableColumn("version_id", "VARCHAR", "COALESCE(version_id, 'null')"),
    TableColumn("is_delete_marker", "BOOLEAN", "COALESCE(is_delete_marker, FALSE)"),
    TableColumn("size", "BIGINT", _IS_OBJECT.format('"size"')),
    TableColumn("last_modified_date", "TIMESTAMP", "CAST(last_modified_date AS timestamp(3))"),
    TableColumn("e_tag", "VARCHAR", "trim(BOTH '\"' FROM e_tag)"),
    TableColumn("storage_class", "VARCHAR", "storage_class"),
    TableColumn("is_multipart_uploaded", "BOOLEAN", "is_multipart"),
    TableColumn("encryption_status", "VARCHAR", _IS_OBJECT.format("COALESCE(encryption_status, 'NOT-SSE')")),
    TableColumn(
        "bucket_key_status",
        "VARCHAR",
        "CASE WHEN is_bucket_key_enabled THEN 'ENABLED' WHEN NOT is_bucket_key_enabled THEN 'DISABLED' END",
    ),
    TableColumn("checksum_algorithm", "VARCHAR", "checksum_algorithm"),
    TableColumn("kms_key_arn", "VARCHAR", "kms_key_arn"),
    TableColumn("object_tags", MAP, "object_tags"),
    TableColumn("user_metadata", MAP, "user_metadata"),
    TableColumn("sequence_number", "VARCHAR", "sequence_number"),
    TableColumn("is_multipart", "BOOLEAN", "is_multipart"),
    TableColumn("is_bucket_key_enabled", "BOOLEAN", "is_bucket_key_enabled"),
)
"""
The columns of a live inventory table of S3 Metadata, first in the words of S3 Inventory, so that one filter fits both.

An unencrypted object has no encryption_status there, and a delete marker has a size of 0: as in an inventory they
become NOT-SSE and nothing.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/metadata-tables-inventory-schema.html
"""
