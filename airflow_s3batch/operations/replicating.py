"""
Replicate existing objects by the rules of their bucket. AWS alone can do that.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.requests import RunContext, Steps

ONLY_MANAGED = (
    "ReplicateObject: replication by a bucket's own rules is done by AWS alone; use engine='managed', "
    "or CopyObject to copy objects with engine='worker'"
)


@dataclass(frozen=True)
class ReplicateObject(Operation):
    """
    Replicate each object by the replication rules of its bucket, like S3 Batch Operations' ``S3ReplicateObject``.

    Only with ``engine="managed"``: there is no request that replicates one object. Without a filter of the rules all
    that match apply. A manifest over a versioned bucket has to name versions. AWS takes no objects of the storage
    classes GLACIER and DEEP_ARCHIVE, and runs up to 6 such jobs of an account at a time.
    """

    name: ClassVar[str] = "replicate_object"
    unbilled: ClassVar[str] = "The requests and the transfer of the replication itself."
    unverifiable: ClassVar[str] = "S3 replicates in its own time, and what it does says nothing of the request"
    replay: ClassVar[Replay] = Replay.SAFE
    managed_name: ClassVar[str] = "S3ReplicateObject"
    managed_most_objects: ClassVar[int] = 20_000_000_000
    runs_on_workers: ClassVar[bool] = False

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls()

    def problems(self) -> list[str]:  # noqa: D102
        return []

    def managed_form(self) -> dict[str, Any]:  # noqa: D102
        return {}

    @classmethod
    def from_managed_form(cls, form: Mapping[str, Any]) -> Self:  # noqa: ARG003, D102
        return cls()

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002, D102
        yield from ()
        return Outcome(501, "NotImplemented", ONLY_MANAGED)

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: ARG002, D102
        yield from ()
        raise CapabilityError(ONLY_MANAGED)

    def iam_actions(self) -> set[str]:  # noqa: D102
        return {"s3:InitiateReplication"}
