"""Inventories of any size in a folder: rows that DuckDB makes up, in the forms in which AWS delivers them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

import duckdb

from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.testing.inventories import file_schema

FILE_ROWS = 1_000_000
DISTINCT_FILES = 4
"""Larger inventories name these again under other keys: what they cost to read is the same."""
COLUMNS = (
    "bucket",
    "key",
    "size",
    "last_modified_date",
    "e_tag",
    "storage_class",
    "is_multipart_uploaded",
    "replication_status",
    "encryption_status",
)
CREATED = dt.datetime(2026, 11, 22, 1, tzinfo=dt.UTC)
BUCKET = "inventories"
WHERE = {
    "a quarter": "encryption_status = 'NOT-SSE' AND size > 50000000",
    "all": "TRUE",
}
"""SQL of the filters, by the share of rows that they select."""

_ROWS = """
    SELECT
        'prod-lake' AS bucket,
        printf('data/region=%d/dt=%s/part-%09d-%s.snappy.parquet',
            i // 250000, strftime(DATE '2020-01-01' + CAST((i // 5000) % 1500 AS INTEGER), '%Y-%m-%d'), i,
            substr(md5(CAST(i AS VARCHAR)), 1, 12)) AS key,
        CAST(hash(i) % 100000000 AS BIGINT) AS size,
        make_timestamp(1700000000000000 + CAST(hash(i + 1) % 30000000 AS BIGINT) * 1000000) AS last_modified_date,
        md5(CAST(i + 7 AS VARCHAR)) AS e_tag,
        CASE WHEN hash(i + 2) % 10 < 7 THEN 'STANDARD' ELSE 'STANDARD_IA' END AS storage_class,
        FALSE AS is_multipart_uploaded,
        CAST(NULL AS VARCHAR) AS replication_status,
        CASE WHEN hash(i + 3) % 2 = 0 THEN 'NOT-SSE' ELSE 'SSE-S3' END AS encryption_status
    FROM range({first}, {end}) AS numbers(i)
"""
_FORMS = {
    "Parquet": "FORMAT parquet, COMPRESSION snappy",
    "CSV": "FORMAT csv, HEADER false, FORCE_QUOTE *, COMPRESSION gzip",
}
_CSV_ROWS = "SELECT * REPLACE (replace(key, '=', '%3D') AS key) FROM ({})"
_SUFFIXES = {"Parquet": "parquet", "CSV": "csv.gz"}


class Inventory(NamedTuple):
    """A delivery below *root*: the URL of its manifest, its data files, their format."""

    root: Path
    url: str
    paths: list[Path]
    file_format: str
    rows: int


def deliver(root: Path, rows: int, file_format: str) -> Inventory:
    """Write an inventory of *rows* rows; data files that are there already are used again."""
    folder = root / BUCKET / file_format
    folder.mkdir(parents=True, exist_ok=True)
    paths, entries = [], []
    for number in range(-(-rows // FILE_ROWS)):
        size = min(FILE_ROWS, rows - number * FILE_ROWS)
        first, md5 = _distinct(folder, number % DISTINCT_FILES, size, file_format)
        path = folder / f"data-{rows}-{number:05d}.{_SUFFIXES[file_format]}"
        path.unlink(missing_ok=True)
        os.link(first, path)
        paths.append(path)
        key = path.relative_to(root / BUCKET).as_posix()
        entries.append({"key": key, "size": path.stat().st_size, "MD5checksum": md5})
    manifest = {
        "sourceBucket": "prod-lake",
        "destinationBucket": f"arn:aws:s3:::{BUCKET}",
        "creationTimestamp": str(int(CREATED.timestamp() * 1000)),
        "fileFormat": file_format,
        "fileSchema": file_schema(COLUMNS, "CSV" if file_format == "CSV" else "Parquet"),
        "files": entries,
    }
    body = json.dumps(manifest).encode()
    place = folder / f"{rows}-rows"
    place.mkdir(exist_ok=True)
    (place / "manifest.json").write_bytes(body)
    (place / "manifest.checksum").write_text(hashlib.md5(body, usedforsecurity=False).hexdigest())
    url = S3Url(BUCKET, (place / "manifest.json").relative_to(root / BUCKET).as_posix())
    return Inventory(root, str(url), paths, file_format, rows)


def _distinct(folder: Path, number: int, rows: int, file_format: str) -> tuple[Path, str]:
    """Return data file *number*, made if need be, and its MD5."""
    path = folder / f"rows-{number}-{rows}.{_SUFFIXES[file_format]}"
    told = path.with_name(f"{path.name}.md5")
    if not told.exists():
        query = _ROWS.format(first=number * FILE_ROWS, end=number * FILE_ROWS + rows)
        if file_format == "CSV":
            query = _CSV_ROWS.format(query)
        with duckdb.connect() as connection:
            connection.execute("SET enable_progress_bar = false")
            connection.execute(f"COPY ({query}) TO '{path}' ({_FORMS[file_format]})")
        with path.open("rb") as stream:
            told.write_text(hashlib.file_digest(stream, "md5").hexdigest())
    return path, told.read_text()
