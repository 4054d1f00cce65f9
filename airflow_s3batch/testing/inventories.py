"""Writes S3 Inventory deliveries exactly as AWS lays them out, for tests and demos."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage

FileFormat = Literal["CSV", "Parquet", "ORC"]
Row = Mapping[str, Any]

KINDS: dict[str, Literal["string", "boolean", "integer", "timestamp"]] = {
    "bucket": "string",
    "key": "string",
    "version_id": "string",
    "is_latest": "boolean",
    "is_delete_marker": "boolean",
    "size": "integer",
    "last_modified_date": "timestamp",
    "e_tag": "string",
    "storage_class": "string",
    "is_multipart_uploaded": "boolean",
    "replication_status": "string",
    "encryption_status": "string",
    "object_lock_retain_until_date": "timestamp",
    "object_lock_mode": "string",
    "object_lock_legal_hold_status": "string",
    "intelligent_tiering_access_tier": "string",
    "bucket_key_status": "string",
    "checksum_algorithm": "string",
    "object_access_control_list": "string",
    "object_owner": "string",
}
"""The columns of an inventory in AWS's order, and what they hold."""

ARROW_TYPES = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "timestamp": pa.timestamp("ms"),
}
PARQUET_TYPES = {
    "string": "binary {} (UTF8)",
    "boolean": "boolean {}",
    "integer": "int64 {}",
    "timestamp": "int64 {} (TIMESTAMP_MILLIS)",
}
ORC_TYPES = {"string": "string", "boolean": "boolean", "integer": "bigint", "timestamp": "timestamp"}
SUFFIXES = {"CSV": "csv.gz", "Parquet": "parquet", "ORC": "orc"}


class PutsObjects(Protocol):
    """A boto3 S3 client, as far as it is needed here."""

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> Any:  # noqa: N803 - boto3's names
        """Store *Body*."""


def write_inventory(
    client: PutsObjects | Storage,
    destination: str,
    source_bucket: str,
    rows: Iterable[Row],
    *,
    config_id: str = "daily",
    file_format: FileFormat = "CSV",
    schema: Sequence[str] | None = None,
    created: datetime,
    files: int = 2,
) -> str:
    """
    Write one delivery of the inventory *config_id* of *source_bucket*, and return the URL of its ``manifest.json``.

    Files come in AWS's order: data, ``symlink.txt``, ``manifest.json``, and ``manifest.checksum`` last.

    Args:
        client: a boto3 S3 client, or any `Storage`.
        destination: ``s3://bucket/prefix`` that the inventory configuration delivers to; the bucket must exist.
        source_bucket: name of the bucket that the inventory is of.
        rows: a mapping of snake-case column names to values for each object version; a missing or ``None`` value is
            empty (CSV) or null, a missing ``bucket`` is *source_bucket*. Keys are raw.
        config_id: name of the inventory configuration.
        file_format: as AWS spells it in ``manifest.json``: ``CSV``, ``Parquet`` or ``ORC``.
        schema: the columns in file order; by default those that any row has, in AWS's order. Names that AWS doesn't
            have are written as strings, after the known ones.
        created: when the delivery was made; a time without zone is UTC.
        files: the number of data files that the rows are dealt out to in turn; files without rows are left out.
    """
    created = created.replace(tzinfo=UTC) if created.tzinfo is None else created.astimezone(UTC)
    if file_format not in SUFFIXES:
        raise ArgumentError(f"file_format={file_format!r}: expected one of {', '.join(SUFFIXES)}")
    place = S3Url.parse(destination, what="destination")
    whole = [{"bucket": source_bucket, **row} for row in rows]
    columns = tuple(schema) if schema is not None else columns_of(whole)
    folder = f"{source_bucket}/{config_id}"
    put = _putter(client)

    entries = []
    for index in range(min(files, len(whole))):
        body = _data_file(whole[index::files], columns, file_format)
        name = uuid.uuid5(uuid.NAMESPACE_URL, f"{folder}/{created.isoformat()}/{file_format}/{index}")
        # AWS puts a slash after the prefix even if it ends in one, but only in the keys of data files.
        key = f"{place.key}/{folder}/data/{name}.{SUFFIXES[file_format]}".lstrip("/")
        put(S3Url(place.bucket, key), body)
        entries.append({"key": key, "size": len(body), "MD5checksum": _md5(body)})

    manifest = {
        "sourceBucket": source_bucket,
        "destinationBucket": f"arn:aws:s3:::{place.bucket}",
        "version": "2016-11-30",
        "creationTimestamp": str(int(created.timestamp() * 1000)),
        "fileFormat": file_format,
        "fileSchema": file_schema(columns, file_format),
        "files": entries,
    }
    links = "\n".join(f"s3://{place.bucket}/{entry['key']}" for entry in entries)
    put(place / folder / f"hive/dt={created:%Y-%m-%d-%H-%M}/symlink.txt", links.encode())
    delivery = place / folder / f"{created:%Y-%m-%dT%H-%MZ}"
    body = json.dumps(manifest, indent=2).encode()
    put(delivery / "manifest.json", body)
    put(delivery / "manifest.checksum", _md5(body).encode())
    return str(delivery / "manifest.json")


def columns_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the columns that any of *rows* has: AWS's own in AWS's order, then foreign ones as they appear."""
    seen: dict[str, None] = {"bucket": None, "key": None}
    for row in rows:
        seen.update(dict.fromkeys(row))
    return (*(name for name in KINDS if name in seen), *(name for name in seen if name not in KINDS))


def file_schema(columns: Sequence[str], file_format: FileFormat) -> str:
    """Return the ``fileSchema`` that AWS writes into ``manifest.json`` for *columns*."""
    if file_format == "CSV":
        return ", ".join(csv_name(name) for name in columns)
    if file_format == "ORC":
        return "struct<" + ",".join(f"{name}:{ORC_TYPES[_kind(name)]}" for name in columns) + ">"
    fields = (f"  {_repetition(name)} {PARQUET_TYPES[_kind(name)].format(name)};" for name in columns)
    return "message s3.inventory { " + " ".join(fields) + " }"


def csv_name(column: str) -> str:
    """Return how CSV inventories spell *column*: ``e_tag`` is ``ETag``."""
    return "".join(part[:1].upper() + part[1:] for part in column.split("_"))


def _data_file(rows: Sequence[Row], columns: Sequence[str], file_format: FileFormat) -> bytes:
    if file_format == "CSV":
        return _csv_file(rows, columns)
    table = pa.table(
        [pa.array([_arrow_value(row.get(name)) for row in rows], ARROW_TYPES[_kind(name)]) for name in columns],
        schema=pa.schema(
            [pa.field(name, ARROW_TYPES[_kind(name)], nullable=_repetition(name) == "optional") for name in columns]
        ),
    )
    sink = io.BytesIO()
    if file_format == "ORC":
        pa_orc.write_table(table, sink, compression="zlib")
    else:
        pq.write_table(table, sink, compression="snappy", store_schema=False)
    return sink.getvalue()


def _csv_file(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([_csv_value(name, row.get(name)) for name in columns] for row in rows)
    return gzip.compress(text.getvalue().encode(), compresslevel=1, mtime=0)


def _csv_value(column: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return _utc(value).isoformat(timespec="milliseconds") + "Z"
    return quote_plus(value, safe="/") if column == "key" else str(value)


def _arrow_value(value: Any) -> Any:
    return _utc(value) if isinstance(value, datetime) else value


def _utc(moment: datetime) -> datetime:
    """Return *moment* in UTC, without its zone: Parquet's TIMESTAMP_MILLIS and ORC's timestamp have none."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _kind(column: str) -> str:
    return KINDS.get(column, "string")


def _repetition(column: str) -> str:
    return "required" if column in ("bucket", "key") else "optional"


def _putter(client: PutsObjects | Storage) -> Callable[[S3Url, bytes], object]:
    """Return how to store bytes with *client*; a boto3 client's reply is checked by boto3 itself."""
    if hasattr(client, "put_object"):
        return lambda url, body: client.put_object(Bucket=url.bucket, Key=url.key, Body=body)
    return client.write


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
