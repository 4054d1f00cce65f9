"""Reads any completion report, ours or AWS's."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_s3batch.core.completion_report import ReportRow, ResultFile, parse_lines, parse_report_manifest
from airflow_s3batch.core.errors import AccessError, ManifestError
from airflow_s3batch.core.keys import decode_key
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.files.storage import S3Storage, Storage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import boto3
    import pandas as pd
    from botocore.config import Config

ROWS_AT_A_TIME = 100_000
COLUMNS = {
    "bucket": "string",
    "key": "string",
    "version_id": "string",
    "task_status": "string",
    "http_status_code": "Int64",
    "error_code": "string",
    "result_message": "string",
}


def read_report(
    url: str,
    *,
    session: boto3.session.Session | None = None,
    endpoint_url: str | None = None,
    region_name: str | None = None,
    verify: bool | str | None = None,
    config: Config | None = None,
    storage: Storage | None = None,
) -> pd.DataFrame:
    """
    Return a completion report as a data frame with a row per object.

    Columns: ``bucket``, ``key`` (decoded), ``version_id``, ``task_status`` (``succeeded`` or ``failed``),
    ``http_status_code``, ``error_code``, ``result_message``. All are strings but the status code, an ``Int64``.
    What is empty in the report is ``<NA>`` here. The frame holds all rows; `read_rows` needs no such memory.

    Args:
        url: of the report's ``manifest.json``, of the folder it is in, or of the job.
        session: boto3 session, for its credentials.
        endpoint_url: as boto3's S3 client takes it; so *region_name*, *verify* and *config*.
        region_name: see *endpoint_url*.
        verify: see *endpoint_url*.
        config: see *endpoint_url*.
        storage: read from there instead.

    Raises:
        ManifestError: there is no such report, or one of its files is missing, altered or not in its format.
    """
    import pandas as pd

    storage = storage or S3Storage(S3Access(session, endpoint_url, region_name, verify, config))
    rows = read_rows(storage, url)
    frames = []
    while chunk := list(itertools.islice(rows, ROWS_AT_A_TIME)):
        frames.append(_frame(chunk))
    return pd.concat(frames or [_frame([])], ignore_index=True)


def read_rows(storage: Storage, url: str, *, task_status: str | None = None) -> Iterator[ReportRow]:
    """
    Yield the rows of a completion report in the report's order, with raw keys, in bounded memory.

    Each result file is fetched to the local disk and its MD5 compared before its first row is yielded. With
    *task_status* (``succeeded`` or ``failed``) files of the other status are left out.

    Raises:
        ManifestError: as `read_report`.
    """
    with tempfile.TemporaryDirectory(prefix="s3batch-read-") as folder:
        path = Path(folder) / "result.csv"
        for result in _results(storage, S3Url.parse(url)):
            if task_status not in (None, result.status):
                continue
            _fetch(storage, result, path)
            yield from _rows_of(path, str(result.url))


def _results(storage: Storage, url: S3Url) -> list[ResultFile]:
    places = [url] if url.key.endswith(".json") else [url / "manifest.json", url / "report/manifest.json"]
    for place in places:
        body = storage.read(place)
        if body is not None:
            return parse_report_manifest(body, place=str(place))
    raise ManifestError(f"{url}: there is no completion report here; looked for " + " and ".join(map(str, places)))


def _fetch(storage: Storage, result: ResultFile, path: Path) -> None:
    try:
        storage.download(result.url, path)
    except AccessError as error:
        raise ManifestError(f"the completion report lists a file that can't be read: {error}") from error
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if md5 != result.md5.lower():
        raise ManifestError(f"{result.url}: altered since the report was made: MD5 is {md5}, listed is {result.md5}")


def _rows_of(path: Path, place: str) -> Iterator[ReportRow]:
    with path.open(encoding="utf-8", newline="") as lines:
        try:
            for row in parse_lines(lines, place=place):
                yield row._replace(key=decode_key(row.key))
        except UnicodeDecodeError as error:
            raise ManifestError(f"{place}: not UTF-8 at byte {error.start}") from None


def _frame(rows: Sequence[ReportRow]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    return frame.replace("", None).astype(COLUMNS)
