"""The triggers, for deferrable operators and sensors."""

from airflow_s3batch.triggers.s3_batch_job import S3BatchJobTrigger
from airflow_s3batch.triggers.s3_inventory import S3InventoryTrigger
from airflow_s3batch.triggers.s3_restore import S3RestoreTrigger

__all__ = ["S3BatchJobTrigger", "S3InventoryTrigger", "S3RestoreTrigger"]
