"""
Removes the files of one job.

Safe to kill at any moment and to run again: ``job.json`` is marked first, so that nobody goes on with a job of which
parts are missing; the report goes after the rest, and ``job.json`` last, so that the next cleanup still knows whose
files these are.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.reports.cleanup.cleanup_judging import Judged, is_kept

if TYPE_CHECKING:
    from airflow_s3batch.core.cleanup_rules import CleanupRules
    from airflow_s3batch.engine.files.storage import Storage, StoredFile

_BATCH = 1_000


def remove_job(storage: Storage, job: Judged, rules: CleanupRules, now: datetime) -> Judged:
    """
    Remove the files of *job* but those that *rules* keep; return it with the numbers of what went.

    Memory holds a thousand names.
    """
    layout = JobLayout(job.url)
    last = (layout.report / "summary.json", layout.job)
    _mark(storage, layout, now)
    listed = storage.list(job.url / "")
    if rules.keep_reports:
        listed = (file for file in listed if not is_kept(job.url, file))
    files, size = _delete(storage, (file for file in listed if file.url not in last))
    for url in () if rules.keep_reports else last:
        more_files, more_size = _delete(storage, (file for file in list(storage.list(url)) if file.url == url))
        files, size = files + more_files, size + more_size
    return Judged(job.url, job.reason, files, size)


def _mark(storage: Storage, layout: JobLayout, now: datetime) -> None:
    body = storage.read(layout.job)
    document = json.loads(body) if body is not None else {}
    if document and not document.get("cleaned"):
        document["cleaned"] = now.isoformat()
        storage.write(layout.job, (json.dumps(document, indent=1) + "\n").encode(), "application/json")


def _delete(storage: Storage, files: Iterable[StoredFile]) -> tuple[int, int]:
    """Delete *files*; return how many there were, and their bytes."""
    number, size, rest = 0, 0, iter(files)
    while batch := list(itertools.islice(rest, _BATCH)):
        storage.delete_all([file.url for file in batch])
        number, size = number + len(batch), size + sum(file.size for file in batch)
    return number, size
