"""The triggers, for deferrable sensors."""

from airflow_s3batch.triggers.s3_inventory import S3InventoryTrigger

__all__ = ["S3InventoryTrigger"]
