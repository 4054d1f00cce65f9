"""What a task is to a job, by the name of its operator's class."""

from __future__ import annotations

MANIFEST = "manifest"
OPERATION = "operation"
REPORT = "report"
APPROVAL = "approval"
REHEARSAL = "rehearsal"
VERIFICATION = "verification"
GROUPS = "groups"
GROUP = "group"

PARTS = {
    "InventoryToManifestOperator": MANIFEST,
    "ListObjectsToManifestOperator": MANIFEST,
    "CsvToManifestOperator": MANIFEST,
    "ParquetToManifestOperator": MANIFEST,
    "ReportToManifestOperator": MANIFEST,
    "AthenaToManifestOperator": MANIFEST,
    "InventoryGroupsToManifestOperator": MANIFEST,
    "InventoryGroupsOperator": GROUPS,
    "InventoryGroupOperator": GROUP,
    "BatchApprovalOperator": APPROVAL,
    "BatchRehearsalOperator": REHEARSAL,
    "BatchOperationOperator": OPERATION,
    "ManagedBatchJobOperator": OPERATION,
    "BatchVerificationOperator": VERIFICATION,
    "BatchReportOperator": REPORT,
}
"""By the names of this package's operators; a sub-class is known by the news of the manifest task only."""

MANAGED = "ManagedBatchJobOperator"
