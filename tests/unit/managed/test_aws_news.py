"""What looks at a job of AWS make for the page."""

from __future__ import annotations

from airflow_s3batch.core.outcomes import Summary, Tally
from airflow_s3batch.managed.news import AwsTold, aws_news
from airflow_s3batch.managed.progress import JobProgress

STARTED = "2026-11-22T12:00:00.000Z"
BEGAN = 1_795_348_800.0
JOB = {"id": "f3cc", "url": "https://console.aws.amazon.com/s3/jobs/f3cc"}


def test_looks_become_counts_rates_and_a_history() -> None:
    """400 of the bucket's objects had succeeded before this job."""
    now = [BEGAN]
    told = AwsTold(aws_news("s3://ops/job", "lake", 1_000, "put_object_tagging", JOB, STARTED), lambda: now[0])
    now[0] += 30
    told.of(JobProgress("f3cc", "Preparing"))
    now[0] += 30
    told.of(JobProgress("f3cc", "Active", 600, 100, 0))
    now[0] += 60
    news = told.of(JobProgress("f3cc", "Active", 600, 400, 20))
    assert (news.rows, news.done, news.failed, news.engine) == (1_000, 820, 20, "managed")
    assert news.rate == 5.33
    assert news.history == ((30.0, 0, 0, 0), (60.0, 500, 0, 0), (120.0, 820, 20, 0))
    assert news.aws_job == {**JOB, "status": "Active"}
    assert news.at == "2026-11-22T12:02:00.000+00:00"

    last = told.ended(Summary(Tally(560, 40, 0, {"AccessDenied": 40}, {"AccessDenied": ["s3://lake/a"]}), earlier=400))
    assert (last.state, last.done, last.failed) == ("ended", 1_000, 40)
    assert last.codes == {"AccessDenied": (40, ("s3://lake/a",))}


def test_a_job_that_waits_or_failed_says_why() -> None:
    told = AwsTold(aws_news("s3://ops/job", "lake", 10, "x", JOB, STARTED), lambda: BEGAN)
    waits = told.of(JobProgress("f3cc", "Suspended", suspended_cause="AwaitingConfirmation"))
    assert "waits to be confirmed" in waits.sentence
    failed = told.of(JobProgress("f3cc", "Failed", failure_reasons=("ManifestNotFound: none",)))
    assert (failed.aws_job or {})["reason"] == "ManifestNotFound: none"
