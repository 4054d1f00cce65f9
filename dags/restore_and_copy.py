"""On demand: bring a team's archived objects back, wait until they can be read, and copy them to another bucket."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag

from airflow_s3batch import S3InventorySensor, S3RestoreSensor, s3_batch_job
from airflow_s3batch.operations import CopyObject, RestoreObject

INVENTORY = "{{ var.value.get('s3batch_inventory', 's3://inventories/prod-lake/daily') }}"
JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"

ARCHIVED = """
split_part(key, '/', 1) = $team AND is_latest AND NOT is_delete_marker
AND storage_class IN ('GLACIER', 'DEEP_ARCHIVE')
"""


@dag(
    schedule=None,
    tags=["s3batch"],
    params={
        "team": Param("analytics", type="string", minLength=1, description="first part of the keys"),
        "days": Param(7, type="integer", minimum=1, description="how long the restored copies stay"),
        "target_bucket": Param("analytics-archive", type="string", description="must exist"),
    },
)
def restore_and_copy() -> None:
    """Copy archived objects to ``thawed/<key>`` in the target bucket; both jobs read the same delivery."""
    delivery = S3InventorySensor(task_id="inventory", inventory=INVENTORY)
    restore = s3_batch_job(
        group_id="restore",
        inventory=delivery.output,
        where=ARCHIVED,
        operation=RestoreObject(days="{{ params.days }}", tier="BULK"),
        job_url=JOB_URL,
    )
    readable = S3RestoreSensor(
        task_id="readable",
        manifest_task_id="restore.manifest",
        operation_task_id="restore.run",
        timeout=timedelta(days=4),
        deferrable=True,
    )
    copy = s3_batch_job(
        group_id="copy",
        inventory=delivery.output,
        where=ARCHIVED,
        operation=CopyObject(target_bucket="{{ params.target_bucket }}", target_key_prefix="thawed"),
        job_url=JOB_URL,
    )
    restore >> readable >> copy


restore_and_copy()
