"""Every week: tag what is not encrypted with the team that owns it."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Param, dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import Column, PutObjectTagging
from airflow_s3batch.sensors import S3InventorySensor

INVENTORY = "{{ var.value.get('s3batch_inventory', 's3://inventories/prod-lake/daily') }}"
JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"


@dag(
    schedule="@weekly",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow takes it for UTC
    params={"dry_run": Param(default=False, type="boolean", description="look at each object, change none")},
    tags=["s3batch"],
)
def compliance_tagging() -> None:
    """Replace the tags of unencrypted objects; the team is the first part of the key."""
    inventory = S3InventorySensor(
        task_id="inventory", inventory=INVENTORY, max_age=timedelta(days=8), timeout=86_400, deferrable=True
    )
    s3_batch_job(
        group_id="tag",
        inventory=inventory.output,
        where="encryption_status = 'NOT-SSE' AND is_latest AND NOT is_delete_marker",
        columns={"team": "split_part(key, '/', 1)"},
        operation=PutObjectTagging({"compliance": "unencrypted", "team": Column("team")}),
        job_url=JOB_URL,
        max_objects=5_000_000,
        dry_run="{{ params.dry_run }}",
        failure_threshold=0.05,
    )


compliance_tagging()
