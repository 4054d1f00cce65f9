"""
AWS's completion report: its CSV rows and its ``manifest.json``, read and written.

AWS declares the columns as ``… TaskStatus, ErrorCode, HTTPStatusCode …`` but writes ``… TaskStatus,
HTTPStatusCode, ErrorCode …``. We write what AWS writes, and read either by looking at which of the two is a number.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html
"""

from __future__ import annotations

import csv
import functools
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.s3url import S3Url

FORMAT = "Report_CSV_20180820"
SCHEMA = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"
SUCCEEDED = "succeeded"
FAILED = "failed"

_PLAIN = re.compile(r"[\w .:/=+@()'-]*", re.ASCII).fullmatch


class ReportRow(NamedTuple):
    """
    One row of a completion report.

    Attributes:
        key: as spelled in the file, that is URL-encoded; `airflow_s3batch.core.keys.decode_key` gives the raw key.
        version_id: empty if there was none.
        http_status: ``None`` if the file has no number there.
    """

    bucket: str
    key: str
    version_id: str
    task_status: str
    http_status: int | None
    error_code: str
    message: str


def format_row(bucket: str, encoded_key: str, version_id: str | None, outcome: Outcome) -> str:
    """Return one CSV line, line feed included, in the order in which AWS writes the columns."""
    version = _field(version_id) if version_id else ""
    return f"{_bucket_field(bucket)},{encoded_key},{version},{_outcome_fields(outcome)}\n"


@functools.lru_cache(128)
def _outcome_fields(outcome: Outcome) -> str:
    status = FAILED if outcome.error_code else SUCCEEDED
    return f"{status},{outcome.http_status},{_field(outcome.error_code)},{_field(outcome.message)}"


@functools.lru_cache(128)
def _bucket_field(bucket: str) -> str:
    return _field(bucket)


def _field(text: str) -> str:
    """Return *text* as a CSV field on one line: what can't be printed becomes a space."""
    if _PLAIN(text):
        return text
    printable = "".join(character if character.isprintable() else " " for character in text)
    return '"' + printable.replace('"', '""') + '"'


def parse_rows(text: str, *, place: str) -> Iterator[ReportRow]:
    """
    Yield the rows of one result file; *place* is its URL for the error.

    Reads AWS's rows and ours, either order of code and status, and the documented rows that lack the VersionId column.

    Raises:
        ManifestError: a row has no task status where one is expected.
    """
    return parse_lines(io.StringIO(text, newline=""), place=place)


def parse_lines(lines: Iterable[str], *, place: str) -> Iterator[ReportRow]:
    """Yield the rows of one result file as `parse_rows` does, from *lines*: a file opened with ``newline=""``."""
    for number, fields in enumerate(csv.reader(lines), start=1):
        if not fields:
            continue
        if len(fields) == 6 and fields[2] in (SUCCEEDED, FAILED):
            fields.insert(2, "")
        if len(fields) != 7 or fields[3] not in (SUCCEEDED, FAILED):
            raise ManifestError(f"{place}: row {number} is not a completion report row; expected {SCHEMA}")
        bucket, key, version_id, status, fifth, sixth, message = fields
        if sixth.isdigit() and not fifth.isdigit():
            fifth, sixth = sixth, fifth
        yield ReportRow(bucket, key, version_id, status, int(fifth) if fifth.isdigit() else None, sixth, message)


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One CSV file that a report lists: *status* is ``succeeded`` or ``failed``, *md5* in hex."""

    status: str
    url: S3Url
    md5: str


def report_manifest(results: Iterable[ResultFile], created: str) -> str:
    """Return a report's ``manifest.json``; *created* is an ISO-8601 UTC time with milliseconds and ``Z``."""
    return "".join(report_manifest_pieces(results, created))


def report_manifest_pieces(results: Iterable[ResultFile], created: str) -> Iterator[str]:
    """Yield the text of a report's ``manifest.json`` piece by piece, for reports with very many *results*."""
    yield f'{{"Format": "{FORMAT}",\n "ReportCreationDate": "{created}",\n "Results": ['
    separator = "\n  "
    for result in results:
        entry = {
            "TaskExecutionStatus": result.status,
            "Bucket": result.url.bucket,
            "MD5Checksum": result.md5,
            "Key": result.url.key,
        }
        yield separator + json.dumps(entry)
        separator = ",\n  "
    yield f'],\n "ReportSchema": "{SCHEMA}"}}\n'


def parse_report_manifest(text: str | bytes, *, place: str) -> list[ResultFile]:
    """
    Return the result files that a report's ``manifest.json`` lists.

    Raises:
        ManifestError: *text* is not such a manifest.
    """
    try:
        data = json.loads(text)
        if data["Format"] != FORMAT:
            raise ManifestError(f"{place}: Format is {data['Format']!r}; expected {FORMAT!r}")
        return [
            ResultFile(entry["TaskExecutionStatus"], S3Url(entry["Bucket"], entry["Key"]), entry["MD5Checksum"])
            for entry in data["Results"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{place}: not the manifest.json of a completion report ({error!r})") from None
