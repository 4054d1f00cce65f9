"""SQL over the rows of completion reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_s3batch.core.manifest import FIXED_COLUMNS
from airflow_s3batch.manifests.columns import InventoryColumn
from airflow_s3batch.manifests.sql.quoting import identifier, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TOLD = (
    InventoryColumn("task_status", "VARCHAR"),
    InventoryColumn("error_code", "VARCHAR"),
    InventoryColumn("http_status_code", "INTEGER"),
    InventoryColumn("result_message", "VARCHAR"),
)
"""What a report tells of each object."""

_CSV = (
    "read_csv({paths}, columns = {{"
    + ", ".join(f"f{number}: 'VARCHAR'" for number in range(1, 8))
    + "}}, auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"', compression = 'none', "
    "hive_partitioning = false, {more})"
)
_KEY = (
    "CASE WHEN regexp_matches(f2, '%([^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)') "
    "THEN error('key field ''' || f2 || ''' is not URL-encoded') ELSE url_decode(replace(f2, '+', ' ')) END"
)

_AWS = f"""
    WITH fields AS (
        SELECT *, f3 IN ('succeeded', 'failed') AND f7 IS NULL AND COALESCE(f4 NOT IN ('succeeded', 'failed'), true)
            AS is_short
        FROM {{rows}}
    ),
    moved AS (
        SELECT f1, f2, CASE WHEN NOT is_short THEN f3 WHEN contains(f6, 'missing VersionId') THEN 'null' END AS version,
            if(is_short, f3, f4) AS status, if(is_short, f4, f5) AS one, if(is_short, f5, f6) AS other,
            if(is_short, f6, f7) AS message
        FROM fields
    ),
    ordered AS (
        SELECT *, regexp_full_match(other, '[0-9]+') AND COALESCE(NOT regexp_full_match(one, '[0-9]+'), true)
            AS is_as_told
        FROM moved
    )
    SELECT f1 AS bucket, {_KEY} AS "key", version AS version_id,
        CASE WHEN status = {{status}} AND f1 <> '' AND f2 <> '' THEN status
            ELSE error('a row is none of the expected form: ' || concat_ws(',', f1, f2, status)) END AS task_status,
        if(is_as_told, one, other) AS error_code,
        TRY_CAST(if(is_as_told, other, one) AS INTEGER) AS http_status_code,
        message AS result_message
    FROM ordered
"""  # noqa: S608 - of constants

_OURS = f"""
    WITH files(filename, range_index) AS (VALUES {{files}}),
    told AS (
        SELECT range_index, f1 AS bucket, {_KEY} AS "key", COALESCE(f3, '') AS version, f4, f5, f6, f7,
            row_number() OVER (PARTITION BY range_index, f1, f2, f3 ORDER BY f4, f5, f6, f7) AS twin
        FROM {{rows}} JOIN files USING (filename)
    ),
    known AS (
        SELECT *, file_row_number // {{range_rows}} AS range_index, COALESCE(version_id, '') AS version
        FROM read_parquet({{shard}}, file_row_number = true, hive_partitioning = false)
        WHERE file_row_number >= {{first}} AND file_row_number < {{end}}
    ),
    wanted AS (
        SELECT *, row_number() OVER (
            PARTITION BY range_index, bucket, "key", version ORDER BY file_row_number
        ) AS twin
        FROM known
    )
    SELECT {{outputs}}, f4 AS task_status, f6 AS error_code, CAST(f5 AS INTEGER) AS http_status_code,
        f7 AS result_message
    FROM told JOIN wanted USING (range_index, bucket, "key", version, twin) ORDER BY file_row_number
"""  # noqa: S608 - of constants


def aws_rows(path: Path, status: str) -> str:
    """
    Return the SELECT that gives the rows of AWS's result file *path*: bucket, key, version_id, and `TOLD`.

    All of them must have that *status*. Status code and error code stand in either order. A row without a field for
    the version is one that AWS would not work on because its manifest left the version empty: the null version is
    meant, as in inventories.
    """
    # messages hold line feeds; rows that may be short can't be read in parallel then
    rows = _CSV.format(paths=quoted(str(path)), more="null_padding = true, parallel = false")
    return _AWS.format(rows=rows, status=quoted(status))


def our_rows(ranges: Mapping[Path, int], shard: Path, range_rows: int, extra: Sequence[str]) -> str:
    """
    Return the SELECT that gives what the result files *ranges* tell, and what the manifest's *shard* knows of it.

    *ranges* are the indexes of a shard's row ranges, of *range_rows* rows each, by the local file that tells of them.
    An object that is in a range more than once is told of that often. Rows come in the manifest's order, with
    `FIXED_COLUMNS`, *extra*, and `TOLD`.
    """
    paths = ", ".join(quoted(str(path)) for path in ranges)
    return _OURS.format(
        files=", ".join(f"({quoted(str(path))}, {index})" for path, index in ranges.items()),
        rows=_CSV.format(paths=f"[{paths}]", more="filename = true"),
        range_rows=range_rows,
        shard=quoted(str(shard)),
        first=min(ranges.values()) * range_rows,
        end=(max(ranges.values()) + 1) * range_rows,
        outputs=", ".join(f"wanted.{identifier(name)}" for name in (*FIXED_COLUMNS, *extra)),
    )
