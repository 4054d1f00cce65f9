"""The sensors."""

from airflow_s3batch.sensors.s3_inventory import S3InventorySensor

__all__ = ["S3InventorySensor"]
