"""What a report says of an approval, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_s3batch.core.approval_record import APPROVED, REJECTED


def approval_sentence(approval: Mapping[str, Any] | None) -> str:
    """Return why nobody let the job run, for the person on call; empty if somebody did, or nobody had to."""
    if not approval or approval.get("state") in (None, APPROVED):
        return ""
    told = f"{approval.get('sentence')} (task {approval.get('task')})"
    return f"The job was {told}, so it was not run." if approval["state"] == REJECTED else f"No approval: {told}."
