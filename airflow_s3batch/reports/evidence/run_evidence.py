"""What stands for the work itself: engine, fingerprint of the operation, permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_s3batch.reports.accounts.aws_jobs import aws_role

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.reports.accounts.generations import OperationRun


def run_evidence(storage: Storage, run: OperationRun) -> dict[str, Any]:
    """Return ``engine`` (empty if nothing was started), ``operation`` and ``iam`` of *run*."""
    role = aws_role(storage, run.generations)
    return {
        "engine": ("managed" if role else "worker") if run.generations else "",
        "operation": {"fingerprint": run.fingerprint, "generations": len(run.generations)},
        "iam": {"actions": list(run.iam_actions), "role_arn": role},
    }
