"""On demand: copy one team's data to a bucket of its own."""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import CopyObject

INVENTORY = "{{ var.value.get('s3batch_inventory', 's3://inventories/prod-lake/daily') }}"
JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"


@dag(
    schedule=None,
    tags=["s3batch"],
    params={
        "team": Param("analytics", type="string", minLength=1, description="first part of the keys"),
        "target_bucket": Param("analytics-archive", type="string", description="must exist"),
    },
)
def team_copy() -> None:
    """Copy current objects to ``lake/<key>`` in the target bucket."""
    s3_batch_job(
        group_id="copy",
        inventory=INVENTORY,
        where="split_part(key, '/', 1) = $team AND is_latest AND NOT is_delete_marker",
        operation=CopyObject(target_bucket="{{ params.target_bucket }}", target_key_prefix="lake"),
        job_url=JOB_URL,
    )


team_copy()
