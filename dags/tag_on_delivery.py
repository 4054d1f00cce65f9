"""Whenever an inventory is delivered: tag what is not encrypted, and tell whoever waits for that."""

from __future__ import annotations

from airflow.sdk import Asset, dag

from airflow_s3batch import inventory_asset, s3_batch_job
from airflow_s3batch.operations import MergeObjectTagging

INVENTORY = inventory_asset("s3://inventories/prod-lake/daily")
JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"
TAGGED = Asset("unencrypted_objects_tagged")


@dag(schedule=INVENTORY, max_active_runs=1, tags=["s3batch"])
def tag_on_delivery() -> None:
    """Each delivery starts one run, which works on that delivery; run by hand, it works on the newest."""
    s3_batch_job(
        group_id="tag",
        inventory=INVENTORY,
        where="encryption_status = 'NOT-SSE' AND is_latest AND NOT is_delete_marker",
        operation=MergeObjectTagging({"compliance": "unencrypted"}),
        job_url=JOB_URL,
        max_objects=5_000_000,
        outlets=[TAGGED],
    )


tag_on_delivery()
