"""
Which other jobs are at work on the same objects: looked up when an attempt begins, by files below the ``job_url``.

A job's file is written by its attempts as they begin, and goes when the job is reported on. It says who, not whether:
that is judged by the job's own signs of life, so a file that a killed job has left does no harm. All times are the
store's.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.core.layout import GenerationLayout, JobLayout, running_jobs
from airflow_s3batch.core.running_record import RunningName, RunningRecord, bucket_marks, task_mark
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.core.visible import visible
from airflow_s3batch.engine.files.stored_files import json_at
from airflow_s3batch.engine.jobs.job_manifest import published_manifest
from airflow_s3batch.engine.jobs.job_news import ENDED
from airflow_s3batch.engine.jobs.overlap import may_overlap
from airflow_s3batch.engine.jobs.shards_seen import SILENT_S
from airflow_s3batch.engine.rates.shared_share import job_name

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.files.storage import Storage, StoredFile

LONG_GONE = timedelta(days=1)
"""After that the file of a job without a sign of life is deleted."""
AT_AWS = timedelta(days=45)
"""So long a job of AWS whose end nobody has read may be at work."""

Files = dict[RunningName, tuple[S3Url, datetime]]

log = logging.getLogger(__name__)


class Rival(NamedTuple):
    """
    Another job that is at work on objects that this one may touch, and was so first.

    Attributes:
        is_same: it does the same to what is selected in the same way; else it may have objects in common.
    """

    record: RunningRecord
    is_same: bool

    def sentence(self) -> str:
        """Return who it is, for people."""
        who = visible(f"{self.record.dag_id} {self.record.run_id}".strip()) or "somebody"
        does = f"{visible(self.record.operation)} of {who} is at work ({visible(self.record.job_url)})"
        if self.is_same:
            return f"the same is being done by another job already: {does}"
        return f"another job may be at work on the same objects: {does}"


class Running:
    """
    One job among those that are at work below the same ``job_url``.

    Args:
        generation: where the operation task works; its first attempt has not begun yet.
        operation: its name; *what* its fingerprint.
        is_managed: AWS does the work.
        clock: the worker's, Unix seconds; only tells which of two jobs that begin at the same moment was first.
    """

    def __init__(
        self,
        storage: Storage,
        job: JobLayout,
        task_id: str,
        generation: GenerationLayout,
        manifest: Manifest,
        *,
        operation: str,
        what: str,
        is_managed: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        document = json_at(storage, job.job)
        about = document.get("about")
        told = about if isinstance(about, dict) else {}
        self._storage = storage
        self._job = job
        self._manifest = manifest
        self._folder = running_jobs(job.jobs)
        self._name = RunningName(
            job_name(job.name),
            task_mark(task_id, str(generation.url)),
            int(clock() * 1000),
            bucket_marks(manifest.buckets),
        )
        self.record = RunningRecord(
            str(job.url),
            str(generation.url),
            task_id,
            operation,
            what,
            str(document.get("rows_fingerprint") or ""),
            str(told.get("dag_id") or ""),
            str(told.get("run_id") or ""),
            is_managed,
        )

    def rivals(self) -> list[Rival]:
        """
        Say that this job is at work, and return the others that were first, those that do the same before others.

        Four requests; three more for each job at work on one of the same buckets, and the footers of both manifests.

        Raises:
            S3BatchError: the store does not let us.
        """
        now = self._announce(self._files())
        return self._others(self._files(), now)

    def others(self) -> list[Rival]:
        """Return who is at work at the moment when the manifest is published, without saying that this job is."""
        now = next((file.last_modified for file in self._storage.list(self._job.manifest)), datetime.now(UTC))
        files = self._files()
        self._come_after(files)
        return self._others(files, now)

    def _others(self, files: Files, now: datetime) -> list[Rival]:
        found = [
            rival
            for name, (url, at) in files.items()
            if name.job != self._name.job and name.may_touch(self._name.marks)
            for rival in self._seen(name, url, at, now)
        ]
        return sorted(found, key=lambda rival: not rival.is_same)

    def _files(self) -> Files:
        found: Files = {}
        for file in self._storage.list(self._folder / ""):
            if (name := RunningName.read(file.url.key.rpartition("/")[2])) is not None:
                found[name] = file.url, file.last_modified
        return found

    def _announce(self, files: Files) -> datetime:
        """
        Write the job's file anew, which says since when it is at work; return the store's time.

        Another attempt of the job may be at work since longer. Where none is, its file is one that was left behind.
        """
        self._come_after(files)
        own = sorted(name for name in files if (name.job, name.task) == (self._name.job, self._name.task))
        first = own[0] if own else self._name
        now = self._write(first)
        if own and not is_fresh(files[first][1], now) and not is_at_work(self._storage, self.record, now):
            now, own = self._write(self._name), [*own, first]
        else:
            self._name = first
        for name in set(own) - {self._name}:
            self._storage.delete(self._folder / str(name))
        return now

    def _come_after(self, files: Files) -> None:
        """Let the job be later than all that are here already, whatever their workers' clocks; by a day at most."""
        latest = self._name.since + LONG_GONE.total_seconds() * 1000
        others = [name.since for name in files if name.job != self._name.job and name.since < latest]
        self._name = self._name._replace(since=max(self._name.since, *(since + 1 for since in others), 0))

    def _write(self, name: RunningName) -> datetime:
        """Write the file *name*; return when the store says that was."""
        place = self._folder / str(name)
        self._storage.write(place, self.record.to_bytes(), "application/json")
        return next((file.last_modified for file in self._storage.list(place)), datetime.now(UTC))

    def _seen(self, name: RunningName, url: S3Url, at: datetime, now: datetime) -> list[Rival]:
        """Return the job of the file at *url* if it is a rival; one that can't be seen does not hide the others."""
        try:
            return list(self._judged(name, url, at, now))
        except S3BatchError as error:
            log.warning("%s: whether that job is at work can't be seen: %s", url, error)
            return []

    def _judged(self, name: RunningName, url: S3Url, at: datetime, now: datetime) -> Iterator[Rival]:
        record = RunningRecord.read(self._storage.read(url), place=str(url))
        if record is None or record.job_url == self.record.job_url:
            return
        if not is_fresh(at, now) and not is_at_work(self._storage, record, now):
            if at < now - LONG_GONE:
                self._storage.delete(url)
            return
        if (name.since, name.job) > (self._name.since, self._name.job):
            return  # it came later, and has noticed this one
        if self._meets(record):
            yield Rival(record, self.record.is_same_work(record))

    def _meets(self, record: RunningRecord) -> bool:
        """Whether the job of *record* may have objects in common with this one; what can't be looked at may."""
        try:
            other = published_manifest(self._storage, JobLayout(S3Url.parse(record.job_url)))
            return may_overlap(self._storage, self._manifest, other)
        except S3BatchError as error:
            log.info("whether another job is about the same objects can't be seen: %s", error)
            return True


def is_fresh(at: datetime, now: datetime) -> bool:
    """Whether a sign of life at the time *at* says something about the time *now*."""
    return at >= now - timedelta(seconds=SILENT_S)


def is_at_work(storage: Storage, record: RunningRecord, now: datetime) -> bool:
    """
    Whether the job of *record* shows signs of life; *now* is the store's time.

    Raises:
        S3BatchError: the store does not let us see.
    """
    generation = GenerationLayout(S3Url.parse(record.generation))
    if record.is_managed:
        files = list(storage.list(generation.managed / ""))
        return _has_open_round(files) and any(file.last_modified >= now - AT_AWS for file in files)
    return any(is_fresh(at, now) for at in signs_of_life(storage, generation))


def is_open_at_aws(storage: Storage, record: RunningRecord) -> bool:
    """
    Whether AWS may be at work for the job of *record*: no report has taken its file away, and a round is open.

    Raises:
        S3BatchError: the store does not let us see.
    """
    job = JobLayout(S3Url.parse(record.job_url))
    mark = task_mark(record.task_id, record.generation)
    if not any(storage.list(running_jobs(job.jobs) / f"{job_name(job.name)}_{mark}_")):
        return False
    return _has_open_round(list(storage.list(GenerationLayout(S3Url.parse(record.generation)).managed / "")))


def signs_of_life(storage: Storage, generation: GenerationLayout) -> list[datetime]:
    """Return when each attempt that has not ended in order told last that it is alive."""
    pulses = storage.list(generation.pulses / "")
    return [file.last_modified for file in pulses if not file.url.key.endswith(f"_{ENDED}")]


def forget_running(storage: Storage, job: JobLayout, task_id: str) -> None:
    """
    Take away what the operation task of *job* has left in the folder of those at work, once it is over.

    Never raises: what stays is judged by its age.
    """
    try:
        for file in list(storage.list(running_jobs(job.jobs) / f"{job_name(job.name)}_")):
            record = RunningRecord.read(storage.read(file.url), place=str(file.url))
            if record is None or record.task_id == task_id:
                storage.delete(file.url)
    except S3BatchError as error:
        log.info("%s: %s", job.url, error)


def _has_open_round(files: list[StoredFile]) -> bool:
    names = [file.url.key.rpartition("/")[2] for file in files]
    return names.count("request.json") > names.count("harvested.json")
