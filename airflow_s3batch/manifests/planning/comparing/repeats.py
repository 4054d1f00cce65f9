"""
Rows that name an object version a second time.

Two tasks would work on it at once, so it must not be in a manifest twice. Inventories that overlap have such rows,
joins make them, and S3 promises of its own inventories only that they are consistent in the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.manifests.planning.comparing.masks import Mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from airflow_s3batch.manifests.planning.comparing.candidates import Candidates

_OBJECT = "bucket, key, version_id"
_HASH = f"hash({_OBJECT})"
_SUSPECTS = '"hashes that come twice"'
_SELECT = "SELECT {} FROM ({})"


def first_rows(connection: duckdb.DuckDBPyConnection, rows: Candidates, mask: Mask) -> Mask:
    """
    Return *mask* without the rows that name an object version which an earlier row of it names, too.

    Looks at 8 bytes a row first, and at the rows themselves only where these come twice.
    """
    if not mask.kept or not _find_suspects(connection, rows, mask):
        return mask
    numbered = f"SELECT n, row_number() OVER (PARTITION BY {_OBJECT} ORDER BY n) AS time FROM {_suspects(rows, mask)}"
    later = rows.where(f"SELECT n FROM ({numbered}) WHERE time > 1")
    return mask.without(later)


def check_contradiction(
    connection: duckdb.DuckDBPyConnection, rows: Candidates, columns: Sequence[str], *, subject: str, advice: str
) -> None:
    """
    Check that no two of *rows* that name the same object version differ in *columns* (SQL); *subject* gave them.

    Raises:
        ManifestError: two do; *advice* is the next step.
    """
    found = _contradiction(connection, rows, columns)
    if found is None:
        return
    bucket, key, version_id, times = found
    version = f" (version {version_id})" if version_id else ""
    raise ManifestError(
        f"{subject} s3://{bucket}/{encode_key(key)}{version} {times:,} times, with different columns, but an object is "
        f"worked on once; {advice}"
    )


def _contradiction(
    connection: duckdb.DuckDBPyConnection, rows: Candidates, columns: Sequence[str]
) -> tuple[Any, ...] | None:
    """Return bucket, key, version and number of rows of an object that differ in *columns* (SQL), ``None`` if none."""
    mask = Mask.full(rows.rows)
    if not rows.rows or not _find_suspects(connection, rows, mask):
        return None
    different = f"SELECT DISTINCT {', '.join(columns)} FROM {_suspects(rows, mask, ', '.join(columns))}"
    twice = f"SELECT {_OBJECT}, count(*) FROM ({different}) GROUP BY {_OBJECT} HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
    found: tuple[Any, ...] | None = connection.execute(twice).fetchone()
    return found


def _find_suspects(connection: duckdb.DuckDBPyConnection, rows: Candidates, mask: Mask) -> bool:
    """Put the hashes that come twice into a table, and return whether there are any."""
    hashes = _SELECT.format(f"{_HASH} AS h", rows.numbered(_OBJECT, mask))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_SUSPECTS} AS SELECT h FROM ({hashes}) GROUP BY h HAVING count(*) > 1"
    )
    return connection.execute(f"SELECT 1 FROM {_SUSPECTS} LIMIT 1").fetchone() is not None


def _suspects(rows: Candidates, mask: Mask, columns: str = _OBJECT) -> str:
    return f"({rows.numbered(columns, mask)}) WHERE {_HASH} IN (SELECT h FROM {_SUSPECTS})"
