"""What became of objects in earlier jobs: which failed, and which succeeded in which body, as files on local disk."""

from __future__ import annotations

import hashlib
import itertools
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_s3batch.core.completion_report import FAILED, SUCCEEDED, parse_lines, parse_report_manifest
from airflow_s3batch.core.errors import AccessError, ManifestError
from airflow_s3batch.core.keys import decode_key
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.shards.shard_file import fetch_shard
from airflow_s3batch.manifests.planning.comparing.comparison import report_body
from airflow_s3batch.manifests.sql.duck import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from airflow_s3batch.core.completion_report import ResultFile
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.manifests.planning.comparing.candidates import Candidates, Room

ROWS_AT_A_TIME = 50_000
_AHEAD = 16
_THREADS = 6
_SCHEMA = pa.schema([(name, pa.string()) for name in ("bucket", "key", "version_id")])
_OBJECT = "bucket, key, version_id"
_BODY = f"{_OBJECT}, e_tag, is_latest"


def stage_failed(storage: Storage, report: Mapping[str, Any], path: Path, room: Room) -> int:
    """Write the objects that failed in the pinned *report* to the Parquet file *path*; return how many they are."""
    return _stage_report(storage, report, FAILED, path, room)


def stage_done(storage: Storage, pinned: Mapping[str, Any], done: Candidates, folder: Path, room: Room) -> None:
    """
    Add to *done* what succeeded in the job or report that *pinned* names: object, ETag, whether it was the latest.

    Each row of a job's manifest is in its report exactly once, so what did not fail succeeded. Reports of others tell
    no ETags.

    Raises:
        ManifestError: a file of the report is gone or altered.
        JobDamagedError: a shard is gone or altered.
    """
    path = folder / "outcomes.parquet"
    if "job" not in pinned:
        if _stage_report(storage, pinned["report"], SUCCEEDED, path, room):
            unknown = "CAST(NULL AS VARCHAR) AS e_tag, CAST(NULL AS BOOLEAN) AS is_latest"
            done.add(f"SELECT {_OBJECT}, {unknown} FROM {_read(path)}")
        room.give_back(path)
        return
    stage_failed(storage, pinned["report"], path, room)
    job = JobLayout(S3Url.parse(pinned["job"]))
    manifest = Manifest.from_json(storage.read(job.manifest) or b"", place=str(job.manifest)).of(job.url)
    for shard in manifest.shards:
        rows = fetch_shard(storage, job.url.bucket, shard, folder)
        done.add(f"SELECT {_BODY} FROM {without_failed(_read(rows), _read(path))}")
        rows.unlink()
    room.give_back(path)


def without_failed(rows: str, failed: str) -> str:
    """Return SQL for *rows* without those that are among *failed*, which may have left the version out."""
    return (
        f"{rows} AS row ANTI JOIN {failed} AS failed ON row.bucket = failed.bucket AND row.key = failed.key "
        "AND row.version_id IS NOT DISTINCT FROM failed.version_id "
        f"ANTI JOIN (SELECT DISTINCT bucket, key FROM {failed} WHERE version_id IS NULL) AS vague "
        "ON row.bucket = vague.bucket AND row.key = vague.key"
    )


def _read(path: Path) -> str:
    return f"read_parquet({quoted(str(path))}, hive_partitioning = false)"


def _stage_report(storage: Storage, report: Mapping[str, Any], status: str, path: Path, room: Room) -> int:
    listed = parse_report_manifest(report_body(storage, report), place=report["of"])
    results = [result for result in listed if result.status == status]
    number = 0
    with pq.ParquetWriter(path, _SCHEMA) as writer:
        rows = _rows(storage, results, status, path.parent)
        while chunk := list(itertools.islice(rows, ROWS_AT_A_TIME)):
            number += len(chunk)
            columns = [pa.array(column, pa.string()) for column in zip(*chunk, strict=True)]
            writer.write_table(pa.table(columns, schema=_SCHEMA))
    room.take(path)
    return number


def _rows(
    storage: Storage, results: Iterable[ResultFile], status: str, folder: Path
) -> Iterator[tuple[str, str, str | None]]:
    for path, result in _fetched(storage, results, folder):
        with path.open(encoding="utf-8", newline="") as lines:
            for row in parse_lines(lines, place=str(result.url)):
                if row.task_status == status:
                    yield row.bucket, decode_key(row.key), row.version_id or None
        path.unlink()


def _fetched(storage: Storage, results: Iterable[ResultFile], folder: Path) -> Iterator[tuple[Path, ResultFile]]:
    """Yield *results* with their local copies, in order, some fetched ahead."""
    with ThreadPoolExecutor(_THREADS, "fetch-results") as pool:
        ahead: deque[Future[tuple[Path, ResultFile]]] = deque()
        try:
            for number, result in enumerate(results):
                ahead.append(pool.submit(_fetch, storage, result, folder / f"result-{number % (2 * _AHEAD):03d}.csv"))
                if len(ahead) >= _AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def _fetch(storage: Storage, result: ResultFile, path: Path) -> tuple[Path, ResultFile]:
    try:
        storage.download(result.url, path)
    except AccessError as error:
        raise ManifestError(
            f"a completion report that this job compares with lists a file that is gone: {error}"
        ) from error
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if md5 != result.md5.lower():
        raise ManifestError(f"{result.url}: altered since the report was made: MD5 is {md5}, listed is {result.md5}")
    return path, result
