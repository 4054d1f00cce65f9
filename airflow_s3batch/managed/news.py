"""News of a job of AWS S3 Batch Operations: what each look at it adds to what was told before."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from airflow_s3batch.core.news import ProgressNews
from airflow_s3batch.core.outcomes import Summary
from airflow_s3batch.engine.loop.progress import History
from airflow_s3batch.managed.progress import JobProgress


class AwsTold:
    """
    Makes news of looks at one job.

    Args:
        news: told last; its *rows* are all objects that the task is about, those that had succeeded before this job
            included.
        now: seconds since 1970.
    """

    def __init__(self, news: ProgressNews, now: Callable[[], float] = time.time) -> None:
        self._news = news
        self._now = now
        self._history = History()
        for point in news.history:
            self._history.add(point)

    def of(self, progress: JobProgress) -> ProgressNews:
        """Return the news that a look brings."""
        aws_job = {**(self._news.aws_job or {}), "id": progress.job_id, "status": progress.status}
        if why := progress.why_it_ended or progress.suspended_cause:
            aws_job["reason"] = why
        earlier = max(0, self._news.rows - progress.total) if progress.total else 0
        return self._told(
            rows=max(self._news.rows, progress.total),
            done=earlier + progress.done,
            failed=progress.failed,
            aws_job=aws_job,
            sentence=progress.sentence() if progress.waits_for_confirmation or why else "",
        )

    def ended(self, summary: Summary) -> ProgressNews:
        """Return the last news, once AWS's report has been read."""
        tally = summary.tally
        return self._told(
            state="stopped" if summary.stopped else "ended",
            rows=max(self._news.rows, summary.earlier + tally.objects),
            done=summary.earlier + tally.objects,
            failed=tally.failed,
            codes={code: (number, tuple(tally.examples.get(code, ()))) for code, number in tally.codes.items()},
            sentence=summary.stopped,
        )

    def _told(self, *, done: int, failed: int, **more: Any) -> ProgressNews:
        now = self._now()
        elapsed_s = round(max(0.0, now - _seconds(self._news.started, now)), 1)
        point = (elapsed_s, done, failed, 0)
        before = self._news.history[-1] if self._news.history else None
        rate = (done - before[1]) / (elapsed_s - before[0]) if before and elapsed_s > before[0] else None
        self._history.add(point)
        self._news = replace(
            self._news,
            done=done,
            failed=failed,
            rate=None if rate is None else round(max(0.0, rate), 2),
            at=dt.datetime.fromtimestamp(now, dt.UTC).isoformat(timespec="milliseconds"),
            history=self._history.until(point),
            **more,
        )
        return self._news


def aws_news(
    job_url: str, bucket: str, rows: int, operation: str, job: Mapping[str, Any], started: str
) -> ProgressNews:
    """Return the first news of the AWS job that *job* describes (``id``, ``url``, …); *started* is ISO time."""
    return ProgressNews(
        job=job_url,
        bucket=bucket,
        engine="managed",
        operation=operation,
        rows=rows,
        started=started,
        at=started,
        aws_job=job,
    )


def _seconds(moment: str | None, default: float) -> float:
    return dt.datetime.fromisoformat(moment).timestamp() if moment else default
