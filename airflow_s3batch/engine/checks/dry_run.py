"""
A dry run: what an operation would do to each object, told by looking at it.

The operation's own steps are taken up to the first request that changes something, which the executor's read-only store
has no way to send. Nothing counts as done: each object fails with `DRY_RUN`, or with what a look at it has shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.outcomes import DRY_RUN, Outcome
from airflow_s3batch.core.verdicts import is_transient
from airflow_s3batch.engine.wire.transport import UnsentError
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.in_order import InOrder
from airflow_s3batch.operations.requests import Call, Errand, Request

if TYPE_CHECKING:
    from airflow_s3batch.core.objects import S3Object
    from airflow_s3batch.engine.policy import Policy
    from airflow_s3batch.operations.requests import Response, RunContext, Steps

_LOOK = Call("HeadObject", wants_headers=True, from_source=True)
_CONDITIONS = {"CopyObject": "x-amz-copy-source-if-match", "UploadPartCopy": "x-amz-copy-source-if-match"}


def dry_policy(policy: Policy) -> Policy:
    """Return *policy* for a dry run: what would be done is no failure."""
    return replace(policy, tolerate=policy.tolerate | {DRY_RUN})


@dataclass(frozen=True)
class DryRun(Operation):
    """
    Look at each object as *operation* does before it changes anything, and once at least; then stop.

    What is found is told under its own code: values that won't do, objects that are gone, that have changed, or that
    may not be read. Where the operation itself would not have looked, one HEAD does, and of what that shows only a
    missing object counts, and a condition of the request that does not hold: a role may tag objects that it can't read.
    What only reads, but reads whole objects, is not done either.

    To be run by an executor that is read-only.
    """

    operation: Operation

    name: ClassVar[str] = "dry_run"
    replay: ClassVar[Replay] = Replay.SAFE
    is_probed: ClassVar[bool] = False
    is_for_users: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Take name and codes from the operation."""
        super().__post_init__()
        object.__setattr__(self, "name", self.operation.name)
        object.__setattr__(self, "invalid_code", self.operation.invalid_code)

    def problems(self) -> list[str]:  # noqa: D102
        return self.operation.problems()

    @property
    def has_templates(self) -> bool:  # noqa: D102
        return self.operation.has_templates

    def columns(self) -> set[str]:  # noqa: D102
        return self.operation.columns()

    def for_object(self, obj: S3Object) -> DryRun:  # noqa: ARG002, D102 - each step takes its own columns
        return self

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: D102
        parts = self.operation.operations if isinstance(self.operation, InOrder) else (self.operation,)
        look = _Look(obj)
        told = []
        if context.is_replay:  # earlier attempts have looked, too, and done nothing
            context = replace(context, is_replay=False)
        for number, part in enumerate(parts, 1):
            try:
                own = part.for_object(obj)
            except ArgumentError as error:
                outcome = Outcome(400, part.invalid_code, str(error)[:500])
            else:
                outcome = yield from _stopped(own, obj, context, look)
            if outcome.error_code == DRY_RUN:
                told.append(outcome.message)
            elif outcome.error_code:
                step = f"step {number} of {len(parts)}, {part.name}: " if len(parts) > 1 else ""
                return outcome._replace(message=step + outcome.message)
        return Outcome(0, DRY_RUN, f"dry run: {'; then '.join(told)}")

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: ARG002, D102
        yield from ()
        return {}

    def iam_actions(self) -> set[str]:  # noqa: D102
        return self.operation.iam_actions()


class _Look:
    """What is known of one object: whether a read of it has succeeded, and the ETag that it has shown."""

    def __init__(self, obj: S3Object) -> None:
        self._obj = obj
        self._is_done = False
        self._e_tag = ""

    def note(self, request: Request, response: Response) -> None:
        """Take note of an answer."""
        is_about = (request.bucket, request.key) == (self._obj.bucket, self._obj.key)
        if is_about and response.is_success:
            self._is_done = True
            self._e_tag = response.headers.get("etag", "").strip('"') or self._e_tag

    def steps(self, unsent: Request) -> Steps[Outcome | None]:
        """
        Yield one look, if what is known already is not enough.

        Return why *unsent* could not be done, ``None`` if nothing is to be said against it.
        """
        wanted = dict(unsent.headers).get(_CONDITIONS.get(unsent.call.api, "if-match"), "").strip('"')
        if not self._is_done or (wanted and not self._e_tag):
            obj = self._obj
            request = Request(_LOOK, obj.bucket, obj.key, obj.version_id)
            response = yield request
            if not response.is_success:
                is_telling = response.status == 404 or is_transient(response.error_code)
                return response.outcome() if is_telling else None
            self.note(request, response)
        seen = self._e_tag
        if wanted and seen != wanted:
            return Outcome(412, "PreconditionFailed", f"the object has changed: its ETag is {seen}, was {wanted}")
        return None


def _stopped(operation: Operation, obj: S3Object, context: RunContext, look: _Look) -> Steps[Outcome]:
    """Yield the reads of *operation* up to its first change; return what would be sent, or why it can't be done."""
    inner = operation.steps(obj, context)
    response: Any = None
    try:
        while True:
            try:
                request = inner.send(response)
            except StopIteration as stop:
                outcome: Outcome = stop.value
                if outcome.error_code:
                    return outcome
                return Outcome(0, DRY_RUN, f"nothing would be sent: {outcome.message}"[:500])
            if isinstance(request, Request) and request.sink is not None:
                return (yield from _unsent(f"{request.call.api} would read the object", request, look))
            try:
                response = yield request
            except UnsentError:
                return (yield from _unsent(_told(operation, obj, context, request), request, look))
            if isinstance(request, Request):
                look.note(request, response)
    finally:
        inner.close()


def _unsent(told: str, request: Request | Errand, look: _Look) -> Steps[Outcome]:
    """Return what a look at the object makes of a request that is not sent; functions are called for any object."""
    if isinstance(request, Request) and request.call.service == "s3":
        why_not = yield from look.steps(request)
        if why_not is not None:
            return why_not
    return Outcome(0, DRY_RUN, told)


def _told(operation: Operation, obj: S3Object, context: RunContext, request: Request | Errand) -> str:
    """Return what *request*, of *operation*, would have begun, a clause."""
    if isinstance(request, Errand):
        return "the function would be called"
    api = request.call.api
    if operation.batch_size > 1 and operation.is_batchable(obj, context):
        return f"{operation.requests[0]} would be sent, for up to {operation.batch_size:,} objects at a time"
    if "DeleteObject" in operation.requests and not api.startswith("DeleteObject"):
        return f"{api} and then DeleteObject would be sent"
    return f"{api} would be sent"
