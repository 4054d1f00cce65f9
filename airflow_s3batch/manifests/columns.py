"""
The column table: what the columns of an inventory are called, their types, and the values they can have.

Everything that reads an inventory, or checks SQL over one, looks here. Columns that are not in the table
(newer than this package) are kept: as ``VARCHAR`` in CSV inventories, with their own type in Parquet and ORC.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html#storage-inventory-contents
"""

from __future__ import annotations

import difflib
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.errors import InventoryError

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES: Mapping[str, str] = MappingProxyType(
    {
        "bucket": "VARCHAR",
        "key": "VARCHAR",
        "version_id": "VARCHAR",
        "is_latest": "BOOLEAN",
        "is_delete_marker": "BOOLEAN",
        "size": "BIGINT",
        "last_modified_date": "TIMESTAMP",
        "e_tag": "VARCHAR",
        "storage_class": "VARCHAR",
        "is_multipart_uploaded": "BOOLEAN",
        "replication_status": "VARCHAR",
        "encryption_status": "VARCHAR",
        "object_lock_retain_until_date": "TIMESTAMP",
        "object_lock_mode": "VARCHAR",
        "object_lock_legal_hold_status": "VARCHAR",
        "intelligent_tiering_access_tier": "VARCHAR",
        "bucket_key_status": "VARCHAR",
        "checksum_algorithm": "VARCHAR",
        "object_access_control_list": "VARCHAR",
        "object_owner": "VARCHAR",
        "lifecycle_expiration_date": "TIMESTAMP",
        "intelligent_tiering_reference_date": "TIMESTAMP",
    }
)
"""DuckDB type of each known column, in the order in which AWS writes them."""

SUPPLIED: Mapping[str, str] = MappingProxyType(
    {
        "version_id": "CAST(NULL AS VARCHAR)",
        "is_latest": "TRUE",
        "is_delete_marker": "FALSE",
    }
)
"""What inventories of current versions lack, and what it is there. One that has any of these lists all versions."""

_STORAGE_CLASSES = (
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "GLACIER_IR",
    "DEEP_ARCHIVE",
    "EXPRESS_ONEZONE",
    "OUTPOSTS",
    "SNOW",
    "FSX_OPENZFS",
    "FSX_ONTAP",
    "AWS_BACKUP_WARM",
    "AWS_BACKUP_LOW_COST_WARM",
)

VALUES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "encryption_status": ("SSE-S3", "SSE-C", "SSE-KMS", "DSSE-KMS", "NOT-SSE"),
        "storage_class": _STORAGE_CLASSES,
        "replication_status": ("PENDING", "COMPLETED", "FAILED", "REPLICA"),
        "intelligent_tiering_access_tier": (
            "FREQUENT",
            "INFREQUENT",
            "ARCHIVE_INSTANT_ACCESS",
            "ARCHIVE",
            "DEEP_ARCHIVE",
        ),
        "bucket_key_status": ("ENABLED", "DISABLED"),
        "object_lock_mode": ("GOVERNANCE", "COMPLIANCE"),
        "object_lock_legal_hold_status": ("On", "Off"),
    }
)
"""All values of the enumerated columns. A column that S3 leaves empty is NULL, so '' is never among them."""

_MEANT: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("encryption_status", "notencrypted"): "NOT-SSE",
        ("encryption_status", "unencrypted"): "NOT-SSE",
        ("encryption_status", "none"): "NOT-SSE",
        ("encryption_status", "aes256"): "SSE-S3",
        ("encryption_status", "awskms"): "SSE-KMS",
        ("encryption_status", "kms"): "SSE-KMS",
        ("encryption_status", "awskmsdsse"): "DSSE-KMS",
        ("storage_class", "ia"): "STANDARD_IA",
        ("storage_class", "glacierdeeparchive"): "DEEP_ARCHIVE",
        ("storage_class", "glacierinstantretrieval"): "GLACIER_IR",
        ("storage_class", "glacierflexibleretrieval"): "GLACIER",
    }
)
"""What people write for a value, squeezed to letters and digits, and the value they mean."""


class InventoryColumn(NamedTuple):
    """
    One column of an inventory.

    Attributes:
        name: snake case, as in SQL.
        type: DuckDB type as SQL sees it.
    """

    name: str
    type: str


def snake_case(name: str) -> str:
    """Return the SQL name of the column that CSV inventories call *name*: ``ETag`` is ``e_tag``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip()).lower()


def parse_schema(file_format: str, schema: str, *, place: str) -> tuple[InventoryColumn, ...]:
    """
    Return the columns that ``fileSchema`` *schema* declares, in file order; *place* is the URL for the error.

    Raises:
        InventoryError: there is no Key or Bucket, or *schema* can't be read.
    """
    if file_format == "CSV":
        found = [(name.strip(), "VARCHAR") for name in schema.split(",") if name.strip()]
    elif file_format == "Parquet":
        found = [(name, _parquet_type(*rest)) for *rest, name in _parquet_fields(schema)]
    else:
        found = [(name, _ORC_TYPES.get(kind, "VARCHAR")) for name, kind in re.findall(r"(\w+)\s*:\s*(\w+)", schema)]
    columns = tuple(InventoryColumn(snake_case(name), TYPES.get(snake_case(name), kind)) for name, kind in found)
    names = [column.name for column in columns]
    for needed in ("Key", "Bucket"):
        if needed.lower() not in names:
            listed = ", ".join(name for name, _ in found) or schema
            raise InventoryError(f"{place}: fileSchema has no {needed!r}; it has {listed!r}")
    if len(set(names)) != len(names):
        raise InventoryError(f"{place}: fileSchema names a column twice: {schema!r}")
    return columns


def meant_value(column: str, text: str) -> str | None:
    """Return the value of the enumerated *column* that somebody who wrote *text* clearly means, ``None`` if unclear."""
    squeezed = {_squeeze(value): value for value in VALUES[column]}
    wanted = _squeeze(text)
    if exact := squeezed.get(wanted) or _MEANT.get((column, wanted)):
        return exact
    near = difflib.get_close_matches(wanted, squeezed, n=1, cutoff=0.75)
    return squeezed[near[0]] if near else None


def _squeeze(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


_ORC_TYPES = {
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "bigint": "BIGINT",
    "int": "INTEGER",
    "smallint": "INTEGER",
    "double": "DOUBLE",
    "float": "DOUBLE",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
}

_PARQUET_TYPES = {"boolean": "BOOLEAN", "int32": "INTEGER", "int64": "BIGINT", "double": "DOUBLE", "float": "DOUBLE"}


def _parquet_fields(schema: str) -> list[tuple[str, str, str]]:
    """Return ``(primitive type, annotation, name)`` of each field of a Parquet message."""
    fields = re.findall(r"(?:required|optional)\s+(\w+)\s+(\w+)\s*(?:\((\w+)[^;]*\))?\s*;", schema)
    return [(primitive, annotation, name) for primitive, name, annotation in fields]


def _parquet_type(primitive: str, annotation: str) -> str:
    if annotation.startswith("TIMESTAMP"):
        return "TIMESTAMP"
    return "DATE" if annotation == "DATE" else _PARQUET_TYPES.get(primitive, "VARCHAR")
