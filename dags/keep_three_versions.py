"""
Every month: keep the newest three versions of each key, delete the older ones, and look afterwards that they are gone.

Somebody has to approve it within three days. Begin with a dry run: it asks nobody and deletes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Param, dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.approvals import Approval
from airflow_s3batch.operations import DeleteObject

INVENTORY = "{{ var.value.get('s3batch_versions_inventory', 's3://inventories/versions-lake/daily') }}"
JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"


@dag(
    schedule="@monthly",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow takes it for UTC
    params={
        "keep": Param(3, type="integer", minimum=1, description="newest versions of each key that stay"),
        "dry_run": Param(default=False, type="boolean", description="look at each version, delete none"),
    },
    tags=["s3batch"],
)
def keep_three_versions() -> None:
    """Delete exactly the versions that the inventory names; what is current is never selected."""
    s3_batch_job(
        group_id="delete",
        inventory=INVENTORY,
        where="NOT is_latest",
        keep_versions="{{ params.keep }}",
        operation=DeleteObject(),
        job_url=JOB_URL,
        max_objects=1_000_000,
        max_inventory_age=timedelta(days=8),
        dry_run="{{ params.dry_run }}",
        approval=Approval(timeout=timedelta(days=3)),
        verification=1_000,  # so many looked at again afterwards
    )


keep_three_versions()
