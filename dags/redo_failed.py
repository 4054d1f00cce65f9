"""On demand: do again what failed in an earlier job, in a job of its own."""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import MergeObjectTagging
from airflow_s3batch.sources import CompletionReport

JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"


@dag(
    schedule=None,
    params={
        "job": Param("", type="string", pattern="^s3://", description="URL of the earlier job, or of its report"),
        "code": Param("AccessDenied", type="string", minLength=1, description="only what failed with this error code"),
    },
    tags=["s3batch"],
)
def redo_failed() -> None:
    """Tag what the earlier job could not; its report names the objects, so no inventory is read."""
    s3_batch_job(
        group_id="redo",
        source=CompletionReport("{{ params.job }}", objects="failed"),
        where="error_code = $code",
        params={"code": "{{ params.code }}"},
        operation=MergeObjectTagging({"compliance": "unencrypted"}),
        job_url=JOB_URL,
        max_objects=1_000_000,
    )


redo_failed()
