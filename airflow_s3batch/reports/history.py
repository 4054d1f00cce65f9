"""
What the reports of one task, run after run, leave for the next: the trend.

Each job has one small file, named after the time at which it was started and its id, so that a report that is made
again replaces its own. It is written after the report is there: a process that is killed before leaves no point, and
the next attempt at the report makes up for it.
"""

from __future__ import annotations

import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.core.layout import JobLayout, SeriesLayout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.reports.summary import JobSummary

FORMAT = "airflow-s3batch-history/1"
MOST = 60
"""Jobs that a report looks back on, itself included."""

_MOST_BYTES = 8_192
_MOST_CHARACTERS = 250
_THREADS = 8
_NAME = re.compile(r"(\d{8}T\d{12}Z)-[a-z0-9-]{1,90}\.json")
_COUNTS = ("objects", "succeeded", "failed", "not_attempted", "counted_failures", "bytes")
_TEXTS = ("job_url", "created", "reported", "run_id", "operation")

log = logging.getLogger(__name__)


class History(NamedTuple):
    """The points of a task's jobs, in *folder*; *name* is that of this job's own, ``202611/….json``."""

    folder: S3Url
    name: str

    @classmethod
    def of(cls, job: JobLayout, document: Mapping[str, Any]) -> History | None:
        """Return the history that *job* belongs to, as its ``job.json`` says; ``None`` if that names no task."""
        try:
            series = SeriesLayout.of(job.jobs, document.get("about", {}))
            created = datetime.fromisoformat(str(document.get("created", ""))).astimezone(UTC)
        except (ValueError, TypeError):
            return None
        moment = f"{created:%Y%m%dT%H%M%S%f}Z"
        name = f"{moment[:6]}/{moment}-{job.url.key.rstrip('/').rpartition('/')[2]}.json"
        return cls(series.history, name) if series else None

    def upto(self, storage: Storage, own: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """Return the points of earlier jobs, one for each, oldest first, and this job's *own*."""
        points = {point["job_url"]: point for point in self.earlier(storage)}
        points.pop(own["job_url"], None)
        return (*points.values(), own)

    def earlier(self, storage: Storage) -> list[dict[str, Any]]:
        """
        Return the points of up to `MOST` - 1 jobs that were started before this one, oldest first.

        What is no file of ours is left out. Where the store does not let us look there is no history: the report does
        without.
        """
        try:
            urls = self._newest(storage)
            with ThreadPoolExecutor(_THREADS, "s3batch-history") as pool:
                points = pool.map(lambda url: _read(storage, url), urls)
                return [point for point in points if point is not None]
        except S3BatchError as error:
            if error.is_retryable:
                raise
            log.warning("The report looks back on no earlier job: %s", error)
            return []

    def write(self, storage: Storage, point: Mapping[str, Any]) -> None:
        """Leave this job's *point*."""
        body = json.dumps({"format": FORMAT, **point}, indent=1) + "\n"
        storage.write(self.folder / self.name, body.encode(), "application/json")

    def _newest(self, storage: Storage) -> list[S3Url]:
        """Return the files of the newest jobs before this one, oldest first; looks at no more months than it takes."""
        found: list[str] = []
        months = (name for name in storage.folders(self.folder) if re.fullmatch(r"\d{6}", name))
        for month in sorted((name for name in months if name <= self.name[:6]), reverse=True):
            found = [*self._names(storage, month), *found][-(MOST - 1) :]
            if len(found) == MOST - 1:
                break
        return [self.folder / name for name in found]

    def _names(self, storage: Storage, month: str) -> list[str]:
        names = []
        for file in storage.list(self.folder / f"{month}/"):
            name = file.url.key.removeprefix(f"{self.folder.key}/")
            if _NAME.fullmatch(name.partition("/")[2]) and file.size <= _MOST_BYTES and name < self.name:
                names.append(name)
        return sorted(names)


def point_of(summary: JobSummary, created: str) -> dict[str, Any]:
    """Return what is kept of the report *summary* on a job that was started at *created*."""
    counts = {name: getattr(summary, name) for name in _COUNTS}
    return {
        "job_url": summary.job_url,
        "created": created,
        "reported": summary.created,
        "run_id": str(summary.about.get("run_id", ""))[:_MOST_CHARACTERS],
        "operation": summary.name[:_MOST_CHARACTERS],
        **counts,
        "source_rows": summary.evidence.get("source_rows"),
        "is_green": summary.is_green,
        "dry_run": summary.dry_run,
    }


def _read(storage: Storage, url: S3Url) -> dict[str, Any] | None:
    body = storage.read(url)
    try:
        data = json.loads(body or b"null")
        if data["format"] != FORMAT:
            raise ValueError(data["format"])  # noqa: TRY301 - said below, as for the others
        rows = data["source_rows"]
        return {
            **{name: str(data[name])[:_MOST_CHARACTERS] for name in _TEXTS},
            **{name: int(data[name]) for name in _COUNTS},
            "source_rows": rows if rows is None else int(rows),
            **{name: bool(data[name]) for name in ("is_green", "dry_run")},
        }
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        log.warning("%r: ignored, not what a report leaves for the next (%r)", str(url), error)
        return None
