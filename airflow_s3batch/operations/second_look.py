"""A second look at objects that an operation was done to. Reads only; not for users, who have ``verification=``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.requests import RunContext, Steps
from airflow_s3batch.operations.verification import Done

_DONE = "\0done"  # no column has a name like this


def with_done(obj: S3Object, done: Done) -> S3Object:
    """Return *obj* with what is known of the operation that was done to it, for `SecondLook`."""
    columns: Mapping[str, Any] = {**obj.columns, _DONE: done}
    return obj._replace(columns=columns)


@dataclass(frozen=True)
class SecondLook(Operation):
    """Look whether objects, which come from `with_done`, are as *operation* should have left them."""

    operation: Operation

    name: ClassVar[str] = "verify"
    replay: ClassVar[Replay] = Replay.SAFE
    is_probed: ClassVar[bool] = False
    is_for_users: ClassVar[bool] = False

    def problems(self) -> list[str]:  # noqa: D102
        return self.operation.verification_problems()

    def columns(self) -> set[str]:  # noqa: D102
        return set()

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002, D102
        done = cast("Done", obj.columns[_DONE])
        return (yield from self.operation.for_object(obj).compared(obj, done))

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: ARG002, D102
        yield from ()
        return {}

    def iam_actions(self) -> set[str]:  # noqa: D102
        return self.operation.verification_iam_actions()
