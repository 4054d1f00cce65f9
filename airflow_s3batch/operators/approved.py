"""What operators do that may only start what somebody has approved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.operations.base import Operation

APPROVAL_KEY = "approval"
"""XCom key under which the answer is pushed."""


def approval_task_problems(approval_task_id: Any) -> list[str]:
    """Return what is wrong with the argument *approval_task_id* of an operation task."""
    if approval_task_id is None or (isinstance(approval_task_id, str) and approval_task_id):
        return []
    return [f"approval_task_id={approval_task_id!r}: expected the full id of a BatchApprovalOperator, or None"]


def check_approval(
    approval_task_id: str | None,
    job_url: str,
    operation: Operation | Any,
    storage: Callable[[], Storage],
    log: Callable[[str], None],
    ti: Any,
) -> None:
    """
    Check that task *approval_task_id* was told yes, to this *operation* on the manifest of the job at *job_url*.

    Where there is no such task nothing is needed. *storage* returns where the job's files lie. The answer there has to
    be the one that the approval task has told Airflow, as the task instance *ti* can see.

    Raises:
        ApprovalError: nobody said yes, or to something else; no object was touched.
        S3BatchError: a file can't be read.
    """
    if approval_task_id:
        from airflow_s3batch.engine.jobs.approval import check_approved, check_told

        url = S3Url.parse(job_url, what="job")
        record = check_approved(storage(), url, operation, approval_task_id)
        told = ti.xcom_pull(task_ids=approval_task_id, key=APPROVAL_KEY)
        check_told(record, told.get("mark") if isinstance(told, Mapping) else None, url)
        log(f"This job was {record.sentence()}.")
