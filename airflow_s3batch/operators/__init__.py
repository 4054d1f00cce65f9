"""The operators: inventory to manifest, one operation on every object, the completion report."""

from airflow_s3batch.operators.batch_operation import BatchOperationOperator
from airflow_s3batch.operators.managed import ManagedBatchJobOperator
from airflow_s3batch.operators.manifest import InventoryToManifestOperator
from airflow_s3batch.operators.report import BatchReportOperator

__all__ = [
    "BatchOperationOperator",
    "BatchReportOperator",
    "InventoryToManifestOperator",
    "ManagedBatchJobOperator",
]
