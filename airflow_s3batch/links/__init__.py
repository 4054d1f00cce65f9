"""The extra links of operators."""

from airflow_s3batch.links.s3_batch_job import S3BatchJobLink

__all__ = ["S3BatchJobLink"]
