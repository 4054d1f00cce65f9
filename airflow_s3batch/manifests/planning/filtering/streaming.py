"""Rows out of DuckDB as Arrow batches, as they are computed: memory does not grow with them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

_READ_ROWS = 20_480


def arrow_batches(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.RecordBatch]:
    """
    Yield the rows that the SELECT *query* gives as they are computed, in order.

    Raises:
        duckdb.Error: the query failed.
    """
    with duckdb_errors():
        reader = arrow_reader(connection, query)
    yield from batches_of(reader)


def arrow_reader(connection: duckdb.DuckDBPyConnection, query: str) -> pa.RecordBatchReader:
    """Return the rows of *query* as they are computed, in order."""
    connection.execute("SELECT 1").fetchall()  # DuckDB 2 refuses where an earlier statement's result was not fetched
    relation = connection.sql(query)
    newer = getattr(relation, "toarrow_reader", None)  # DuckDB 1.4 calls it otherwise
    return newer(_READ_ROWS) if newer else relation.fetch_record_batch(_READ_ROWS)


def batches_of(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield what is left in *reader*; errors are DuckDB's."""
    while True:
        with duckdb_errors():
            batch = next(reader, None)
        if batch is None:
            return
        yield batch


@contextlib.contextmanager
def duckdb_errors() -> Iterator[None]:
    """Turn DuckDB's errors that come through Arrow into its own again."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        message = str(error)
        kind = duckdb.OutOfMemoryException if "Out of Memory" in message else duckdb.Error
        raise kind(message) from None
