"""
Put legal holds on object versions, or lift them.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-legal-hold.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, get_args

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.fields import Column, choice_problems
from airflow_s3batch.operations.locks.lock_look import READ_HOLD, hold_shown
from airflow_s3batch.operations.locks.object_lock import body_problem, lock_problems, tried_on_scratch
from airflow_s3batch.operations.requests import BucketFacts, Call, Request, Response, RunContext, Steps
from airflow_s3batch.operations.types import OnOff
from airflow_s3batch.operations.verification import Done, explained

_GET_HOLD = Call("GetObjectLegalHold")


@dataclass(frozen=True)
class PutObjectLegalHold(Operation):
    """
    Put a legal hold on each object, or lift it, like S3 Batch Operations' ``S3PutObjectLegalHold``.

    A version under a legal hold can't be deleted or overwritten by anybody, for as long as the hold is ``ON``; it does
    not expire, and is independent of retention. It is on the version that the manifest names, or on the current one.
    The bucket needs Object Lock and versioning.

    A store that is not known to be AWS is tried first: a scratch object in the objects' bucket is held, looked at,
    released and deleted.

    Args:
        status: ``"ON"`` or ``"OFF"`` (or a `Column` of these).
        confirmed: the store is known to keep legal holds, so nothing is tried; for those where we may not write.
    """

    status: str | Column
    confirmed: bool = False
    _call: Call = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "put_object_legal_hold"
    requests: ClassVar[tuple[str, ...]] = ("PutObjectLegalHold",)
    replay: ClassVar[Replay] = Replay.SAFE
    managed_name: ClassVar[str] = "S3PutObjectLegalHold"
    managed_most_objects: ClassVar[int] = 20_000_000_000
    goes_with_object: ClassVar[bool] = True
    compares: ClassVar[str] = "the legal hold's status"

    def __post_init__(self) -> None:
        """Check the fields and make the call that all objects share; what is confirmed needs no trial."""
        super().__post_init__()
        object.__setattr__(self, "is_probed", not self.confirmed)
        is_open = self.columns() or self.has_templates  # for_object and render make the operation that is sent
        object.__setattr__(self, "_call", Call("PutObjectLegalHold", {} if is_open else self.managed_form()))

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls("ON")

    def problems(self) -> list[str]:  # noqa: D102
        found = choice_problems(get_args(OnOff), status=self.status)
        if self.status is None:
            found.append("status=None: expected 'ON' or 'OFF'")
        if not isinstance(self.confirmed, bool):
            found.append(f"confirmed={self.confirmed!r}: expected True or False")
        return found

    def managed_form(self) -> dict[str, Any]:  # noqa: D102
        return {"LegalHold": {"Status": self.status}}

    @classmethod
    def from_managed_form(cls, form: Mapping[str, Any]) -> Self:  # noqa: D102
        return cls(form.get("LegalHold", {}).get("Status"))

    def bucket_problems(self, facts: BucketFacts) -> list[str]:  # noqa: D102
        return lock_problems(facts)

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002, D102
        response = yield Request(self._call, obj.bucket, obj.key, obj.version_id)
        return response.outcome()

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: ARG002, D102
        return frozenset({"hold"})

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:  # noqa: D102
        return (yield from explained(obj, (yield from hold_shown(obj, str(self.status))), done))

    def verification_iam_actions(self) -> set[str]:  # noqa: D102
        return super().verification_iam_actions() | READ_HOLD

    def for_probe(self, sample: S3Object) -> PutObjectLegalHold:  # noqa: ARG002, D102
        return PutObjectLegalHold("ON", confirmed=self.confirmed)

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: D102
        yield from tried_on_scratch(self.name, scratch, sample, _tried)
        return {}

    def iam_actions(self) -> set[str]:  # noqa: D102
        return {"s3:PutObjectLegalHold"}


def _tried(obj: S3Object, put: Response) -> Steps[str]:  # noqa: ARG001 - as `tried_on_scratch` calls it
    """Hold *obj* and release it; return what the store did wrong."""
    for status in ("ON", "OFF"):
        call = Call("PutObjectLegalHold", {"LegalHold": {"Status": status}})
        response = yield Request(call, obj.bucket, obj.key, obj.version_id)
        if wrong := (yield from body_problem(obj)):
            return wrong
        if not response.is_success:
            return f"answers {response.error_code} ({response.message})"
        shown = yield Request(_GET_HOLD, obj.bucket, obj.key, obj.version_id)
        if f"<Status>{status}</Status>".encode() not in shown.body:
            return f"accepts the legal hold {status} but does not show it"
    return ""
