"""What was said before the job ran: what it would cost, and that it may. For the summary, beside what became true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.engine.checks.estimates import read_estimate
from airflow_s3batch.engine.jobs.approval import read_approval

if TYPE_CHECKING:
    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.files.storage import Storage


def paperwork(storage: Storage, job: JobLayout, manifest: Manifest, requests: int) -> dict[str, Any]:
    """Return the summary's ``cost``, ``approval`` and ``storage_classes``; *requests* is how many were really sent."""
    return {
        "cost": _cost(storage, job, requests),
        "approval": _approval(storage, job),
        "storage_classes": {name: list(totals) for name, totals in manifest.storage_classes.items()},
    }


def _cost(storage: Storage, job: JobLayout, requests: int) -> dict[str, Any] | None:
    try:
        found = read_estimate(storage, job)
    except JobDamagedError as error:
        return {"sentence": str(error)}
    if found is None:
        return None
    return {
        **found.brief(),
        "requests_sent": requests,
        "assumptions": list(found.assumptions),
        "not_included": list(found.not_included),
    }


def _approval(storage: Storage, job: JobLayout) -> dict[str, Any] | None:
    try:
        found = read_approval(storage, job)
    except JobDamagedError as error:
        return {"state": "damaged", "sentence": str(error)}
    if found is None:
        return None
    return {
        "state": found.state,
        "by": found.by,
        "at": found.at,
        "sentence": found.sentence(),
        "asked": found.asked,
        "deadline": found.deadline,
        "question": found.subject,
        "task": found.task_id,
        "objects": found.objects,
        "bytes": found.bytes,
        "figures": dict(found.figures),
        "operation": dict(found.operation),
        "manifest": found.manifest,
    }
