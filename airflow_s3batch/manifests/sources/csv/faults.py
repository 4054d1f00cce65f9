"""
Finds the line that is wrong in a CSV file which could not be read, and says what is wrong with it.

Runs only after reading has failed: DuckDB is fast, but does not always tell which line it stumbled over.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import zlib
from typing import TYPE_CHECKING

import duckdb

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.keys import decode_key
from airflow_s3batch.manifests.columns import TYPES
from airflow_s3batch.manifests.sources.row_values import BUCKET, EMPTY_VERSION_HELP, HEADER_AGAIN, NOT_ENCODED
from airflow_s3batch.manifests.sql.quoting import identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from airflow_s3batch.manifests.sources.dataset import Dataset

_SHOWN = 100


def first_fault(path: Path, dataset: Dataset) -> str:
    """
    Return ``line 7: what is wrong`` of the first line in the local file *path* that *dataset*'s form has no room for.

    Empty if all its lines are as they should be.
    """
    is_gzip = dataset.csv.compression == "gzip"
    try:
        with gzip.open(path) if is_gzip else path.open("rb") as file:
            return _first_fault(_Lines(file), dataset)
    except (OSError, EOFError, zlib.error) as error:
        return f"it can't be unpacked ({error}); is it whole?"


def _first_fault(lines: _Lines, dataset: Dataset) -> str:
    check, skipped = _RowCheck(dataset), int(dataset.csv.has_header)
    reader = csv.reader(lines, delimiter=dataset.csv.delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return ""
        except UnicodeDecodeError as error:
            return f"line {lines.number}: not UTF-8 ({error.object[error.start : error.end]!r})"
        except csv.Error as error:
            return f"line {line}: not CSV ({error})"
        if lines.ends_otherwise():
            return f"line {line}: it ends unlike the lines before it; let all end in LF, or all in CRLF"
        if not row and len(dataset.csv.names) > 1:
            continue
        if skipped:
            skipped -= 1
        elif fault := check.fault(row or [""]):
            return f"line {line}: {fault}"


class _Lines:
    """The lines of a file as text, numbered from 1 on; knows how they end."""

    def __init__(self, file: Iterable[bytes]) -> None:
        self.number = 0
        self._file = iter(file)
        self._ending = self._first_ending = b""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._file)
        self.number += 1
        self._ending = line[len(line.rstrip(b"\r\n")) :]
        return line.decode("utf-8-sig" if self.number == 1 else "utf-8")

    def ends_otherwise(self) -> bool:
        """Return whether the row that ends with the latest line ends unlike the first one."""
        self._first_ending = self._first_ending or self._ending
        return self._ending not in (b"", self._first_ending)


class _RowCheck:
    """What `airflow_s3batch.manifests.sources.row_values` has SQL check, for one row after the other."""

    def __init__(self, dataset: Dataset) -> None:
        self._names = ", ".join(dataset.columns)
        self._width = len(dataset.csv.names)
        self._is_encoded = dataset.csv.key_spelling == "url"
        self._values = dataset.values
        self._places = {
            name: number
            for number, field in enumerate(dataset.csv.names)
            for name, sql in dataset.values.items()
            if identifier(field) in sql
        }

    def fault(self, row: Sequence[str]) -> str:
        """Return what is wrong with *row*; empty if nothing is."""
        if len(row) != self._width and not (len(row) == self._width + 1 and not row[-1]):
            return f"{len(row)} columns, expected {self._width} ({self._names}): {_shown(','.join(row))}"
        values = {name: row[place] for name, place in self._places.items()}
        return self._object_fault(values) or next(filter(None, map(_type_fault, values, values.values())), "")

    def _object_fault(self, values: dict[str, str]) -> str:
        key, bucket = values["key"], values.get("bucket")
        if (
            HEADER_AGAIN in self._values["key"]
            and key in ("key", "Key", "KEY")
            and (bucket or "bucket").lower() == "bucket"
        ):
            return HEADER_AGAIN
        if bucket is not None and not BUCKET.fullmatch(bucket):
            return f"no valid bucket, but {_shown(bucket)}"
        if not key:
            return "no key"
        if self._is_encoded and (fault := _encoding_fault(key)):
            return fault
        if values.get("version_id") == "" and "error(" in self._values["version_id"]:
            return f"an empty version_id; say {EMPTY_VERSION_HELP}"
        return ""


def _encoding_fault(key: str) -> str:
    found = NOT_ENCODED.search(key)
    if found is None:
        try:
            decode_key(key)
        except ManifestError:
            return f"key {_shown(key)} is not valid UTF-8 once decoded"
        return ""
    return (
        f"key {_shown(key)} is not URL-encoded, as {_shown(found[0])} in it shows; pass key_spelling='raw' if keys are "
        "written as they are"
    )


def _type_fault(name: str, text: str) -> str:
    kind = TYPES.get(name, "VARCHAR")
    if not text or kind == "VARCHAR" or _is_plainly(kind, text):
        return ""
    with duckdb.connect(":memory:") as connection:
        row = connection.execute(f"SELECT TRY_CAST(? AS {kind}) IS NULL", [text]).fetchone()
    return f"{name} is {_shown(text)}, which is no {kind}" if row and row[0] else ""


def _is_plainly(kind: str, text: str) -> bool:
    if kind == "TIMESTAMP":
        try:
            dt.datetime.fromisoformat(text)
        except ValueError:
            return False
        return True
    return text.isascii() and text.isdigit() and len(text) < 18 if kind == "BIGINT" else text in ("true", "false")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
