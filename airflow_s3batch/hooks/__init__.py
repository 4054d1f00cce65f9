"""The lowest layer that knows Airflow: connections, Airflow's exceptions."""

from airflow_s3batch.hooks.s3 import StoreSettings

__all__ = ["StoreSettings"]
