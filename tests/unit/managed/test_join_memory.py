"""The join of AWS's report with the manifest needs no more memory for more rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from airflow_s3batch.core.completion_report import ReportRow
from airflow_s3batch.core.manifest import ShardFile
from airflow_s3batch.managed.buckets import BucketRef
from airflow_s3batch.managed.outcome_join import OutcomeJoin
from airflow_s3batch.managed.rows import RowBatch

ROWS = 700_000


def test_more_rows_than_fit_into_the_memory_limit_are_joined(tmp_path: Path) -> None:
    """DuckDB moves to disk what is too much, if it has one thing to do at a time."""
    names = [f"some/folder/with a longer name/{number:09d}+ü.bin" for number in range(ROWS)]
    table = {"key": pa.array(names), "version_id": pa.nulls(ROWS, pa.string()), "size": pa.nulls(ROWS, pa.int64())}
    shard = ShardFile(0, "shard", ROWS, 0, 0, "")
    join = OutcomeJoin(tmp_path, BucketRef("s3://ops/job", "lake", ROWS), memory_limit="128MB")
    join.take_rows([RowBatch(shard, list(range(ROWS)), pa.record_batch(table))])
    join.take_report(ReportRow("lake", name, "", "succeeded", 200, "", "Successful") for name in names)
    numbers = [row.number for row in join.rows() if row.outcome]
    assert numbers == list(range(ROWS))
