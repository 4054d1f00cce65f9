"""Removes old job folders below a ``job_url``, within the guards, and tells what became of all."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError, JobDamagedError, SelectionError
from airflow_s3batch.core.layout import SeriesLayout, cleanup_note
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.reports.accounts.reading_ahead import reading_ahead
from airflow_s3batch.reports.cleanup.cleanup_judging import AT_WORK, DUE, NO_JOB, Judge, Judged, newest_jobs
from airflow_s3batch.reports.cleanup.cleanup_removal import remove_job
from airflow_s3batch.reports.job_folders import job_names, read_job_folder

if TYPE_CHECKING:
    from airflow_s3batch.core.cleanup_rules import CleanupRules
    from airflow_s3batch.engine.files.storage import Storage

FORMAT = "airflow-s3batch-cleanup/1"
MOST_NAMED = 100
_ODD_CLOCK = timedelta(minutes=10)

log = logging.getLogger(__name__)

IsAtWork = Callable[[Mapping[str, Any]], bool]


@dataclass(slots=True)
class Cleanup:
    """
    What a cleanup did, or would do.

    Attributes:
        jobs: removed (or trimmed to their report); *files* and *bytes* of them. Counts only what was really there.
        kept: jobs that stay, by reason.
        named: URLs of the first hundred of the removed.
        refused: of a dry run: why a real one would remove nothing; empty if it would not.
        is_dry: nothing was removed, the numbers say what would be.
    """

    job_url: str
    is_dry: bool
    jobs: int = 0
    files: int = 0
    bytes: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)
    refused: str = ""

    def add(self, job: Judged) -> None:
        """Count *job*, of which so much was removed."""
        self.jobs, self.files, self.bytes = self.jobs + 1, self.files + job.files, self.bytes + job.bytes
        if len(self.named) < MOST_NAMED:
            self.named.append(str(job.url))

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "format": FORMAT,
            "job_url": self.job_url,
            "dry_run": self.is_dry,
            "jobs": self.jobs,
            "files": self.files,
            "bytes": self.bytes,
            "kept": dict(self.kept.most_common()),
            "named": self.named,
            "refused": self.refused,
        }

    def sentence(self) -> str:
        """Return ``removed 1,204 files, 5,000,000 bytes, of 3 jobs; kept 7 jobs (paused 7)``."""
        kept = ", ".join(f"{reason} {number:,}" for reason, number in self.kept.most_common())
        verb = "would remove" if self.is_dry else "removed"
        refused = f"; but a real cleanup would refuse: {self.refused}" if self.refused else ""
        return (
            f"{verb} {self.files:,} files, {self.bytes:,} bytes, of {self.jobs:,} jobs; "
            f"kept {self.kept.total():,} jobs" + (f" ({kept})" if kept else "") + refused
        )


def clean_up(
    storage: Storage,
    job_url: S3Url,
    rules: CleanupRules,
    *,
    now: datetime,
    dry_run: bool = False,
    is_at_work: IsAtWork = lambda _: False,
    seen: Callable[[], None] = lambda: None,
    by: Mapping[str, Any] | None = None,
) -> Cleanup:
    """
    Remove what *rules* let go of the jobs below *job_url*.

    Args:
        storage: where the jobs' files lie.
        job_url: as in the Dags.
        rules: which jobs.
        now: the time, with a time zone. Only a dry run goes by it; else the store tells its own.
        dry_run: only tell what would go; nothing is written.
        is_at_work: whether the Dag run that a job is about (``about`` of ``job.json``) is not over, as far as one can
            know; called for jobs that are otherwise due, in this thread.
        seen: called for each folder that was looked at.
        by: who cleans up, for ``cleanup/last.json``.

    Raises:
        ArgumentError: the rules, or *job_url*, can't be meant.
        SelectionError: more would go than the guards allow; nothing was removed.
    """
    if problems := rules.problems(job_url):
        raise ArgumentError.of("cleanup", problems)
    time = now if dry_run else _store_time(storage, job_url, now)
    judge = Judge(storage, rules, time, _newest(storage, job_url, rules))
    result = Cleanup(str(job_url), dry_run)
    if not dry_run:
        _check_guards(storage, job_url, judge, is_at_work, rules)
    for found in _judged(storage, job_url, judge, is_at_work):
        seen()
        if found.reason == DUE:
            result.add(found if dry_run else remove_job(storage, found, rules, time))
        elif found.reason != NO_JOB:
            result.kept[found.reason] += 1
    if dry_run:
        result.refused = _excess([Judged(job_url, DUE, result.files, result.bytes)], rules, jobs=result.jobs)
    else:
        _write_note(storage, job_url, {**result.to_json(), "at": time.isoformat(), "by": dict(by or {})})
    return result


def _judged(storage: Storage, job_url: S3Url, judge: Judge, is_at_work: IsAtWork) -> Iterator[Judged]:
    for found in reading_ahead(judge.judged, (job_url / name for name in job_names(storage, job_url))):
        if found.reason == DUE and is_at_work(found.about):
            yield Judged(found.url, AT_WORK)
        else:
            yield found


def _check_guards(storage: Storage, job_url: S3Url, judge: Judge, is_at_work: IsAtWork, rules: CleanupRules) -> None:
    """
    Look at all that is due before the first of it goes.

    Raises:
        SelectionError: that is more than *rules* allow.
    """
    if (rules.max_jobs, rules.max_objects) == (None, None):
        return
    if excess := _excess(_judged(storage, job_url, judge, is_at_work), rules):
        raise SelectionError(f"{job_url}: {excess}. Nothing was removed")


def _excess(found: Iterable[Judged], rules: CleanupRules, *, jobs: int = 0) -> str:
    """Return what is more than the guards of *rules* allow, a clause with the next step; empty if nothing is."""
    files = 0
    for judged in found:
        if judged.reason == DUE:
            jobs, files = jobs + 1, files + judged.files
        if rules.max_jobs is not None and jobs > rules.max_jobs:
            return f"more than max_jobs={rules.max_jobs:,} jobs are due; raise it if that is meant, or older_than"
        if rules.max_objects is not None and files > rules.max_objects:
            return f"the jobs that are due have more than max_objects={rules.max_objects:,} files; raise it if meant"
    return ""


def _newest(storage: Storage, job_url: S3Url, rules: CleanupRules) -> Mapping[SeriesLayout, frozenset[str]]:
    if not rules.keep_last:
        return {}
    folders = (job_url / name for name in job_names(storage, job_url))
    return newest_jobs(reading_ahead(lambda url: read_job_folder(storage, url), folders), rules.keep_last)


def _store_time(storage: Storage, job_url: S3Url, now: datetime) -> datetime:
    """Return the store's time, by a file that is written for it: a worker's wrong clock removes nothing young."""
    note = cleanup_note(job_url)
    _write_note(storage, job_url, {"format": FORMAT, "state": "at work"})
    written = next((file.last_modified for file in storage.list(note)), None)
    if written is None:
        raise JobDamagedError(f"{note}: written, but it is not listed; nothing was removed")
    if abs(written - now) > _ODD_CLOCK:
        log.warning("the store's clock says %s, this worker's %s; the store's counts", written, now)
    return written


def _write_note(storage: Storage, job_url: S3Url, document: Mapping[str, Any]) -> None:
    storage.write(cleanup_note(job_url), (json.dumps(document, indent=1) + "\n").encode(), "application/json")
