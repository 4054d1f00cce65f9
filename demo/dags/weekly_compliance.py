"""Every week: tag what is not encrypted with the team that owns it, and put it into quarantine."""  # noqa: INP001

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import Column, PutObjectTagging
from airflow_s3batch.sensors import S3InventorySensor


@dag(schedule="@weekly", start_date=datetime(2026, 1, 1), tags=["s3batch"])  # noqa: DTZ001 - Airflow takes it for UTC
def weekly_compliance() -> None:
    """Ten lines from an S3 Inventory to a completion report."""
    inventory = S3InventorySensor(
        task_id="inventory", inventory="s3://inventories/lake/daily", max_age=timedelta(days=8), deferrable=True
    )
    s3_batch_job(
        group_id="quarantine",
        inventory=inventory.output,
        where="encryption_status = 'NOT-SSE' AND is_latest AND NOT is_delete_marker",
        columns={"team": "split_part(key, '/', 1)"},
        operation=PutObjectTagging({"quarantine": "true", "team": Column("team")}),
        job_url="s3://ops/s3batch",
        max_objects=1_000_000,
        # In the report, but no cause for alarm: what vanished since the inventory, folders whose name can't be a tag.
        tolerate={"NoSuchKey", "InvalidTag"},
        objects_per_shard=500,
    )


weekly_compliance()
