"""AWS S3 Batch Operations on the loopback interface; see `airflow_s3batch.testing.emulator.emulator`."""

from airflow_s3batch.testing.emulator.emulator import S3BatchEmulator

__all__ = ["S3BatchEmulator"]
