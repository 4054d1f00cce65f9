"""What a report says of the rehearsal before the job, and of rows that only a rehearsal could have reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_s3batch.engine.checks.rehearsal_notes import BEGAN, attempts_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_s3batch.engine.checks.rehearsal_notes import Note

_TOLD = (
    "objects",
    "of",
    "state",
    "succeeded",
    "failed",
    "counted_failures",
    "allowed",
    "codes",
    "examples",
    "bytes",
    "requests",
    "seconds",
    "is_green",
    "sentence",
    "started",
    "ended",
)


def told_rehearsal(notes: Sequence[Note]) -> dict[str, Any] | None:
    """Return what the newest of *notes* tells, JSON-ready; ``None`` without a rehearsal."""
    return {name: notes[-1][name] for name in _TOLD if name in notes[-1]} if notes else None


def why_unrun(notes: Sequence[Note], shard: int, attempts: Sequence[str]) -> str:
    """Return why nothing but a rehearsal was done to *shard*, at which *attempts* were made; empty if more was."""
    if not notes or not set(attempts) <= attempts_in(list(notes), shard):
        return ""
    newest = notes[-1]
    if newest["state"] == BEGAN:
        return "the rehearsal was cut short, and the job was not run"
    if not newest.get("is_green"):
        counted, objects = int(newest["counted_failures"]), int(newest["objects"])
        return f"the rehearsal failed ({counted:,} of its {objects:,} objects), so the job was not run"
    return "the job was not run after its rehearsal"
