"""The triggers: for deferrable operators and sensors, and for the watchers of assets."""

from airflow_s3batch.triggers.athena_query import AthenaQueryTrigger
from airflow_s3batch.triggers.job_control import S3BatchJobControlTrigger
from airflow_s3batch.triggers.s3_batch_job import S3BatchJobTrigger
from airflow_s3batch.triggers.s3_inventory import S3InventoryTrigger
from airflow_s3batch.triggers.s3_inventory_sensor import S3InventorySensorTrigger
from airflow_s3batch.triggers.s3_restore import S3RestoreTrigger

__all__ = [
    "AthenaQueryTrigger",
    "S3BatchJobControlTrigger",
    "S3BatchJobTrigger",
    "S3InventorySensorTrigger",
    "S3InventoryTrigger",
    "S3RestoreTrigger",
]
