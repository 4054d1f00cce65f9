"""Every week: encrypt, in place, what the inventory shows as not encrypted."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import RewriteObject
from airflow_s3batch.sensors import S3InventorySensor

INVENTORY = "{{ var.value.get('s3batch_inventory', 's3://inventories/prod-lake/daily') }}"
JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"


@dag(schedule="@weekly", start_date=datetime(2026, 1, 1), tags=["s3batch"])  # noqa: DTZ001 - Airflow takes it for UTC
def weekly_encryption() -> None:
    """Encrypt what is not encrypted. A newer object's body is never overwritten; metadata, tags and ACL stay."""
    inventory = S3InventorySensor(
        task_id="inventory", inventory=INVENTORY, max_age=timedelta(days=8), timeout=86_400, deferrable=True
    )
    s3_batch_job(
        group_id="encrypt",
        inventory=inventory.output,
        where="encryption_status = 'NOT-SSE' AND is_latest AND NOT is_delete_marker",
        operation=RewriteObject(encryption="SSE-S3"),
        job_url=JOB_URL,
        max_objects=5_000_000,
        rehearse=100,  # really done to so many first; the rest only if none of them failed
        verification=1_000,  # so many looked at again afterwards
        tolerate={"NoSuchKey", "NoSuchVersion", "PreconditionFailed"},
    )


weekly_encryption()
