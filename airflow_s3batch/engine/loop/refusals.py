"""Objects that are refused for want of a permission: which one it is, and when to stop asking."""

from __future__ import annotations

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.permissions import (
    PERMISSION_CODES,
    bucket_objects,
    is_locked,
    is_reason_named,
    missing_permission,
    object_actions,
)
from airflow_s3batch.engine.policy import Policy, allowed_count
from airflow_s3batch.operations.base import Operation

_MOST_TOLD = 3


class Refusals:
    """
    Counts refusals of one run.

    Attributes:
        FROM: so many objects, all refused, end a run that has done no other; more, if more may fail.
        reason: a clause once the run has to stop, else empty.
    """

    FROM = 100

    def __init__(self, operation: Operation, policy: Policy, rows: int | None) -> None:
        """*rows* is the number of objects in the run, ``None`` if that is not known."""
        self._operation = operation
        self._tolerated = policy.tolerate
        is_share = isinstance(policy.allowed_failures, float) and policy.allowed_failures > 0
        self._never_stops = policy.keep_going or (is_share and rows is None)
        self._most = max(self.FROM, allowed_count(policy.allowed_failures, rows or 0) + 1)
        self._refused = 0
        self._failed_otherwise = 0
        self._told: dict[str, None] = {}
        self.reason = ""

    def count(self, obj: S3Object, outcome: Outcome, *, succeeded: int) -> None:
        """Count one failure, after *succeeded* successes; what is tolerated says nothing about permissions."""
        code = outcome.error_code
        if code in self._tolerated:
            return
        if code not in PERMISSION_CODES:
            self._failed_otherwise += 1
            return
        self._refused += 1
        if len(self._told) < _MOST_TOLD:
            actions = object_actions(self._operation.iam_actions(), has_version=bool(obj.version_id))
            places = ", ".join(map(bucket_objects, dict.fromkeys(self._operation.buckets(obj))))
            lacking = missing_permission(code, outcome.message, actions, places)
            also = "" if is_reason_named(outcome.message) else self._operation.denied_for
            self._told[f"{lacking}; or {also}" if also else lacking] = None
        self._never_stops |= is_locked(outcome.message)
        is_all = not succeeded and not self._failed_otherwise
        if self._refused >= self._most and is_all and not self._never_stops and not self.reason:
            self.reason = f"the first {self._refused:,} objects were all refused ({code})"

    def keep_going(self) -> bool:
        """Return whether new objects may be started."""
        return not self.reason

    @property
    def advice(self) -> str:
        """A sentence on what is missing, if refusals are at least half of the failures; else empty."""
        if not self._refused or self._failed_otherwise > self._refused:
            return ""
        told = "; ".join(self._told)
        return f"{told[0].upper()}{told[1:]}."
