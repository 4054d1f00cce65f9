"""Joins the rows of AWS's report with those of the manifest, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.completion_report import FAILED, ReportRow
from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.verdicts import code_of_status
from airflow_s3batch.managed.buckets import BucketRef
from airflow_s3batch.managed.rows import RowBatch

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 20_000
_MEMORY = "256MB"
_MOST_MESSAGE = 4_096

# Every row gets a number among those that look the same to AWS. The n-th of them in the manifest takes the n-th in the
# report, where successes come first; if the report has fewer, the rest takes the last, and if it has more, the first
# ones count: a success wins. Each step alone stays within DuckDB's memory limit, for any number of rows; all of them in
# one statement don't.
_STEPS = {
    "wanted": """
        SELECT *, row_number() OVER (PARTITION BY key, version_id ORDER BY shard, number) AS twin FROM {rows}
    """,
    "told": """
        SELECT *, row_number() OVER (PARTITION BY key, version_id ORDER BY is_failed, place) AS twin,
            count(*) OVER (PARTITION BY key, version_id) AS twins
        FROM {report}
    """,
    "pairs": """
        SELECT wanted.shard, wanted.number, wanted.key, wanted.version_id, wanted.size,
            told.http_status, told.error_code, told.message
        FROM {wanted} AS wanted LEFT JOIN {told} AS told
            ON wanted.key = told.key AND wanted.version_id = told.version_id
                AND told.twin = least(wanted.twin, told.twins)
    """,
    "joined": "SELECT * FROM {pairs} ORDER BY shard, number",
}
"""Queries by the name of what they give, each on what those before it gave."""


class ToldRow(NamedTuple):
    """
    A row of the manifest and what AWS told of it.

    Attributes:
        number: of the row within its shard.
        version_id: ``None`` if the manifest names none.
        outcome: ``None`` if AWS's report does not list it.
    """

    shard: int
    number: int
    key: str
    version_id: str | None
    size: int | None
    outcome: Outcome | None


class ReportCounts(NamedTuple):
    """How many rows AWS's report lists."""

    succeeded: int
    failed: int

    @property
    def rows(self) -> int:
        """All of them."""
        return self.succeeded + self.failed


class OutcomeJoin:
    """
    The rows of a round and of AWS's report, in files of the local *folder*.

    They take about four times the size of report and manifest together; memory is bounded by DuckDB's limit.
    """

    def __init__(self, folder: Path, ref: BucketRef, *, memory_limit: str = _MEMORY) -> None:
        """Rows of *ref* that name a version are told apart by it, too; of others AWS took whatever was current."""
        self._folder = folder
        self._ref = ref
        self._memory_limit = memory_limit
        self._rows = folder / "rows.parquet"
        self._report = folder / "report.parquet"

    def take_rows(self, batches: Iterable[RowBatch]) -> dict[int, int]:
        """Take the rows of the round; return how many there are, by shard."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        counts: dict[int, int] = {}
        with pq.ParquetWriter(self._rows, _rows_schema()) as file:
            for batch in batches:
                columns = [
                    pa.array([batch.shard.index] * len(batch.numbers), pa.int32()),
                    pa.array(batch.numbers, pa.int64()),
                    batch.rows.column("key").cast(pa.string()),
                    batch.rows.column("version_id").cast(pa.string()).fill_null(""),
                    batch.rows.column("size").cast(pa.int64()),
                ]
                file.write_batch(pa.record_batch(columns, schema=_rows_schema()))
                counts[batch.shard.index] = counts.get(batch.shard.index, 0) + len(batch.numbers)
        return counts

    def take_report(self, rows: Iterable[ReportRow]) -> ReportCounts:
        """
        Take the rows of AWS's report, with raw keys; return how many there are.

        Raises:
            JobDamagedError: a row is about another bucket.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema, failed, place = _report_schema(), 0, 0
        with pq.ParquetWriter(self._report, schema) as file:
            buffer: list[dict[str, Any]] = []
            for place, row in enumerate(rows, start=1):
                failed += row.task_status == FAILED
                buffer.append(self._told(row, place))
                if len(buffer) >= _BATCH_ROWS:
                    file.write_batch(pa.RecordBatch.from_pylist(buffer, schema))
                    buffer.clear()
            file.write_batch(pa.RecordBatch.from_pylist(buffer, schema))
        return ReportCounts(place - failed, failed)

    def rows(self) -> Iterator[ToldRow]:
        """
        Yield the round's rows, each once, in the manifest's order.

        Raises:
            InfrastructureError: DuckDB's memory or the disk is not enough.
        """
        import pyarrow.parquet as pq

        with pq.ParquetFile(self._join()) as file:
            for batch in file.iter_batches(_BATCH_ROWS, use_threads=False):
                yield from self._told_rows(batch)

    def _join(self) -> Path:
        from airflow_s3batch.manifests.sql.duck import open_locked, quoted, sentences

        path = self._rows
        tables = {"rows": quoted(str(self._rows)), "report": quoted(str(self._report))}
        with sentences("AWS's report can't be joined with the manifest"):
            connection = open_locked(self._folder, memory_limit=self._memory_limit, threads=1)
            try:
                for name, query in _STEPS.items():
                    path = self._folder / f"{name}.parquet"
                    target = quoted(str(path))
                    connection.execute(
                        f"COPY ({query.format(**tables)}) TO {target} (FORMAT parquet, ROW_GROUP_SIZE 100_000)"
                    )
                    tables[name] = target
            finally:
                connection.close()
        return path

    def _told(self, row: ReportRow, place: int) -> dict[str, Any]:
        if row.bucket != self._ref.bucket:
            raise JobDamagedError(
                f"AWS's report is about bucket {row.bucket!r} in row {place:,}, its job was about {self._ref.bucket!r}"
            )
        is_failed = row.task_status == FAILED
        code = row.error_code or code_of_status(row.http_status or 0)
        return {
            "place": place,
            "key": row.key,
            "version_id": (row.version_id or "null") if self._ref.has_versions else "",
            "is_failed": is_failed,
            "http_status": row.http_status or 0,
            "error_code": _plain_code(code) if is_failed else "",
            "message": row.message[:_MOST_MESSAGE],
        }

    def _told_rows(self, batch: pa.RecordBatch) -> Iterator[ToldRow]:
        columns = (batch.column(name).to_pylist() for name in batch.schema.names)
        for shard, number, key, version_id, size, status, code, message in zip(*columns, strict=True):
            outcome = None if status is None else Outcome(status, code, message)
            yield ToldRow(shard, number, key, version_id or None, size, outcome)


def _plain_code(code: str) -> str:
    """Return *code* fit for a column that is never quoted."""
    return "".join(mark if mark.isalnum() or mark in "._-" else "_" for mark in code)[:128]


def _rows_schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            ("shard", pa.int32()),
            ("number", pa.int64()),
            ("key", pa.string()),
            ("version_id", pa.string()),
            ("size", pa.int64()),
        ]
    )


def _report_schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            ("place", pa.int64()),
            ("key", pa.string()),
            ("version_id", pa.string()),
            ("is_failed", pa.bool_()),
            ("http_status", pa.int32()),
            ("error_code", pa.string()),
            ("message", pa.string()),
        ]
    )
