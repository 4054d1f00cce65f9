"""Look whether objects can be read yet. Reads only; not for users, who have `S3RestoreSensor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.archives.restoring import archive_state
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.probing import HEAD
from airflow_s3batch.operations.requests import Request, RunContext, Steps

RESTORING = "RestoreInProgress"
ARCHIVED = "NotRestored"
_OUTCOMES = {
    "readable": Outcome(200),
    "restoring": Outcome(200, RESTORING, "its restore is not finished"),
    "archived": Outcome(200, ARCHIVED, "it is archived, and no restore is under way"),
}


@dataclass(frozen=True)
class LookAtReadability(Operation):
    """Succeed for objects that can be read; `RESTORING` and `ARCHIVED` are the codes of those that can't."""

    name: ClassVar[str] = "look_at_readability"
    replay: ClassVar[Replay] = Replay.SAFE
    is_probed: ClassVar[bool] = False
    is_for_users: ClassVar[bool] = False

    def problems(self) -> list[str]:  # noqa: D102
        return []

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002, D102
        head = yield Request(HEAD, obj.bucket, obj.key, obj.version_id)
        return _OUTCOMES[archive_state(head.headers)] if head.is_success else head.outcome()

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: ARG002, D102
        yield from ()
        return {}

    def iam_actions(self) -> set[str]:  # noqa: D102
        return {"s3:GetObject", "s3:GetObjectVersion"}
