"""DuckDB, locked: it sees one folder, stays within its limits, and can't be talked out of either."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from typing import TYPE_CHECKING

import duckdb

from airflow_s3batch.core.errors import InfrastructureError, ManifestError
from airflow_s3batch.engine.files.staging import NEXT_STEP
from airflow_s3batch.manifests.sql.quoting import identifier, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


__all__ = ["MEMORY_LIMIT", "identifier", "one_line", "open_locked", "open_sealed", "quoted", "sentences"]

MEMORY_LIMIT = "512MB"
"""DuckDB's memory unless somebody says otherwise: the whole process, Airflow included, then stays below 1 GiB."""


_LOCKS = {
    "TimeZone": "'UTC'",
    "preserve_insertion_order": "true",
    # DuckDB 2.0 fails on split_part() over a column whose statistics say that it is NULL throughout.
    "disabled_optimizers": "'statistics_propagation'",
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "enable_external_access": "false",
    "lock_configuration": "true",
}


def open_locked(
    folder: Path, *, memory_limit: str = MEMORY_LIMIT, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """
    Return a connection that reads and writes files in *folder* only.

    No other file, no network, no extension, no setting to change: SQL that gets past the filter check stops here.
    Rows keep the order of the files, and times are UTC, so that the same input gives the same output.

    *folder* holds this job's files and nothing else; spilled data goes to its ``spill``. *memory_limit* is as DuckDB
    writes it (``1GB``, ``512MiB``); *threads* ``None`` is the number of CPUs, at most 4.
    """
    return _opened(
        {
            "memory_limit": quoted(memory_limit),
            "threads": str(threads or min(4, os.cpu_count() or 1)),
            "temp_directory": quoted(str(folder / "spill")),
            "allowed_directories": f"[{quoted(str(folder))}]",
        }
    )


def open_sealed() -> duckdb.DuckDBPyConnection:
    """Return a connection that reads and writes nothing at all, to try SQL on empty tables."""
    return _opened({"memory_limit": "'100MB'", "threads": "1", "temp_directory": "''"})


def _opened(settings: Mapping[str, str]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    for name, value in {**settings, **_LOCKS}.items():
        try:
            connection.execute(f"SET {name} = {value}")
        except duckdb.Error as error:
            connection.close()
            raise ManifestError(f"DuckDB can't be set up with {name} = {value}: {one_line(error)}") from None
    return connection


@contextlib.contextmanager
def sentences(what: str) -> Iterator[None]:
    """Turn DuckDB's exceptions into sentences that begin with *what*."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        next_step = "raise memory_limit, or give the staging folder more disk"
        raise InfrastructureError(f"{what}: {one_line(error)}; {next_step}") from None
    except duckdb.Error as error:
        if os.strerror(errno.ENOSPC) in str(error):
            raise InfrastructureError(f"{what}: {one_line(error)}; {NEXT_STEP}") from None
        raise ManifestError(f"{what}: {one_line(error)}") from None


def one_line(error: Exception) -> str:
    """
    Return DuckDB's message on one line, escaped, because it may quote keys.

    That is its first line; for a fault in a CSV file also what is wrong there, and the file's path.
    """
    message = str(error).strip()
    text = "; ".join([message.partition("\n")[0], *_csv_details(message)])
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)


def _csv_details(message: str) -> list[str]:
    """Return the reason, which stands before the remedies that DuckDB proposes, and the file, which stands after."""
    fault, remedies, settings = message.partition("\nPossible ")
    if not remedies:
        return []
    return [fault.rstrip().rpartition("\n")[2], *re.findall(r"^\s*(file = .+)$", settings, re.MULTILINE)[:1]]
