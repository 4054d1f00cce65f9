"""The operators: inventory to manifest, one operation on every object, the completion report."""

from airflow_s3batch.operators.approval import BatchApprovalOperator
from airflow_s3batch.operators.athena import AthenaToManifestOperator
from airflow_s3batch.operators.batch_operation import BatchOperationOperator
from airflow_s3batch.operators.cleanup import S3BatchCleanupOperator
from airflow_s3batch.operators.csv_manifest import CsvToManifestOperator
from airflow_s3batch.operators.inventory import InventoryToManifestOperator
from airflow_s3batch.operators.listing import ListObjectsToManifestOperator
from airflow_s3batch.operators.managed import ManagedBatchJobOperator
from airflow_s3batch.operators.manifest_groups import (
    InventoryGroupOperator,
    InventoryGroupsOperator,
    InventoryGroupsToManifestOperator,
)
from airflow_s3batch.operators.parquet_manifest import ParquetToManifestOperator
from airflow_s3batch.operators.rehearsal import BatchRehearsalOperator
from airflow_s3batch.operators.report import BatchReportOperator
from airflow_s3batch.operators.report_manifest import ReportToManifestOperator
from airflow_s3batch.operators.verification import BatchVerificationOperator

__all__ = [
    "AthenaToManifestOperator",
    "BatchApprovalOperator",
    "BatchOperationOperator",
    "BatchRehearsalOperator",
    "BatchReportOperator",
    "BatchVerificationOperator",
    "CsvToManifestOperator",
    "InventoryGroupOperator",
    "InventoryGroupsOperator",
    "InventoryGroupsToManifestOperator",
    "InventoryToManifestOperator",
    "ListObjectsToManifestOperator",
    "ManagedBatchJobOperator",
    "ParquetToManifestOperator",
    "ReportToManifestOperator",
    "S3BatchCleanupOperator",
]
