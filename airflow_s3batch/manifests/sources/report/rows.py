"""
Turns the result files of a completion report into data files of the job that is to be made, a bounded amount at a time.

They are the job's own then: whatever becomes of the report, a later attempt reads the same.
"""

from __future__ import annotations

import contextlib
import hashlib
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.completion_report import ResultFile, parse_lines
from airflow_s3batch.core.errors import InventoryError, ManifestError
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.engine.files.staging import staging_folder
from airflow_s3batch.engine.shards.shard_file import fetch_shard
from airflow_s3batch.manifests.sources.dataset import DataFile
from airflow_s3batch.manifests.sources.report.files import Report, fetch_result
from airflow_s3batch.manifests.sources.report.ranges import RangePlace, Ranges, located
from airflow_s3batch.manifests.sources.report.sql import aws_rows, our_rows
from airflow_s3batch.manifests.sources.row_values import BROKEN_PERCENT
from airflow_s3batch.manifests.sql.duck import open_locked, sentences
from airflow_s3batch.manifests.sql.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import duckdb

    from airflow_s3batch.manifests.sources.dataset import Place

FILES_AT_ONCE = 32
"""Result files of row ranges (of 10,000 rows at most) that lie on the local disk at a time."""
THREADS = 8


class Bench(NamedTuple):
    """
    Where the work is done.

    Attributes:
        folder: local, with room for one shard file and some result files.
        connection: sees *folder*.
        place: of the job that is to be made.
    """

    folder: Path
    connection: duckdb.DuckDBPyConnection
    place: Place


@contextlib.contextmanager
def workbench(place: Place) -> Iterator[Bench]:
    """Yield a bench in a new local folder, for *place*."""
    with staging_folder(place.staging_dir) as folder, open_locked(folder, memory_limit="512MB") as connection:
        yield Bench(folder, connection, place)


def aws_files(bench: Bench, results: Sequence[ResultFile]) -> Iterator[DataFile]:
    """
    Yield a data file for each of AWS's *results*.

    Raises:
        InventoryError: a file is gone, altered, or holds something else.
    """
    path = bench.folder / "result.csv"
    for number, result in enumerate(results):
        fetch_result(bench.place.storage, result, path)
        try:
            with sentences(f"{result.url}"):
                rows = _write(bench, aws_rows(path, result.status))
        except ManifestError as error:
            raise InventoryError(_fault(path, result) or str(error)) from None
        yield from _stored(bench, number, rows)


def our_files(
    bench: Bench, report: Report, manifest: Manifest, extra: Sequence[str], statuses: Sequence[str]
) -> Iterator[DataFile]:
    """
    Yield data files with the rows of *report* that have one of *statuses*, in the order of the job's *manifest*.

    Memory and local disk are bounded by one shard and some result files, however many rows there are.

    Raises:
        InventoryError: the report is not about *manifest*, or one of its files is gone or altered.
        JobDamagedError: a shard of the manifest is.
    """
    storage, total, number = bench.place.storage, 0, 0

    def body_of(result: ResultFile) -> bytes:
        path = bench.folder / "rewritten.csv"
        fetch_result(storage, result, path)
        return path.read_bytes()

    found = located(report.url, report.results, Ranges(manifest), body_of, statuses=statuses)
    for shard, entries in groupby(found, lambda entry: entry[0].shard):
        path = fetch_shard(storage, report.job_url.bucket, manifest.shards[shard], bench.folder)
        for batch in _fetched(bench, entries):
            rows = _joined(bench, report, batch, our_rows(batch, path, manifest.range_rows, extra))
            yield from _stored(bench, number, rows)
            total, number = total + rows, number + 1
        path.unlink()
    _check_total(report, statuses, total)


def _fetched(bench: Bench, entries: Iterable[tuple[RangePlace, ResultFile]]) -> Iterator[dict[Path, int]]:
    """Yield the result files in batches: row ranges by local path; each batch is deleted after use."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="report") as pool:
        for batch in _batches(entries):
            paths = {bench.folder / f"result-{number}.csv": entry for number, entry in enumerate(batch)}
            list(pool.map(lambda path: fetch_result(bench.place.storage, paths[path][1], path), paths))  # noqa: B023
            yield {path: place.range_index for path, (place, _) in paths.items()}
            for path in paths:
                path.unlink()


def _batches(entries: Iterable[tuple[RangePlace, ResultFile]]) -> Iterator[list[tuple[RangePlace, ResultFile]]]:
    """Yield *entries* in batches, all of one row range together: an object that is there twice is told of twice."""
    batch: list[tuple[RangePlace, ResultFile]] = []
    for entry in entries:
        if len(batch) >= FILES_AT_ONCE and entry[0] != batch[-1][0]:
            yield batch
            batch = []
        batch.append(entry)
    if batch:
        yield batch


def _joined(bench: Bench, report: Report, batch: dict[Path, int], query: str) -> int:
    """Write what *query* gives; every line of the result files *batch* must be in it."""
    try:
        with sentences(f"{report.url}: its rows can't be joined with those of the job's manifest"):
            rows = _write(bench, query)
    except ManifestError as error:
        raise InventoryError(str(error)) from None
    told = sum(path.read_bytes().count(b"\n") for path in batch)
    if rows != told:
        raise InventoryError(
            f"{report.url}: {told - rows:,} of {told:,} rows are about objects that the job's manifest does not have "
            "where it should; the report, or the manifest, is another job's"
        )
    return rows


def _check_total(report: Report, statuses: Sequence[str], total: int) -> None:
    told = sum(int((report.summary or {})[status]) for status in statuses)
    if total != told:
        raise InventoryError(
            f"{report.url}: its files have {total:,} rows that {' or '.join(statuses)}, its summary says {told:,}; "
            "clear the job's report task, so that it makes the report again"
        )


def _write(bench: Bench, query: str) -> int:
    target = quoted(str(bench.folder / "rows.parquet"))
    row = bench.connection.execute(f"COPY ({query}) TO {target} (FORMAT parquet, COMPRESSION zstd)").fetchone()
    return int(row[0]) if row else 0


def _stored(bench: Bench, number: int, rows: int) -> Iterator[DataFile]:
    """Upload what was written, if it has *rows*, under a name that tells its content: two attempts don't mix theirs."""
    path = bench.folder / "rows.parquet"
    if rows:
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        url = bench.place.layout.source / f"report-{number:06d}-{md5[:16]}.parquet"
        size = path.stat().st_size
        bench.place.storage.upload(path, url, "application/vnd.apache.parquet")
        yield DataFile(url.key, size, md5)
    path.unlink()


def _fault(path: Path, result: ResultFile) -> str:
    """Return what is wrong with the first row that is no row of a report; empty if all are."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            for number, row in enumerate(parse_lines(lines, place=str(result.url)), start=1):
                if BROKEN_PERCENT.search(row.key):
                    return f"{result.url}: row {number}: key field {row.key!r} is not URL-encoded"
                if row.task_status != result.status:
                    return f"{result.url}: row {number} is {row.task_status}, but listed as {result.status}"
    except (ManifestError, UnicodeDecodeError) as error:
        return str(error) if isinstance(error, ManifestError) else f"{result.url}: not UTF-8 at byte {error.start}"
    return ""
