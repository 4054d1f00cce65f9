"""Jobs of AWS S3 Batch Operations that go as a test tells them, and a hook that reaches them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_s3batch.managed.progress import JobProgress

if TYPE_CHECKING:
    from collections.abc import Iterable

JOB = "f3cc4f60-61f6-4a2b-8a21-d07600c373ce"
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/batch"


def at(status: str, succeeded: int = 0, failed: int = 0, total: int = 10, **more: Any) -> JobProgress:
    """Return where a job is."""
    return JobProgress(JOB, status, total, succeeded, failed, **more)


@dataclass
class FakeHook:
    """
    As much of `S3BatchHook` as tasks use.

    Attributes:
        looks: what the looks find, one after the other, the last one again and again; exceptions are raised.
        cancelled: job ids and reasons.
    """

    looks: list[JobProgress | Exception] = field(default_factory=lambda: [at("Complete", 10)])
    account_id: str = ACCOUNT
    region: str = "eu-west-1"
    control: Any = "control"
    cancelled: list[tuple[str, str]] = field(default_factory=list)
    asked: int = 0

    def progress(self, job_id: str) -> JobProgress:
        assert job_id == JOB
        found = self.looks[min(self.asked, len(self.looks) - 1)]
        self.asked += 1
        if isinstance(found, Exception):
            raise found
        return found

    def cancel_job(self, job_id: str, reason: str = "") -> str:
        self.cancelled.append((job_id, reason))
        return "Cancelling"

    def console_url(self, job_id: str) -> str:
        return f"https://console.aws.amazon.com/s3/jobs/{job_id}?region={self.region}"

    def then(self, looks: Iterable[JobProgress | Exception]) -> None:
        """Let the next looks find *looks*."""
        self.looks, self.asked = list(looks), 0
