"""Files that a test writes as a source of rows: looked at as its SQL sees them, and as a manifest of them."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from deliveries import JOBS, NOW, published_rows

from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.filtering.faults import in_inventory_words
from airflow_s3batch.manifests.planning.filtering.scan import inventory_query
from airflow_s3batch.manifests.planning.publish import publish_manifest
from airflow_s3batch.manifests.planning.selection import Selection
from airflow_s3batch.manifests.sources.dataset import Place
from airflow_s3batch.manifests.sql.duck import open_locked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_s3batch.manifests.sources.dataset import Source
    from airflow_s3batch.testing.storage import MemoryStorage

IN = S3Url("in", "m")
Row = dict[str, Any]


def put(storage: MemoryStorage, files: Mapping[str, bytes | str | pa.Table]) -> str:
    """Write *files*, by name, to a folder; return its URL."""
    for name, body in files.items():
        data = body.encode() if isinstance(body, str) else parquet(body) if isinstance(body, pa.Table) else body
        storage.write(IN / name, data)
    return f"{IN}/"


def parquet(table: pa.Table) -> bytes:
    """Return *table* as a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def place(storage: MemoryStorage) -> Place:
    """Return a job to be made in *storage*."""
    return Place(storage, JobLayout(JOBS / "job"), None, NOW, lambda _line: None)


def seen(storage: MemoryStorage, source: Source) -> list[Row]:
    """Return the rows of *source* as SQL sees them: what a second attempt finds that was pinned by the first."""
    found = source.find(place(storage))
    found = source.again(place(storage), found.pinned)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, open_locked(Path(name).resolve(), threads=1) as connection:
        for dataset in found.datasets:
            batch = {Path(name).resolve() / f"data-{number}": file for number, file in enumerate(dataset.files)}
            for path, file in batch.items():
                storage.download(dataset.file_url(file), path)
            if batch:
                with in_inventory_words(dataset, batch):
                    table = connection.sql(inventory_query(dataset, list(batch))).to_arrow_table()
                rows += table.to_pylist()
                assert table.column_names == [column.name for column in dataset.sql_columns]
    return rows


def objects_of(storage: MemoryStorage, source: Source) -> list[tuple[str, str, str | None]]:
    """Return bucket, key and version of all rows of *source*."""
    return [(row["bucket"], row["key"], row["version_id"]) for row in seen(storage, source)]


def rows_of(storage: MemoryStorage, source: Source, where: str = "TRUE", **more: Any) -> list[Row]:
    """Publish a manifest of *source*; return its rows without what is unknown."""
    selection = Selection(source, where=where, **more)
    manifest = publish_manifest(storage, JOBS, "job", selection, now=NOW, threads=1)
    rows = published_rows(storage, manifest)
    return [{name: value for name, value in row.items() if value is not None} for row in rows]
