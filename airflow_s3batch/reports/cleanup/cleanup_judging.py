"""Whether an old job may go. Every doubt keeps it."""

from __future__ import annotations

import heapq
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.reports.job_folders import JobFolder, read_job_folder, series_jobs

if TYPE_CHECKING:
    from airflow_s3batch.core.cleanup_rules import CleanupRules
    from airflow_s3batch.core.layout import SeriesLayout
    from airflow_s3batch.engine.files.storage import Storage, StoredFile

DUE = "due"
YOUNG = "younger than older_than"
PAUSED = "paused"
AT_WORK = "its Dag run is not over"
AT_AWS = "a job of AWS may still be at it"
LAST = "among the last of its task"
PREVIOUS = "what the next run of its task compares with"
FAILED = "without a green report"
NEEDED = "a later start from scratch lies beside it"
CLEANED = "cleaned up before, only its report is left"
NO_JOB = "not provably a job"

AWS_SILENCE = timedelta(days=180)
"""How long an AWS job that was begun and never read back may be at work without a file being written."""

_KEPT_PART = re.compile(r"range-\d+-.*\.(succeeded|failed)\.csv")
_KEPT_NAMES = frozenset({"operation.json", "job.json", "approval.json", "control.json", "cost.json"})
_OF_ROUND = re.compile(r".*/managed/[^/]+/round-\d+/(request|harvested)\.json", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Judged:
    """
    What was found out about a folder.

    Attributes:
        reason: `DUE`, or why it stays.
        files: that would be removed, and their *bytes*; 0 for what stays.
    """

    url: S3Url
    reason: str
    files: int = 0
    bytes: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)


class _Look(NamedTuple):
    """One listing of a job's folder."""

    last: datetime
    files: int
    bytes: int
    open_rounds: int


class Judge:
    """
    Judges job folders; its methods may be called from several threads.

    Args:
        rules: what the user asks for.
        now: the store's time.
        last: of each task the names of its newest jobs, `newest_jobs`.
    """

    def __init__(
        self, storage: Storage, rules: CleanupRules, now: datetime, last: Mapping[SeriesLayout, frozenset[str]]
    ) -> None:
        self._storage = storage
        self._rules = rules
        self._before = now - rules.older_than
        self._long_ago = now - max(rules.older_than, AWS_SILENCE)
        self._last = last

    def judged(self, url: S3Url) -> Judged:
        """Return whether the job in the folder *url* is due. Cheap questions come first; most jobs are young."""
        job = read_job_folder(self._storage, url)
        if job is None:
            return Judged(url, NO_JOB)
        if not job.is_cleaned and self._is_written_lately(job):
            return Judged(url, YOUNG)
        if reason := self._reason_to_stay(job):
            return Judged(url, reason)
        look = self._look(job)
        if reason := self._reason_in(look):
            return Judged(url, reason)
        return Judged(url, DUE, look.files, look.bytes, job.about)

    def _is_written_lately(self, job: JobFolder) -> bool:
        return any(file.last_modified > self._before for file in self._storage.list(job.layout.job))

    def _reason_to_stay(self, job: JobFolder) -> str:
        if job.is_paused:
            return PAUSED
        if self._storage.read(JobLayout(job.next_start).job) is not None:  # whatever it says
            return NEEDED
        if job.is_cleaned and not job.is_reported:
            return ""  # what is left of a removal that was killed
        if job.series is not None and job.name in self._last.get(job.series, frozenset()):
            return LAST
        if job.series is not None and job.layout.url in series_jobs(self._storage, job.series):
            return PREVIOUS
        return FAILED if self._rules.keep_failed and not job.is_green else ""

    def _reason_in(self, look: _Look) -> str:
        if look.last > self._before:
            return YOUNG
        if look.open_rounds > 0 and look.last > self._long_ago:
            return AT_AWS
        return CLEANED if self._rules.keep_reports and not look.files else ""

    def _look(self, job: JobFolder) -> _Look:
        """List the folder of *job*: when it was written to last, and what there is to remove."""
        last, files, size, rounds = datetime.min.replace(tzinfo=UTC), 0, 0, 0
        for file in self._storage.list(job.layout.url / ""):
            if not (job.is_cleaned and file.url == job.layout.job):  # written by a cleanup
                last = max(last, file.last_modified)
            if match := _OF_ROUND.fullmatch(file.url.key):
                rounds += 1 if match[1] == "request" else -1
            if not (self._rules.keep_reports and is_kept(job.layout.url, file)):
                files, size = files + 1, size + file.size
        return _Look(last, files, size, rounds)


def is_kept(job_url: S3Url, file: StoredFile) -> bool:
    """Whether *file* stays with ``keep_reports``: the report, the results it points at, and what was done to what."""
    path = file.url.key.removeprefix((job_url / "").key)
    folder, _, name = path.rpartition("/")
    first = path.partition("/")[0]
    if first == "report" or "verification" in folder.split("/"):
        return True
    if "managed" in folder.split("/"):
        return False
    return name in _KEPT_NAMES or bool(_KEPT_PART.fullmatch(name))


def newest_jobs(jobs: Iterable[JobFolder | None], number: int) -> dict[SeriesLayout, frozenset[str]]:
    """Return the names of the *number* newest of *jobs* of each task; memory grows with the tasks, not the jobs."""
    heaps: dict[SeriesLayout, list[tuple[datetime, str]]] = defaultdict(list)
    for job in jobs:
        if job is None or job.series is None or job.is_cleaned:
            continue
        heap, entry = heaps[job.series], (job.created or datetime.min.replace(tzinfo=UTC), job.name)
        if len(heap) < number:
            heapq.heappush(heap, entry)
        elif number:
            heapq.heappushpop(heap, entry)
    return {series: frozenset(name for _, name in heap) for series, heap in heaps.items()}
