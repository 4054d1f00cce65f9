"""Jobs that were done and reported on, without doing them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from deliveries import Rows, published_rows

from airflow_s3batch.core.completion_report import FAILED, SUCCEEDED, ResultFile, format_row, report_manifest
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.series import note_report

if TYPE_CHECKING:
    from airflow_s3batch.testing.storage import MemoryStorage


def row(key: str, body: int = 1, **more: Any) -> dict[str, Any]:
    """Return an inventory row whose ETag and size tell its *body*."""
    return {"key": key, "e_tag": f"{body:032x}", "size": body, "storage_class": "STANDARD", **more}


def finish(storage: MemoryStorage, manifest: Manifest, failed: Collection[str] = ()) -> list[str]:
    """Write the report of a job in which the keys *failed* failed, and take note; return the keys that succeeded."""
    rows = published_rows(storage, manifest)
    write_report(storage, JobLayout(manifest.job_url).report, rows, failed)
    note_report(storage, manifest.job_url)
    return [each["key"] for each in rows if each["key"] not in failed]


def write_report(storage: MemoryStorage, folder: S3Url, rows: Rows, failed: Collection[str] = ()) -> None:
    results = []
    for status, outcome in ((SUCCEEDED, Outcome(200)), (FAILED, Outcome(403, "AccessDenied", 'a, "b"'))):
        of_status = [each for each in rows if (each["key"] in failed) == (status == FAILED)]
        lines = (format_row(r["bucket"], encode_key(r["key"]), r.get("version_id"), outcome) for r in of_status)
        body = "".join(lines).encode()
        place = folder / f"results/{hashlib.sha1(body).hexdigest()}.csv"
        storage.write(place, body)
        results.append(ResultFile(status, place, hashlib.md5(body).hexdigest()))
    storage.write(folder / "manifest.json", report_manifest(results, "2026-11-22T10:00:00.000Z").encode())


def keys(storage: MemoryStorage, manifest: Manifest) -> list[str]:
    return sorted(each["key"] for each in published_rows(storage, manifest))
