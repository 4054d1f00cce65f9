"""`s3_batch_job`: a whole job as one task group."""

from airflow_s3batch.task_group.job import s3_batch_job

__all__ = ["s3_batch_job"]
