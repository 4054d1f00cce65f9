"""How an AWS job ended, and where its completion report is."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

from airflow_s3batch.core.errors import InfrastructureError, JobDamagedError
from airflow_s3batch.core.iso_times import iso_time
from airflow_s3batch.core.layout import RoundLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.managed.control import JobControl, NoSuchJobError
from airflow_s3batch.managed.outcome_join import ReportCounts
from airflow_s3batch.managed.progress import JobProgress
from airflow_s3batch.managed.round import Round

REPORT_PATIENCE = dt.timedelta(hours=24)
"""How long after the end of a job its report is waited for; AWS writes some of them hours later."""

_GONE = "Gone"

log = logging.getLogger(__name__)


class ReportPendingError(InfrastructureError):
    """The job is over, but AWS has not written its report yet; looking again later helps."""


class JobEnd(NamedTuple):
    """
    How a job ended.

    Attributes:
        began: ISO time at which it was created; *ended* likewise.
        age: time since its end.
        scope: of its report.
    """

    progress: JobProgress
    began: str
    ended: str
    age: dt.timedelta
    scope: str

    @classmethod
    def of(cls, job: Mapping[str, Any], scope: str, now: dt.datetime) -> Self:
        """Return what DescribeJob's ``Job`` tells of a job that is over."""
        began = _moment(job.get("CreationTime"), now)
        ended = max(_moment(job.get("TerminationDate"), now), began)
        return cls(JobProgress.of(job), iso_time(began), iso_time(ended), now - ended, scope)

    @property
    def is_known(self) -> bool:
        """Whether AWS still knows the job."""
        return self.progress.status != _GONE

    def has_begun_more(self, listed: ReportCounts) -> bool:
        """Return whether AWS may have begun tasks that its report, which lists *listed*, is silent on."""
        return not self.is_known or listed.rows < self.progress.done

    def tells_all(self, listed: ReportCounts) -> bool:
        """Return whether a report of failures that lists *listed* leaves no doubt that all other tasks succeeded."""
        told = self.progress
        return (
            self.scope == "FailedTasksOnly"
            and told.status == "Complete"
            and told.done == told.total > 0
            and (listed.succeeded, listed.failed) == (0, told.failed)
        )

    def why_stopped(self, missing: int) -> str:
        """Return why *missing* objects have no outcome; empty for a job that ended well."""
        told, job = self.progress, f"AWS job {self.progress.job_id}"
        if not self.is_known:
            return f"{job} is no longer known to AWS" if missing else ""
        if told.status != "Complete":
            return f"{job} is {told.status}{f': {told.why_it_ended}' if told.why_it_ended else ', without a reason'}"
        return f"{job} is Complete, but its report lacks {missing:,} objects" if missing else ""


def job_end(round_: Round, control: JobControl, *, scope: str, recorded: str, now: dt.datetime) -> JobEnd:
    """
    Return how the job of *round_* ended; *recorded* is the ISO time at which we wrote down its id.

    Raises:
        InfrastructureError: it still runs.
    """
    try:
        job = control.describe(round_.account_id, round_.job_id)
    except NoSuchJobError as error:
        log.warning("%s: %s", round_.name, error)
        return JobEnd(JobProgress(round_.job_id, _GONE), recorded, recorded, REPORT_PATIENCE, scope)
    progress = JobProgress.of(job)
    if not progress.is_over:
        raise InfrastructureError(f"{round_.name}: can't be harvested yet; {progress.sentence()}")
    return JobEnd.of(job, scope, now)


def find_report(
    round_: Round, end: JobEnd, *, storage: Storage, place: RoundLayout, say: Callable[[str], None]
) -> S3Url | None:
    """
    Return where the ``manifest.json`` of AWS's report is; ``None`` if there will be none, *say* tells why.

    Raises:
        ReportPendingError: it is not there yet.
        JobDamagedError: it was altered.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html
    """
    url = place.aws_report / f"job-{round_.job_id}/manifest.json"
    if (body := storage.read(url)) is not None:
        _check_sum(storage, url, body)
        return url
    if end.is_known and not end.progress.done:
        say(f"{round_.name}: no task was begun, so AWS writes no report")
    elif end.tells_all(ReportCounts(0, 0)):
        say(f"{round_.name}: all {end.progress.total:,} tasks succeeded, so a report of failures has nothing to list")
    elif end.age < REPORT_PATIENCE:
        raise ReportPendingError(
            f"{round_.name}: the job is {end.progress.status}, but its report is not there yet: {url}. AWS writes it "
            "minutes, sometimes hours, after the last task; the next attempt looks again"
        )
    else:
        say(
            f"{round_.name}: there is no report, and none is waited for any more, {REPORT_PATIENCE} after the job's end"
        )
    return None


def _check_sum(storage: Storage, url: S3Url, body: bytes) -> None:
    """Compare the report's manifest with the MD5 that lies beside it in some buckets, in hex."""
    beside = url._replace(key=f"{url.key}.md5")
    told = (storage.read(beside) or b"").decode(errors="replace").strip().lower()
    is_md5 = re.fullmatch(r"[0-9a-f]{32}", told)
    if is_md5 and hashlib.md5(body, usedforsecurity=False).hexdigest() != told:
        raise JobDamagedError(f"{url}: altered since AWS wrote it: its MD5 is not {told}, as {beside} says")


def _moment(value: Any, default: dt.datetime) -> dt.datetime:
    if not isinstance(value, dt.datetime):
        return default
    return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
