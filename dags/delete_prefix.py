"""On demand: delete a prefix, as large as it may be, after a dry run, a rehearsal and somebody's yes."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.approvals import Approval
from airflow_s3batch.operations import DeleteObject

INVENTORY = "{{ var.value.get('s3batch_inventory', 's3://inventories/prod-lake/daily') }}"
JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"


@dag(
    schedule=None,
    params={
        "prefix": Param("logs/2025/", type="string", pattern="/$", description="beginning of the keys, with its slash"),
        "max_objects": Param(100_000, type="integer", minimum=1, description="more are an error; nothing is deleted"),
        "dry_run": Param(default=True, type="boolean", description="look at each object, delete none"),
    },
    tags=["s3batch"],
)
def delete_prefix() -> None:
    """An object that was written anew since the inventory stays, and is reported."""
    s3_batch_job(
        group_id="delete",
        inventory=INVENTORY,
        where="starts_with(key, $prefix)",
        params={"prefix": "{{ params.prefix }}"},
        operation=DeleteObject(),
        job_url=JOB_URL,
        min_objects=1,
        max_objects="{{ params.max_objects }}",
        allowed_prefixes=["logs/", "tmp/"],  # whatever somebody types into the form
        max_inventory_age=timedelta(days=3),
        dry_run="{{ params.dry_run }}",
        approval=Approval(timeout=timedelta(days=2)),
        rehearse=100,
        allowed_failures=0.001,
        verification=1_000,
    )


delete_prefix()
