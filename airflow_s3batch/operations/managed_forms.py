"""From CreateJob's ``Operation`` back to an operation of this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operations import ALL_OPERATIONS
from airflow_s3batch.operations.base import Operation


def managed_operations() -> dict[str, type[Operation]]:
    """Return the operations that AWS S3 Batch Operations has, by member of ``JobOperation``."""
    return {known.managed_name: known for known in ALL_OPERATIONS if known.managed_name}


def operation_from_create_job(operation: Mapping[str, Any]) -> Operation:
    """
    Return the operation that *operation*, CreateJob's member of that name, asks for.

    Raises:
        ArgumentError: not exactly one operation is set, it is not known, or its values can't be taken.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_JobOperation.html
    """
    names = [name for name, form in operation.items() if form is not None]
    if len(names) != 1:
        raise ArgumentError(f"Operation: exactly one operation has to be set; it has {', '.join(names) or 'none'}")
    known = managed_operations()
    if names[0] not in known:
        raise ArgumentError(f"Operation: {names[0]!r} is unknown; known are {', '.join(sorted(known))}")
    return known[names[0]].from_managed_form(operation[names[0]])
