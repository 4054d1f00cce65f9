"""Whose a job's folder is: of this Airflow, and of no other job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError, RivalError
from airflow_s3batch.core.formats import JOB
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.stored_files import json_at

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.manifests.planning.pin import Job

AIRFLOW = "airflow"
"""Under which ``about`` of ``job.json`` has the identity of the Airflow that started the job; absent if not known."""


def check_owner(job: Job, about: Mapping[str, Any]) -> None:
    """
    Check that *job* was started by the Airflow that *about* names, as far as both are known.

    Raises:
        RivalError: by another one, which has a Dag, a run and a task of the same names.
    """
    owner, own = job.about.get(AIRFLOW), about.get(AIRFLOW)
    if not owner or not own or owner == own:
        return
    raise RivalError(
        f"{job.layout.job}: another Airflow (installation {owner!r}) started this job at {job.created}, from a Dag, a "
        f"run and a task of the same names; this one is {own!r}, and two must not work in one folder. Give each "
        "Airflow a job_url of its own. If this one has taken the place of the other, tell it so and it goes on with "
        f"all jobs of that one: set its Variable s3batch_installation to {owner!r}. With resume=False this job alone "
        "starts from scratch, beside the other"
    )


def place_problems(job_url: S3Url) -> list[str]:
    """Return what is wrong with *job_url* as a folder, a clause each: parts that some stores read in another way."""
    parts = job_url.key.rstrip("/").split("/") if job_url.key else []
    if any(part in ("", ".", "..") for part in parts):
        wrong = "has an empty part, '.' or '..' in it, which some stores take for another folder; leave it out"
        return [f"job_url={str(job_url)!r} {wrong}"]
    return []


def check_place(storage: Storage, job_url: S3Url) -> None:
    """
    Check that no job's files lie at *job_url*, or around it: jobs in a job's folder would be taken for its files.

    A read for each folder above; for who is about to start a job.

    Raises:
        ArgumentError: they do.
    """
    if problems := place_problems(job_url):
        raise ArgumentError.of("job_url", problems)
    parts = job_url.key.rstrip("/").split("/") if job_url.key else []
    for depth in range(len(parts), 0, -1):
        layout = JobLayout(S3Url(job_url.bucket, "/".join(parts[:depth])))
        document = json_at(storage, layout.job)
        if document.get("format") == JOB and document.get("job_id") == layout.name:
            raise ArgumentError(
                f"job_url={str(job_url)!r} lies in the folder of a job ({layout.url}), so the files of other jobs "
                f"would be taken for that one's, and be cleaned up with it; use {layout.jobs}, or another folder"
            )
