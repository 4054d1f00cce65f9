"""The sensors."""

from airflow_s3batch.sensors.s3_batch_job import S3BatchJobSensor
from airflow_s3batch.sensors.s3_inventory import S3InventorySensor
from airflow_s3batch.sensors.s3_restore import S3RestoreSensor

__all__ = ["S3BatchJobSensor", "S3InventorySensor", "S3RestoreSensor"]
