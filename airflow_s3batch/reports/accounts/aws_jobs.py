"""Which jobs of AWS S3 Batch Operations worked on a job's objects, and how they ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.engine.jobs.aws_rounds import rounds_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_s3batch.core.layout import GenerationLayout, RoundLayout
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage

NOT_HARVESTED = "not harvested"
MOST = 200
"""AWS jobs that a summary names at most: a manifest over very many buckets has that many."""


def aws_jobs(storage: Storage, generations: Iterable[GenerationLayout]) -> list[dict[str, Any]]:
    """
    Return ``bucket``, ``round``, ``job_id``, ``job_arn``, ``status``, ``reasons`` of the AWS jobs of *generations*.

    In the order of buckets and rounds, at most `MOST`. *status* is AWS's once the outcomes are committed,
    `NOT_HARVESTED` until then. Nothing for jobs of the worker engine.

    Raises:
        JobDamagedError: a file is not one of ours.
    """
    found: list[dict[str, Any]] = []
    for generation in generations:
        for bucket, number in rounds_in(storage, generation):
            if len(found) >= MOST:
                return found
            if told := _told(storage, generation.round(bucket, number)):
                found.append({"bucket": bucket, "round": number, **told})
    return found


def aws_role(storage: Storage, generations: Iterable[GenerationLayout]) -> str:
    """Return the ARN of the role that AWS was last asked to do a job of *generations* with; empty if it never was."""
    for generation in generations:
        for bucket, number in rounds_in(storage, generation):
            request = _read(storage, generation.round(bucket, number).request) or {}
            return str((request.get("request") or {}).get("RoleArn", ""))
    return ""


def _told(storage: Storage, place: RoundLayout) -> dict[str, Any] | None:
    job = _read(storage, place.job)
    if job is None:
        return None
    end = _read(storage, place.harvested) or {}
    return {
        "job_id": str(job.get("job_id", "")),
        "job_arn": str(job.get("job_arn", "")),
        "status": str(end.get("status", NOT_HARVESTED)),
        "reasons": str(end.get("reasons", "")),
    }


def _read(storage: Storage, url: S3Url) -> dict[str, Any] | None:
    body = storage.read(url)
    if body is None:
        return None
    try:
        return dict(json.loads(body))
    except (ValueError, TypeError) as error:
        raise JobDamagedError(f"{url}: not a file of this package ({error!r})") from None
