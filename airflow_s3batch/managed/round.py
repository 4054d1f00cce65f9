"""A round: one AWS job for what was left of one bucket at the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_s3batch.managed.buckets import BucketRef


class Round(NamedTuple):
    """
    One AWS job and what it is about. JSON-ready through `to_json`, so that a trigger can carry it.

    Attributes:
        ref: the bucket.
        task_id: of the operation task.
        operation: its name in snake case.
        generation: number of the start from scratch, from 1.
        number: of the round within it, from 1.
        rows: objects that the AWS job was made for.
        account_id: that owns it.
        region: where it runs.
        job_id: AWS's.
    """

    ref: BucketRef
    task_id: str
    operation: str
    generation: int
    number: int
    rows: int
    account_id: str
    region: str
    job_id: str

    @property
    def name(self) -> str:
        """For log lines and errors."""
        return f"{self.operation}, bucket {self.ref.bucket}, AWS job {self.job_id}"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict; `from_json` reads it."""
        return {**self._asdict(), "ref": self.ref.to_xcom()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Round:
        """Return the round that `to_json` wrote."""
        return cls(**{**data, "ref": BucketRef.from_xcom(data["ref"])})
