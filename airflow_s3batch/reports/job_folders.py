"""The job folders below a ``job_url``: which there are, and what a few small files tell of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.amounts import time_of
from airflow_s3batch.core.control import read_control
from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.core.formats import JOB
from airflow_s3batch.core.layout import OF_ALL_JOBS, JobLayout, SeriesLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.stored_files import json_at
from airflow_s3batch.engine.shards.generation import newest_generations

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_GENERATION = re.compile(r"(.*[0-9a-f]{12})-([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class JobFolder:
    """
    A folder that is provably a job of this package: its ``job.json`` has our format and names this very folder.

    Attributes:
        layout: where its files lie.
        about: the Dag run that started it.
        created: when, by the worker's clock; ``None`` if that can't be told.
        selection: which objects, as the manifest task declared it.
        source: what was pinned.
        summary: of its report, as ``summary.json`` has it; empty without a report.
        is_paused: whether somebody has paused it, or left a ``control.json`` that nobody can read.
        document: all of ``job.json``.
    """

    layout: JobLayout
    about: Mapping[str, Any]
    created: datetime | None
    selection: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    is_paused: bool = False
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's."""
        return self.layout.url.key.rpartition("/")[2]

    @property
    def series(self) -> SeriesLayout | None:
        """Where the task that makes such jobs, run after run, leaves word; ``None`` if ``job.json`` names no task."""
        return SeriesLayout.of(self.layout.jobs, self.about)

    @property
    def next_start(self) -> S3Url:
        """Folder of the next start from scratch of the same job, whether there is one or not."""
        match = _GENERATION.fullmatch(self.name)
        base, number = (match[1], int(match[2])) if match else (self.name, 1)
        return self.layout.jobs / f"{base}-{number + 1}"

    @property
    def is_cleaned(self) -> bool:
        """Whether somebody began to remove its files."""
        return bool(self.document.get("cleaned"))

    @property
    def is_reported(self) -> bool:
        """Whether there is a report."""
        return bool(self.summary)

    @property
    def is_green(self) -> bool:
        """Whether the report says so."""
        return self.summary.get("is_green") is True


def job_names(storage: Storage, job_url: S3Url) -> Iterator[str]:
    """Yield the names of the folders below *job_url* that may be jobs, by their names alone."""
    for name in storage.folders(job_url):
        if _ID.fullmatch(name) and name not in OF_ALL_JOBS:
            yield name


def read_job_folder(storage: Storage, url: S3Url) -> JobFolder | None:
    """
    Return the job in the folder *url*, ``None`` if it is not provably one.

    Takes two or three reads.

    Raises:
        AccessError: the store refuses to let us read.
    """
    layout = JobLayout(url)
    document = json_at(storage, layout.job)
    if document.get("format") != JOB or document.get("job_id") != url.key.rpartition("/")[2]:
        return None
    summary = json_at(storage, layout.report / "summary.json")
    return JobFolder(
        layout,
        _mapping(document.get("about")),
        time_of(document.get("created")),
        _mapping(document.get("selection")),
        _mapping(document.get("source")),
        summary,
        _is_paused(storage, layout),
        document,
    )


def series_jobs(storage: Storage, series: SeriesLayout) -> set[S3Url]:
    """Return the folders of the jobs that the next run of a task compares with: last published, last reported."""
    urls = (json_at(storage, place).get("job_url") for place in (series.published, series.reported))
    return {S3Url.parse(url) for url in urls if isinstance(url, str) and url.startswith("s3://")}


def _is_paused(storage: Storage, layout: JobLayout) -> bool:
    try:
        return read_control(storage.read(layout.control), place=str(layout.control)).is_paused
    except S3BatchError:
        return True


def last_pulse(storage: Storage, job: JobFolder) -> datetime | None:
    """
    Return when an attempt at *job* told last that it is alive, by the store's clock; ``None`` if none ever did.

    Lists the pulses of the newest generation of each operation task: a file or two for each of its shards.
    """
    return max(
        (
            file.last_modified
            for _, generation in newest_generations(storage, job.layout)
            for file in storage.list(generation.pulses / "")
        ),
        default=None,
    )


def is_at_aws(storage: Storage, job: JobFolder) -> bool:
    """Whether *job* has a job of AWS that was begun, and whose report was not read yet."""
    for _, generation in newest_generations(storage, job.layout):
        names = [file.url.key.rpartition("/")[2] for file in storage.list(generation.managed / "")]
        if names.count("request.json") > names.count("harvested.json"):
            return True
    return False


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
