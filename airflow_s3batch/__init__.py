"""
S3 Batch Operations as Airflow citizens.

Names are served on first use: ``from airflow_s3batch import S3Object`` imports neither Airflow nor a transport.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from airflow_s3batch.version import __version__

if TYPE_CHECKING:
    from airflow_s3batch.approvals import Approval
    from airflow_s3batch.assets import delivered_url, inventory_asset
    from airflow_s3batch.core.errors import S3BatchError
    from airflow_s3batch.core.objects import S3Object
    from airflow_s3batch.core.outcomes import Summary
    from airflow_s3batch.core.shared_rate import SharedRate
    from airflow_s3batch.hooks import S3BatchHook
    from airflow_s3batch.notifications import EventBridgeJobNotifier
    from airflow_s3batch.operations.fields import Column
    from airflow_s3batch.operators import (
        AthenaToManifestOperator,
        BatchApprovalOperator,
        BatchOperationOperator,
        BatchRehearsalOperator,
        BatchReportOperator,
        BatchVerificationOperator,
        CsvToManifestOperator,
        InventoryToManifestOperator,
        ListObjectsToManifestOperator,
        ManagedBatchJobOperator,
        ParquetToManifestOperator,
        ReportToManifestOperator,
        S3BatchCleanupOperator,
    )
    from airflow_s3batch.sensors import S3BatchJobSensor, S3InventorySensor, S3RestoreSensor
    from airflow_s3batch.task_group import s3_batch_job

__all__ = [
    "Approval",
    "AthenaToManifestOperator",
    "BatchApprovalOperator",
    "BatchOperationOperator",
    "BatchRehearsalOperator",
    "BatchReportOperator",
    "BatchVerificationOperator",
    "Column",
    "CsvToManifestOperator",
    "EventBridgeJobNotifier",
    "InventoryToManifestOperator",
    "ListObjectsToManifestOperator",
    "ManagedBatchJobOperator",
    "ParquetToManifestOperator",
    "ReportToManifestOperator",
    "S3BatchCleanupOperator",
    "S3BatchError",
    "S3BatchHook",
    "S3BatchJobSensor",
    "S3InventorySensor",
    "S3Object",
    "S3RestoreSensor",
    "SharedRate",
    "Summary",
    "__version__",
    "delivered_url",
    "inventory_asset",
    "s3_batch_job",
]

_HOMES = {
    "Approval": "approvals",
    "AthenaToManifestOperator": "operators",
    "BatchApprovalOperator": "operators",
    "BatchOperationOperator": "operators",
    "BatchRehearsalOperator": "operators",
    "BatchReportOperator": "operators",
    "BatchVerificationOperator": "operators",
    "Column": "operations.base",
    "CsvToManifestOperator": "operators",
    "EventBridgeJobNotifier": "notifications",
    "InventoryToManifestOperator": "operators",
    "ListObjectsToManifestOperator": "operators",
    "ManagedBatchJobOperator": "operators",
    "ParquetToManifestOperator": "operators",
    "ReportToManifestOperator": "operators",
    "S3BatchCleanupOperator": "operators",
    "S3BatchError": "core.errors",
    "S3BatchHook": "hooks",
    "S3BatchJobSensor": "sensors",
    "S3InventorySensor": "sensors",
    "S3Object": "core.objects",
    "S3RestoreSensor": "sensors",
    "SharedRate": "core.shared_rate",
    "Summary": "core.outcomes",
    "delivered_url": "assets",
    "inventory_asset": "assets",
    "s3_batch_job": "task_group",
}


def __getattr__(name: str) -> Any:
    """Import the module that *name* lives in, on its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
