"""Who filters an inventory into a manifest, or into one file; run as a program, it measures one of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring import Cost, measured_here
from benchmarks.planning.inventories import BUCKET, COLUMNS, CREATED, WHERE, Inventory

PLANNER, FETCH, DUCKDB = "planner", "planner, only fetching", "DuckDB"
MEMORY_LIMIT = "512MB"
THREADS = 2


class Task(NamedTuple):
    """What a contender is to do: filter *inventory* by *share*, a name in `WHERE`; *folder* takes its files."""

    contender: str
    inventory: Inventory
    share: str
    folder: Path

    def to_json(self) -> str:
        """Return what `from_json` reads."""
        root, url, paths, file_format, rows = self.inventory
        inventory = [str(root), url, [str(path) for path in paths], file_format, rows]
        return json.dumps([self.contender, inventory, self.share, str(self.folder)])

    @classmethod
    def from_json(cls, text: str) -> Task:
        """Return what `to_json` wrote."""
        contender, (root, url, paths, file_format, rows), share, folder = json.loads(text)
        inventory = Inventory(Path(root), url, [Path(path) for path in paths], file_format, rows)
        return cls(contender, inventory, share, Path(folder))


Run = Callable[[], int]


def with_planner(task: Task) -> Run:
    """Publish the manifest, as `InventoryToManifestOperator` does: fetched, verified, filtered, dealt into shards."""
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.manifests.planning.publish import publish_manifest
    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.inventory import Inventory as InventorySource
    from benchmarks.planning.folder_storage import FolderStorage

    def run() -> int:
        manifest = publish_manifest(
            FolderStorage(task.inventory.root),
            S3Url(task.folder.name, "jobs"),  # the folder lies in the root, like a bucket
            "job",
            Selection(InventorySource.of(task.inventory.url), WHERE[task.share]),
            now=CREATED,
            staging_dir=task.folder,
            memory_limit=MEMORY_LIMIT,
            threads=THREADS,
        )
        return manifest.rows

    return run


def with_fetch(task: Task) -> Run:
    """Fetch and verify the data files as the planner does, and do nothing with them."""
    import datetime as dt

    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.manifests.planning.filtering.fetch import fetch_batches
    from airflow_s3batch.manifests.sources.dataset import Place
    from airflow_s3batch.manifests.sources.inventory import Inventory as InventorySource
    from benchmarks.planning.folder_storage import FolderStorage

    storage = FolderStorage(task.inventory.root)

    def run() -> int:
        place = Place(storage, JobLayout(S3Url(BUCKET, "none")), None, dt.datetime.now(dt.UTC), lambda _line: None)
        for dataset in InventorySource.of(task.inventory.url).find(place).datasets:
            for _ in fetch_batches(storage, dataset, task.folder):
                pass
        return 0

    return run


def with_duckdb(task: Task) -> Run:
    """Write one Parquet file by one COPY over the same files, keys decoded; nothing is fetched or verified."""
    import duckdb

    paths = [str(path) for path in task.inventory.paths]
    if task.inventory.file_format == "CSV":
        types = {"size": "BIGINT", "last_modified_date": "TIMESTAMP", "is_multipart_uploaded": "BOOLEAN"}
        columns = {name: types.get(name, "VARCHAR") for name in COLUMNS}
        table = f"read_csv({paths}, columns = {columns}, auto_detect = false, header = false, quote = '\"')"
        key = "url_decode(replace(key, '+', ' '))"
    else:
        table, key = f"read_parquet({paths})", "key"
    query = (
        f"SELECT bucket, {key} AS key, CAST(NULL AS VARCHAR) AS version_id, size, e_tag, storage_class, "
        f"TRUE AS is_latest FROM {table} WHERE {WHERE[task.share]}"
    )

    def run() -> int:
        with duckdb.connect() as connection:
            connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
            connection.execute(f"SET threads = {THREADS}")
            target = task.folder / "rows.parquet"
            row = connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)").fetchone()
            return int(row[0]) if row else 0

    return run


def with_polars(task: Task) -> Run:
    """Write one Parquet file through polars' streaming engine; keys of CSV files stay encoded."""
    import polars as pl

    paths = task.inventory.paths
    if task.inventory.file_format == "CSV":
        schema = dict.fromkeys(COLUMNS, pl.String) | {"size": pl.Int64}
        rows = pl.scan_csv(paths, has_header=False, schema=pl.Schema(schema))
    else:
        rows = pl.scan_parquet(paths)
    if task.share != "all":
        rows = rows.filter((pl.col("encryption_status") == "NOT-SSE") & (pl.col("size") > 50_000_000))
    outputs = [
        "bucket",
        "key",
        pl.lit(None, pl.String).alias("version_id"),
        "size",
        "e_tag",
        "storage_class",
        pl.lit(value=True).alias("is_latest"),
    ]
    target = task.folder / "rows.parquet"

    def run() -> int:
        rows.select(outputs).sink_parquet(target, compression="zstd")
        return _rows_of(target)

    return run


def with_pandas(task: Task) -> Run:
    """Filter file by file with pandas, and write one Parquet file; keys of CSV files stay encoded."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    is_csv = task.inventory.file_format == "CSV"
    used = ["bucket", "key", "size", "e_tag", "storage_class", "encryption_status"]
    target = task.folder / "rows.parquet"

    def one(path: Path) -> pa.Table:
        if is_csv:
            rows = pd.read_csv(path, header=None, names=list(COLUMNS), usecols=used)
        else:
            rows = pd.read_parquet(path, columns=used)
        if task.share != "all":
            rows = rows[(rows["encryption_status"] == "NOT-SSE") & (rows["size"] > 50_000_000)]
        rows = rows.drop(columns="encryption_status").assign(version_id=None, is_latest=True)
        return pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata()

    def run() -> int:
        first, *others = task.inventory.paths
        table = one(first)
        with pq.ParquetWriter(target, table.schema, compression="zstd") as writer:
            writer.write_table(table)
            for path in others:
                writer.write_table(one(path))
        return _rows_of(target)

    return run


CONTENDERS: dict[str, Callable[[Task], Run]] = {
    PLANNER: with_planner,
    FETCH: with_fetch,
    DUCKDB: with_duckdb,
    "polars": with_polars,
    "pandas": with_pandas,
}


def _rows_of(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def main() -> None:
    """Do the task of the command line; print its cost and how many rows it selected, as JSON."""
    task = Task.from_json(sys.argv[1])
    run = CONTENDERS[task.contender](task)
    selected: list[int] = []
    cost: Cost = measured_here(task.inventory.rows, lambda: selected.append(run()))
    print(json.dumps([*cost, selected[0]]))


if __name__ == "__main__":
    main()
