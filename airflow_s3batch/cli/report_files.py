"""Finds a completion report and its summary; of a report that has none, such as AWS's own, it counts the rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.cli.places import Found, nearest
from airflow_s3batch.core.completion_report import FORMAT as REPORT_FORMAT
from airflow_s3batch.core.completion_report import SUCCEEDED
from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.outcomes import Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.reports.summary import FORMAT as SUMMARY_FORMAT

if TYPE_CHECKING:
    from airflow_s3batch.core.completion_report import ReportRow
    from airflow_s3batch.engine.files.storage import Storage

_SUMMARY = re.compile(r"airflow-s3batch-summary/\d+")
MOST_CODES = 1_000


class ReportPlace(NamedTuple):
    """
    A completion report.

    Attributes:
        folder: where its files lie.
        summary: what ``summary.json`` says; of a report of AWS's, what was counted.
    """

    folder: S3Url
    summary: Mapping[str, Any]


def report_at(storage: Storage, url: str) -> ReportPlace:
    """
    Return the completion report at *url*: of a job, a report's folder or any file below it; ours or AWS's.

    Raises:
        ArgumentError: *url* is not an S3 URL.
        ManifestError: there is none.
        LaterReleaseError: there is one, with a summary of a later release.
        AccessError: the store refuses.
    """
    place = S3Url.parse(url)
    found = nearest(storage, place, ("report/summary.json", "summary.json"), _is_summary)
    if found is not None:
        check_format(found.document["format"], SUMMARY_FORMAT, place=str(found.url))
        return ReportPlace(_folder(found), found.document)
    found = nearest(storage, place, ("report/manifest.json", "manifest.json"), _is_report)
    if found is None:
        raise ManifestError(
            f"{url}: there is no completion report here or above. If the job still runs, there is none yet "
            f"(s3batch status {url}); the jobs below a job_url are listed by: s3batch jobs s3://…"
        )
    return ReportPlace(_folder(found), _counted(storage, found.url))


def _folder(found: Found) -> S3Url:
    return S3Url(found.url.bucket, found.url.key.rpartition("/")[0])


def _is_summary(document: Mapping[str, Any]) -> bool:
    return bool(_SUMMARY.fullmatch(str(document.get("format"))))


def _is_report(document: Mapping[str, Any]) -> bool:
    return document.get("Format") == REPORT_FORMAT


def _counted(storage: Storage, url: S3Url) -> dict[str, Any]:
    """Return the counts of a report without a summary; in bounded memory, as rare codes are put together."""
    from airflow_s3batch.reports.read import read_rows

    tally = Tally()
    for row in read_rows(storage, str(url)):
        if row.task_status == SUCCEEDED:
            tally.succeeded += 1
        else:
            code = row.error_code or str(row.http_status or "failed")
            code = code if code in tally.codes or len(tally.codes) < MOST_CODES else "other codes"
            tally.add_failures(code, 1, [example_url(row)])
    return {
        "report_url": str(url),
        "objects": tally.objects,
        **tally.to_json(),
        "codes": dict(sorted(tally.codes.items(), key=lambda item: (-item[1], item[0]))),
        "counted_failures": tally.failed,
        "is_green": not tally.failed,
        "sentence": tally.sentence() + ".",
    }


def example_url(row: ReportRow) -> str:
    """Return the URL of a row's object, with its key encoded as in summaries."""
    version = f"?versionId={row.version_id}" if row.version_id else ""
    return f"s3://{row.bucket}/{encode_key(row.key)}{version}"
