"""Which old jobs may go: what the user asks for, checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from airflow_s3batch.core.s3url import S3Url

LEAST_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupRules:
    """
    Which job folders are removed, and what of them.

    Attributes:
        older_than: since its last sign of life (any file written in its folder), by the store's clock; a day at least.
        keep_last: the newest so many jobs of each task stay, whatever their age.
        keep_failed: jobs without a green report stay.
        keep_reports: report, result files, ``operation.json`` and ``job.json`` stay; the manifest's shards and all that
            the work itself left go.
        max_jobs: more jobs to remove are an error, before the first is touched; ``None`` is no limit.
        max_objects: likewise for the files in their folders.
        allow_bucket_root: jobs may lie at the root of the bucket, where somebody else's folders may lie, too.
    """

    older_than: timedelta
    keep_last: int = 1
    keep_failed: bool = False
    keep_reports: bool = False
    max_jobs: int | None = 1_000
    max_objects: int | None = None
    allow_bucket_root: bool = False

    def problems(self, job_url: S3Url | None = None) -> list[str]:
        """Return all that is wrong, a clause each; with *job_url*, where it is known."""
        found = []
        if not isinstance(self.older_than, timedelta) or self.older_than < LEAST_AGE:
            found.append(f"older_than={self.older_than!r} must be at least a day: younger jobs may still be at work")
        if not _is_count(self.keep_last, 0):
            found.append(f"keep_last={self.keep_last!r} must be a whole number from 0 on")
        found.extend(
            f"{name}={value!r} must be a whole number from 1 on, or None for no limit"
            for name, value in (("max_jobs", self.max_jobs), ("max_objects", self.max_objects))
            if value is not None and not _is_count(value, 1)
        )
        if job_url is not None and not job_url.key.strip("/") and not self.allow_bucket_root:
            found.append(
                f"job_url={str(job_url)!r} is a whole bucket; name the folder of the jobs, or pass "
                "allow_bucket_root=True if the bucket holds nothing else"
            )
        return found


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
