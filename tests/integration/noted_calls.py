"""A function for jobs that must not call it, and whether one has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_s3batch.core.objects import S3Object

CALLS: list[str] = []


def note_call(obj: S3Object, params: Mapping[str, Any]) -> None:
    """Keep the key of *obj* in `CALLS`."""
    CALLS.append(obj.key)
