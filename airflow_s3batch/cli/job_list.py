"""The jobs below a ``job_url``, each as one line: read by several threads, kept to the number that is asked for."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.amounts import time_of
from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.core.operation_names import operation_name
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.jobs.shards_seen import SILENT_S
from airflow_s3batch.reports.accounts.reading_ahead import reading_ahead
from airflow_s3batch.reports.job_folders import is_at_aws, job_names, last_pulse, read_job_folder

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.reports.job_folders import JobFolder

SUCCESS, FAILED, RUNNING, PAUSED, UNFINISHED, DAMAGED = (
    "success",
    "failed",
    "running",
    "paused",
    "unfinished",
    "damaged",
)
STATES = (SUCCESS, FAILED, RUNNING, PAUSED, UNFINISHED, DAMAGED)
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class JobLine:
    """
    What the list tells of a job.

    Attributes:
        state: one of `STATES`; ``unfinished`` has no report and no sign of life: it waits, was stopped, or was killed.
        objects: in the report; ``None`` without one, so *failed*.
        created: when the job was started.
        last: when it was last heard of: its report, its last pulse, or its start.
    """

    name: str
    url: str
    state: str
    operation: str
    dag_id: str
    run_id: str
    objects: int | None
    failed: int | None
    created: datetime | None
    last: datetime | None
    sentence: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


SORTS: dict[str, Callable[[JobLine], Any]] = {
    "created": lambda line: line.created or _LONG_AGO,
    "last": lambda line: line.last or _LONG_AGO,
    "objects": lambda line: line.objects or 0,
    "failed": lambda line: line.failed or 0,
    "name": lambda line: line.name,
    "state": lambda line: (line.state, line.name),
}


def job_lines(
    storage: Storage, job_url: S3Url, *, now: datetime, seen: Callable[[], None] = lambda: None
) -> Iterator[JobLine]:
    """
    Yield the jobs below *job_url* in the store's order; *seen* is called for each folder that was looked at.

    A few dozen folders are read ahead, so memory does not grow with their number.
    """
    for line in reading_ahead(lambda name: _line(storage, job_url / name, now), job_names(storage, job_url)):
        seen()
        if line is not None:
            yield line


def sorted_lines(lines: Iterable[JobLine], by: str, limit: int) -> list[JobLine]:
    """Return the first *limit* of *lines* by one of `SORTS`, the largest or newest first; ``-`` turns it round."""
    name = by.removeprefix("-")
    key, turns = SORTS[name], by.startswith("-")
    ascends = (name in ("name", "state")) != turns
    pick = heapq.nsmallest if ascends else heapq.nlargest
    return pick(limit, lines, key=key)


def _line(storage: Storage, url: S3Url, now: datetime) -> JobLine | None:
    try:
        job = read_job_folder(storage, url)
    except S3BatchError as error:
        name = url.key.rpartition("/")[2]
        return JobLine(name, str(url), DAMAGED, "", "", "", None, None, None, None, str(error))
    if job is None:
        return None
    pulse = last_pulse(storage, job)
    line = _line_of(job, pulse, now)
    return replace(line, state=RUNNING) if line.state == UNFINISHED and is_at_aws(storage, job) else line


def _line_of(job: JobFolder, pulse: datetime | None, now: datetime) -> JobLine:
    summary, reported = job.summary, time_of(job.summary.get("created"))
    moments = [moment for moment in (job.created, reported, pulse) if moment is not None]
    return JobLine(
        name=job.name,
        url=str(job.layout.url),
        state=_state(job, pulse, reported, now),
        operation=operation_name(summary.get("operation")),
        dag_id=str(job.about.get("dag_id") or ""),
        run_id=str(job.about.get("run_id") or ""),
        objects=summary.get("objects"),
        failed=summary.get("failed"),
        created=job.created,
        last=max(moments, default=None),
        sentence=str(summary.get("sentence", "")),
    )


def _state(job: JobFolder, pulse: datetime | None, reported: datetime | None, now: datetime) -> str:
    has_gone_on = pulse is not None and (reported is None or pulse > reported)
    if job.is_paused and (reported is None or has_gone_on):
        return PAUSED
    if pulse is not None and has_gone_on and pulse > now - timedelta(seconds=SILENT_S):
        return RUNNING
    if not job.is_reported:
        return UNFINISHED
    return SUCCESS if job.is_green else FAILED
