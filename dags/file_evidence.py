"""On demand: copy the files of a finished job to a bucket with Object Lock, and lock the copies for years."""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import CopyObject, PutObjectRetention
from airflow_s3batch.sources import Listing

EVIDENCE = "{{ var.value.get('s3batch_evidence_bucket', 'evidence') }}"
# Beside the folder of the other jobs: a job refuses to work on files below its own.
JOB_URL = "{{ var.value.get('s3batch_filing_url', 's3://ops/filing') }}"


@dag(
    schedule=None,
    params={
        "job": Param("", type="string", pattern="^s3://.+[^/]$", description="URL of the job's folder"),
        "years": Param(7, type="integer", minimum=1, maximum=30, description="how long it has to stay"),
        "mode": Param("GOVERNANCE", enum=["GOVERNANCE", "COMPLIANCE"], description="COMPLIANCE binds everybody"),
    },
    tags=["s3batch"],
)
def file_evidence() -> None:
    """Report, manifest, approval and results, under the same keys; each file gets a retention of its own."""
    copy = s3_batch_job(
        group_id="copy",
        source=Listing("{{ params.job }}/"),
        where="TRUE",
        operation=CopyObject(target_bucket=EVIDENCE),
        job_url=JOB_URL,
        min_objects=1,
        max_objects=1_000_000,
        verification=True,
    )
    lock = s3_batch_job(
        group_id="lock",
        source=Listing(f"s3://{EVIDENCE}/{{{{ params.job.split('/', 3)[3] }}}}/", versions=True),
        where="NOT is_delete_marker",
        operation=PutObjectRetention(mode="{{ params.mode }}", days="{{ 365 * params.years }}"),
        job_url=JOB_URL,
        min_objects=1,
        max_objects=1_000_000,
        verification=True,
    )
    copy >> lock


file_evidence()
