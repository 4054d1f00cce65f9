"""News of an operation task of the managed engine: how far AWS's job is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.iso_times import iso_now
from airflow_s3batch.core.news import PROGRESS_KEY, ProgressNews
from airflow_s3batch.hooks.news import push
from airflow_s3batch.operators.shard_news import told_before

if TYPE_CHECKING:
    from airflow_s3batch.core.outcomes import Summary
    from airflow_s3batch.managed import BucketRef, JobProgress
    from airflow_s3batch.managed.news import AwsTold


class BucketTold:
    """Tells by XCom how the AWS job of task instance *ti* goes; nothing of this can fail the task."""

    def __init__(self, ti: Any, ref: BucketRef, operation: str) -> None:
        self._ti = ti
        self._ref = ref
        self._operation = operation
        self._told: AwsTold | None = None

    def begin(self, job: dict[str, Any]) -> dict[str, Any]:
        """Tell that *job* (``id``, ``url``, …) is at work; return these news, for a trigger to go on with."""
        news = self._first(job)
        self._follow(news)
        push(self._ti, PROGRESS_KEY, news.to_json)
        return news.to_json()

    def look(self, progress: JobProgress) -> None:
        """Tell what a look at the job has shown."""
        if self._told is not None:
            push(self._ti, PROGRESS_KEY, self._told.of(progress).to_json)

    def end(self, summary: Summary, *, has_told: bool) -> None:
        """Tell what became of the objects; *has_told*: this attempt has told something before, or its trigger has."""
        if self._told is None:
            before = told_before(self._ti) if has_told else None  # for one that is not there Airflow logs an error
            self._follow(before or self._first({}))
        assert self._told is not None  # noqa: S101 - just made
        push(self._ti, PROGRESS_KEY, self._told.ended(summary).to_json)

    def _first(self, job: dict[str, Any]) -> ProgressNews:
        from airflow_s3batch.managed.news import aws_news

        return aws_news(self._ref.job_url, self._ref.bucket, self._ref.rows, self._operation, job, iso_now())

    def _follow(self, news: ProgressNews) -> None:
        from airflow_s3batch.managed.news import AwsTold

        self._told = AwsTold(news)
