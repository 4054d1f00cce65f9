"""Finds a completion report, ours or AWS's, and fetches its result files; nothing in it is believed unchecked."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.completion_report import ResultFile, parse_report_manifest
from airflow_s3batch.core.errors import AccessError, InventoryError, ManifestError
from airflow_s3batch.core.formats import check_format, is_later
from airflow_s3batch.core.report_marks import verification_mark
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airflow_s3batch.engine.files.storage import Storage

SUMMARY_FORMAT = "airflow-s3batch-summary/1"
_OURS = "/report/manifest.json"
_MAKE_IT_AGAIN = "clear the job's report task, so that it makes the report again"


@dataclass(frozen=True, slots=True)
class Report:
    """
    A completion report.

    Attributes:
        url: of its ``manifest.json``; *md5* of that, hex.
        created: as it says itself; ``None`` if it does not.
        results: its files, in its order.
        summary: what lies beside it if a job of this package made it, else ``None``.
    """

    url: S3Url
    md5: str
    created: dt.datetime | None
    results: tuple[ResultFile, ...]
    summary: Mapping[str, Any] | None

    @property
    def job_url(self) -> S3Url:
        """Folder of the job whose report this is, if it is one of ours."""
        return S3Url(self.url.bucket, self.url.key.removesuffix(_OURS))


def find_report(storage: Storage, url: S3Url) -> Report:
    """
    Return the report at *url*: a report's ``manifest.json``, the folder it is in, or a job.

    Raises:
        InventoryError: there is none, it was altered, or it is not whole.
    """
    place, body = _manifest(storage, url)
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    _check_beside(storage, place, md5)
    try:
        results = tuple(parse_report_manifest(body, place=str(place)))
    except ManifestError as error:
        raise InventoryError(str(error)) from None
    summary = _summary(storage, place)
    report = Report(place, md5, _created(body), results, summary)
    if summary is not None:
        _check_whole(report, summary)
    return report


def fetch_result(storage: Storage, result: ResultFile, path: Path) -> None:
    """
    Bring *result* to the local *path*.

    Raises:
        InventoryError: it is gone, or not what the report says.
    """
    try:
        storage.download(result.url, path)
    except AccessError as error:
        raise InventoryError(f"the completion report lists a file that can't be read: {error}") from error
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if md5 != result.md5.lower():
        raise InventoryError(f"{result.url}: altered since the report was made: MD5 is {md5}, listed is {result.md5}")


def _manifest(storage: Storage, url: S3Url) -> tuple[S3Url, bytes]:
    places = [url] if url.key.endswith(".json") else [url / "manifest.json", url / "report/manifest.json"]
    for place in places:
        body = storage.read(place)
        if body is not None:
            return place, body
    raise InventoryError(
        f"{url}: there is no completion report here; looked for {' and '.join(map(str, places))}. A job's report is "
        "there once its report task has run; AWS's can come minutes to hours after the end of its job"
    )


def _check_beside(storage: Storage, place: S3Url, md5: str) -> None:
    """Compare with the digest that is beside the manifest, in ours and in some of AWS's reports."""
    beside = place._replace(key=f"{place.key}.md5")
    told = (storage.read(beside) or b"").decode(errors="replace").strip().lower()
    if re.fullmatch(r"[0-9a-f]{32}", told) and told != md5:
        raise InventoryError(
            f"{place}: its MD5 is {md5}, but {beside} says {told}: it was altered, or is being written"
        )


def _created(body: bytes) -> dt.datetime | None:
    try:
        text = re.sub(r"(\.\d{6})\d+", r"\1", str(json.loads(body)["ReportCreationDate"]))
        found = dt.datetime.fromisoformat(text)
    except (ValueError, KeyError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _summary(storage: Storage, place: S3Url) -> dict[str, Any] | None:
    """
    Return the summary beside a report of ours; ``None`` if there is none, as with a copy of one or with AWS's.

    Raises:
        LaterReleaseError: a later release has written it, and nobody here knows what its rows stand for.
    """
    if not place.key.endswith(_OURS):
        return None
    url = place._replace(key=place.key.replace("manifest.json", "summary.json"))
    body = storage.read(url)
    try:
        found = {} if body is None else dict(json.loads(body))
    except (ValueError, TypeError):
        return None
    if is_later(found.get("format"), SUMMARY_FORMAT):
        check_format(found["format"], SUMMARY_FORMAT, place=str(url))
    return found if found.get("format") == SUMMARY_FORMAT else None


def _check_whole(report: Report, summary: Mapping[str, Any]) -> None:
    """Check that the report and its summary, which are written one after the other, are of one piece."""
    digest = hashlib.sha256()
    for result in report.results:
        digest.update(f"{result.status} {result.url} {result.md5}\n".encode())
    mark, verification = digest.hexdigest()[:16], summary.get("verification")
    if (verification_mark(mark, verification) if verification else mark) != summary["fingerprint"]:
        raise InventoryError(
            f"{report.url}: it lists other files than the summary beside it tells of, so it was altered, or the report "
            f"task was cut short; {_MAKE_IT_AGAIN}"
        )
    if (S3Url.parse(summary["job_url"]) / "") != (report.job_url / ""):
        raise InventoryError(f"{report.url}: this is the report of {summary['job_url']}; name that job instead")


def check_up_to_date(storage: Storage, report: Report) -> None:
    """
    Check that no attempt has added outcomes since *report*, one of ours, was written; both by the store's clock.

    Raises:
        InventoryError: one has.
    """
    written = next((file.last_modified for file in storage.list(report.url) if file.url == report.url), None)
    task = report.job_url / str((report.summary or {})["task_id"]) / ""
    for file in storage.list(task):
        if file.url.key.endswith(".commit.json") and written is not None and file.last_modified > written:
            raise InventoryError(
                f"{report.url}: objects were worked on since this report was made, see {file.url}; wait until the job "
                f"is over and {_MAKE_IT_AGAIN}"
            )
