"""Whether a job was approved: reads and writes the answer in the job's folder, and refuses to start without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_s3batch.core.approval_record import APPROVED, ASKED, ApprovalRecord, manifest_mark
from airflow_s3batch.core.errors import ApprovalError
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.engine.jobs.job_manifest import published_manifest

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.operations.base import Operation


def read_approval(storage: Storage, job: JobLayout) -> ApprovalRecord | None:
    """
    Return the approval of *job*, ``None`` if nobody was asked.

    Raises:
        JobDamagedError: the file is not one of ours.
    """
    body = storage.read(job.approval)
    return None if body is None else ApprovalRecord.from_json(body, place=str(job.approval))


def write_approval(storage: Storage, job: JobLayout, record: ApprovalRecord) -> None:
    """Keep *record*, in place of what was answered before."""
    storage.write(job.approval, record.to_json().encode(), "application/json")


def check_approved(storage: Storage, job_url: S3Url, operation: Operation, task_id: str) -> ApprovalRecord:
    """
    Return the approval of exactly this operation on exactly this manifest, which task *task_id* has asked for.

    Raises:
        ApprovalError: nobody has approved it; no object was touched.
        JobDamagedError: a file is missing or altered.
    """
    job = JobLayout(job_url)
    record = read_approval(storage, job)
    if record is None:
        raise ApprovalError(_refusal(job, "nobody was asked", task_id))
    if record.task_id != task_id:
        raise ApprovalError(_refusal(job, f"task {record.task_id!r} asked, not {task_id!r}", task_id))
    if record.state != APPROVED:
        told = "nobody has answered yet" if record.state == ASKED else f"it was {record.sentence()}"
        raise ApprovalError(_refusal(job, told, task_id))
    if why := why_other(record, published_manifest(storage, job), operation):
        raise ApprovalError(_refusal(job, f"it was {record.sentence()}, but {why}", task_id))
    return record


def check_told(record: ApprovalRecord, told: object, job_url: S3Url) -> None:
    """
    Check that *record* is what the task that asked has *told* Airflow (`ApprovalRecord.mark`).

    Whoever may write to the job's folder can write an answer there; what tasks tell Airflow, only Airflow's users can.

    Raises:
        ApprovalError: it is another, or there is none; no object was touched.
    """
    if told != record.mark:
        why = f"this file says that it was {record.sentence()}, which is not what that task has told Airflow"
        raise ApprovalError(_refusal(JobLayout(job_url), why, record.task_id))


def why_other(record: ApprovalRecord, manifest: Manifest, operation: Operation) -> str:
    """Return why *record* is about something else than *operation* on *manifest*, a clause; empty if it is not."""
    if record.manifest != manifest_mark(manifest):
        return "for another manifest"
    shown = operation.completed(record.operation)
    if fingerprint(shown) == fingerprint(operation.to_json()):
        return ""
    now = operation.to_json()
    if shown.get("operation") != now.get("operation"):
        return f"for {shown.get('operation')}, and not for {now.get('operation')}"
    names = ", ".join(name for name in {**shown, **now} if shown.get(name) != now.get(name))
    return f"for another operation than it is now ({names} changed)"


def _refusal(job: JobLayout, why: str, task_id: str) -> str:
    return (
        f"{job.approval}: this job needs an approval, and {why}; no object was touched. "
        f"Clear task {task_id!r}, with what is downstream of it, to have somebody asked"
    )
