"""
Delete objects and versions, a thousand in a request where that is safe.

What AWS's S3 Batch Operations lacks. A delete that names a version can hit no other body. A delete of whatever is
current carries the ETag that the manifest saw, so that an object written since then survives.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Self

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.verdicts import Verdict, verdict_for
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.bodies.null_versions import is_suspended, null_version_loss
from airflow_s3batch.operations.bodies.sameness import changed_message
from airflow_s3batch.operations.bodies.sources import e_tag_in
from airflow_s3batch.operations.deletes.delete_xml import DELETED, delete_results, delete_xml, fits_xml
from airflow_s3batch.operations.fields import Column
from airflow_s3batch.operations.probing import HEAD, SCRATCH_BODY, expect_gone, expect_intact, expect_success, refuse
from airflow_s3batch.operations.requests import BucketFacts, Call, Request, Response, RunContext, Steps
from airflow_s3batch.operations.verification import AS_LEFT, CHANGED_SINCE, Done, differs, judged

_HONOURED = "honoured"
_IGNORED = "ignored"
_MOST_TRIES = 5
MFA_REQUIRED = "MfaRequired"
"""ErrorCode of versions in a bucket that deletes them only along with a code of its owner's MFA device."""

MFA_PROBLEM = (
    "its MFA Delete is enabled, so S3 deletes versions only with a code of its owner's device, a new one each time; "
    "suspend MFA Delete for the job, or leave version ids out to add delete markers"
)
_GONE = 404
_IS_MARKER = 405
"""Status of a HEAD of a version that is a delete marker."""

_LEEWAY_S = 2.0  # both times are rounded to seconds
_WRONG_ETAG = "00000000000000000000000000000000"
_CONDITION_CODES = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "Conflict"})
_PUT = Call("PutObject", wants_headers=True)


@dataclass(frozen=True)
class DeleteObject(Operation):
    """
    Delete each object, or exactly the version that the manifest names.

    Without a version id, an object in a versioned bucket gets a delete marker, and an object in an unversioned one is
    gone for good. Such a delete is conditional on the manifest's ETag (or on that of a HEAD just before, if the
    manifest has none): an object that changed is reported as ``PreconditionFailed`` and stays. Bodies are told apart
    by ETag: one that was written again with the same bytes is the same object.

    Where versioning is suspended, S3 puts the marker in the place of the null version, whichever version is current. If
    that would lose an older body, which lies below the current one, the object is refused (``InvalidRequest``).

    A version that is a delete marker is deleted like any other, which brings the version below it back. Where a bucket
    has MFA Delete enabled, versions can't be deleted by a job (each request would need a code of its own); deletes
    without a version id, which only add a marker, can.

    Args:
        bypass_governance_retention: delete versions under GOVERNANCE retention (needs the permission of that name);
            or a `Column`. A version under COMPLIANCE retention or legal hold fails with ``AccessDenied``.
        allow_unconditional: delete whatever is current, changed or not; needed where the store ignores conditions.
    """

    bypass_governance_retention: bool | Column = False
    allow_unconditional: bool = False
    _single: Call = field(init=False, repr=False, compare=False)
    _bulk: Call = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "delete_object"
    requests: ClassVar[tuple[str, ...]] = ("DeleteObjects", "DeleteObject", "HeadObject")
    replay: ClassVar[Replay] = Replay.CHECK
    destroys: ClassVar[bool] = True
    ends_sequence: ClassVar[str] = "it deletes the object"
    compares: ClassVar[str] = "that the version is gone; without one, that the object is, or a delete marker is current"
    batch_size: ClassVar[int] = 1_000

    def __post_init__(self) -> None:
        """Make the calls that all objects share."""
        super().__post_init__()
        params: dict[str, Any] = {"BypassGovernanceRetention": True} if self.bypass_governance_retention is True else {}
        object.__setattr__(self, "_single", Call("DeleteObject", params))
        object.__setattr__(self, "_bulk", Call("DeleteObjects", {**params, "Delete": {"Objects": [{"Key": "-"}]}}))

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls()

    def problems(self) -> list[str]:  # noqa: D102
        found: list[str] = []
        if not isinstance(self.bypass_governance_retention, (bool, Column, type(None))):
            found.append(f"bypass_governance_retention={self.bypass_governance_retention!r}: expected True or False")
        if not isinstance(self.allow_unconditional, bool):
            found.append(f"allow_unconditional={self.allow_unconditional!r}: expected True or False")
        return found

    def object_problems(self, obj: S3Object, facts: BucketFacts) -> list[str]:  # noqa: D102
        return [MFA_PROBLEM] if obj.version_id and facts.mfa_delete == "Enabled" else []

    def is_batchable(self, obj: S3Object, context: RunContext) -> bool:  # noqa: D102
        has_columns: tuple[str, ...] = self._column_names  # type: ignore[attr-defined]
        if not fits_xml(obj.key) or has_columns or self._needs_mfa(obj, context):
            return False
        if obj.version_id is not None:
            return obj.version_id != "null"
        if is_suspended(obj, context):
            return False
        if self.allow_unconditional:
            return True
        return bool(obj.e_tag) and context.capabilities.findings.get("bulk_conditions", _HONOURED) == _HONOURED

    def _needs_mfa(self, obj: S3Object, context: RunContext) -> bool:
        return bool(obj.version_id) and context.capabilities.bucket(obj.bucket).mfa_delete == "Enabled"

    def refusal(self, obj: S3Object, context: RunContext) -> Steps[Outcome | None]:
        """Return why *obj* is not deleted, as far as that can be told before it is tried."""
        if self._needs_mfa(obj, context):
            return Outcome(403, MFA_REQUIRED, MFA_PROBLEM)
        is_ignored = context.capabilities.findings.get("single_conditions") == _IGNORED
        if is_ignored and obj.version_id is None and not self.allow_unconditional:
            return Outcome(400, "InvalidRequest", "the store ignores If-Match on deletes; see allow_unconditional")
        if obj.version_id or not is_suspended(obj, context):
            return None
        return (yield from null_version_loss(obj, (yield Request(HEAD, obj.bucket, obj.key)), context))

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: D102
        refused = yield from self.refusal(obj, context)
        if refused is not None:
            return refused
        if self.allow_unconditional or (obj.version_id and obj.version_id != "null"):
            response = yield Request(self._single, obj.bucket, obj.key, obj.version_id)
            return _judged(response, context)
        if obj.version_id == "null":
            return (yield from self._null_steps(obj, context))
        e_tag = obj.e_tag
        if not e_tag:
            seen = _seen_e_tag(obj, (yield Request(HEAD, obj.bucket, obj.key)), context)
            if isinstance(seen, Outcome):
                return seen
            e_tag = seen
        response = yield Request(self._single, obj.bucket, obj.key, None, _if_match(e_tag))
        if response.error_code in _CONDITION_CODES:
            return (yield from _after_conflict(obj, e_tag, response, context))
        return _judged(response, context)

    def _null_steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:
        """
        Delete a null version, which unlike others can be overwritten: by any write, unless versioning is enabled.

        S3 evaluates conditions against the current version only, so one is sent where the null version is current.
        Where it is not, or a store refuses a condition with a version, it is compared right before.
        """
        if context.capabilities.bucket(obj.bucket).versioning != "Enabled":
            head = yield Request(HEAD, obj.bucket, obj.key)
            if head.is_success and head.headers.get("x-amz-version-id", "null") == "null":
                seen = _seen_e_tag(obj, head, context)
                if isinstance(seen, Outcome):
                    return seen
                response = yield Request(self._single, obj.bucket, obj.key, "null", _if_match(seen))
                if response.error_code in _CONDITION_CODES:
                    return (yield from _after_conflict(obj, seen, response, context))
                if response.status not in (400, 501):
                    return _judged(response, context)
        seen = _seen_e_tag(obj, (yield Request(HEAD, obj.bucket, obj.key, "null")), context)
        if isinstance(seen, Outcome):
            return seen
        response = yield Request(self._single, obj.bucket, obj.key, "null")
        return _judged(response, context)

    def was_done(self, obj: S3Object, context: RunContext) -> Steps[bool]:  # noqa: ARG002, D102
        head = yield Request(HEAD, obj.bucket, obj.key, obj.version_id)
        return head.status == 404

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: ARG002, D102
        return frozenset({"object"})

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:  # noqa: D102
        head = yield Request(HEAD, obj.bucket, obj.key, obj.version_id)
        if head.status == _GONE and head.error_code != "NoSuchBucket":  # which may be another store's
            return AS_LEFT
        if not head.is_success and head.status != _IS_MARKER:
            return head.outcome()
        seen = e_tag_in(head.headers)
        is_other = not self.allow_unconditional and obj.e_tag not in (None, "", seen)
        if is_other and obj.version_id in (None, "null") and seen:  # that ETag was the delete's condition
            return differs(CHANGED_SINCE, f"an object with ETag {seen} is there; deleted was one with {obj.e_tag}")
        return judged(differs("StillThere", f"it still answers {head.status}"), head, done)

    def verification_iam_actions(self) -> set[str]:  # noqa: D102
        return super().verification_iam_actions() | {"s3:ListBucket"}

    def batch_steps(self, objects: Sequence[S3Object], context: RunContext) -> Steps[list[Outcome]]:  # noqa: D102
        outcomes: list[Outcome | None] = [None] * len(objects)
        waiting = list(range(len(objects)))
        for attempt in range(1, _MOST_TRIES + 1):
            body = delete_xml([objects[n] for n in waiting], is_conditional=not self.allow_unconditional)
            delay_s = 0.0 if attempt == 1 else 0.25 * 2**attempt
            response = yield Request(self._bulk, objects[0].bucket, "", None, (), body, delay_s)
            if not response.is_success:
                for number in waiting:
                    outcomes[number] = response.outcome()
                break
            told = delete_results(response.body)
            followed = replace(context, is_replay=context.is_replay or response.is_retried or attempt > 1)
            again = []
            for number in waiting:
                obj = objects[number]
                outcome = _told_of(obj, told, objects)
                if outcome is None or outcome.error_code in _CONDITION_CODES:
                    outcome = yield from self._followed_up(obj, outcome, followed)
                elif outcome.error_code and verdict_for(outcome.http_status, outcome.error_code) in _RETRIED:
                    again.append(number)
                outcomes[number] = outcome
            waiting = again
            if not waiting:
                break
        return [outcome or Outcome(0, "InternalError", "no answer for this key") for outcome in outcomes]

    def _followed_up(self, obj: S3Object, told: Outcome | None, context: RunContext) -> Steps[Outcome]:
        """Return what became of *obj*, for which the answer to a batch has nothing, or a condition that failed."""
        if told is None:  # it may have been deleted all the same
            return (yield from self.steps(obj, replace(context, is_replay=True)))
        if obj.e_tag is None or obj.version_id is not None:
            return (yield from self.steps(obj, context))
        response = Response(told.http_status, {}, b"", told.error_code, told.message)
        if told.error_code == "NoSuchKey":
            return _judged(response, context)
        if told.error_code == "PreconditionFailed":
            return (yield from _after_conflict(obj, obj.e_tag, response, context))
        return (yield from self.steps(obj, context))

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: D102
        other = scratch._replace(key=scratch.key + "-other")
        yield from _put(other)
        findings = {"single_conditions": _HONOURED, "bulk_conditions": _HONOURED}
        wrong = scratch._replace(e_tag=_WRONG_ETAG)
        yield Request(Call("DeleteObject"), wrong.bucket, wrong.key, None, (("if-match", f'"{_WRONG_ETAG}"'),))
        if not (yield from _exists(scratch)):
            findings["single_conditions"] = _IGNORED
            scratch = yield from _put(scratch)
        yield Request(self._bulk, wrong.bucket, "", None, (), delete_xml([wrong], is_conditional=True))
        survives = yield from _exists(scratch)
        yield Request(self._bulk, scratch.bucket, "", None, (), delete_xml([scratch], is_conditional=True))
        if not survives or (yield from _exists(scratch)):
            findings["bulk_conditions"] = _IGNORED
        scratch = yield from _put(scratch)
        is_ignored = findings["single_conditions"] == _IGNORED
        if is_ignored and sample.version_id is None and not self.allow_unconditional:
            raise CapabilityError(
                f"{self.name}: this store ignores If-Match on deletes, so an object written since the manifest was "
                "made would be lost. No object of the manifest was touched; "
                "DeleteObject(allow_unconditional=True) accepts that"
            )
        yield from self._probe_effect(scratch, other)
        return findings

    def _probe_effect(self, scratch: S3Object, other: S3Object) -> Steps[None]:
        """Delete the scratch object both ways, and see that only it goes."""
        unconditional = DeleteObject(allow_unconditional=True)
        outcomes = yield from unconditional.batch_steps([scratch], RunContext())
        expect_success(self.name, outcomes[0])
        yield from expect_gone(self.name, scratch)
        yield from expect_intact(self.name, other)
        scratch = yield from _put(scratch)
        outcome = yield from self.steps(scratch, RunContext())
        expect_success(self.name, outcome)
        yield from expect_gone(self.name, scratch)
        yield from expect_intact(self.name, other)

    def iam_actions(self) -> set[str]:  # noqa: D102
        actions = {"s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:GetObjectVersion"}
        return actions | ({"s3:BypassGovernanceRetention"} if self.bypass_governance_retention else set())


_RETRIED = frozenset({Verdict.RETRY, Verdict.THROTTLE})


def _told_of(obj: S3Object, told: Mapping[tuple[str, str], Outcome], batch: Sequence[S3Object]) -> Outcome | None:
    """Return what *told* says of *obj*; where it names the key alone, that may be another version in the *batch*."""
    found = told.get((obj.key, obj.version_id or ""))
    if found is not None or (obj.key, "") not in told:
        return found
    return told[obj.key, ""] if sum(other.key == obj.key for other in batch) == 1 else None


def _if_match(e_tag: str) -> tuple[tuple[str, str], ...]:
    """Return the condition's header; a delete marker has no ETag and gets none."""
    return (("if-match", f'"{e_tag}"'),) if e_tag else ()


def _seen_e_tag(obj: S3Object, head: Response, context: RunContext) -> str | Outcome:
    """Return the ETag that *head* shows (empty for a delete marker), or why the object is not to be deleted."""
    if obj.version_id == "null" and head.headers.get("x-amz-delete-marker") == "true":
        return ""
    if not head.is_success:
        return _judged(head, context)
    seen = head.headers.get("etag", "").strip('"')
    if not seen:
        return Outcome(400, "InvalidRequest", "the store shows no ETag, so a newer body could not be told apart")
    why = body_difference(obj, seen, head, context)
    return Outcome(412, "PreconditionFailed", why) if why else seen


def body_difference(obj: S3Object, seen: str, head: Response, context: RunContext) -> str:
    """Return why what *head* shows is not the manifest's object; empty if it is, as far as anybody can tell."""
    if obj.e_tag not in (None, seen):
        return changed_message(obj.e_tag, seen)
    length = head.headers.get("content-length", "")
    if obj.size is not None and length.isdigit() and int(length) != obj.size:
        return f"the object has changed (now {length} bytes, was {obj.size}); kept"
    if obj.e_tag is None and context.is_replay and _is_younger(head, context.elapsed_s()):
        return (
            "the object was written since the job began; an earlier attempt may have deleted the one that was meant, "
            "and the manifest has no ETag to tell them apart; kept"
        )
    return ""


def _is_younger(head: Response, seconds: float) -> bool:
    """Return whether *head* shows an object that was written in the last *seconds*, by the store's own clock."""
    try:
        now, written = (parsedate_to_datetime(head.headers.get(name, "")) for name in ("date", "last-modified"))
    except (TypeError, ValueError):
        return True
    return (now - written).total_seconds() < seconds + _LEEWAY_S


def _after_conflict(obj: S3Object, e_tag: str, response: Response, context: RunContext) -> Steps[Outcome]:
    """Return what a failed condition means: changed, gone by our own hand, or gone by another's."""
    head = yield Request(HEAD, obj.bucket, obj.key)
    if head.status == 404:
        return _judged(head._replace(is_retried=response.is_retried), context)
    seen = head.headers.get("etag", "").strip('"')
    if not head.is_success or seen == e_tag:
        return response.outcome()
    return Outcome(412, "PreconditionFailed", changed_message(e_tag, seen))


def _judged(response: Response, context: RunContext) -> Outcome:
    if response.is_success:
        return DELETED
    if response.status == 404 and response.error_code != "NoSuchBucket" and (context.is_replay or response.is_retried):
        return Outcome(204, "", "Successful: it was gone already")
    return response.outcome()


def _put(obj: S3Object) -> Steps[S3Object]:
    response = yield Request(_PUT, obj.bucket, obj.key, body=SCRATCH_BODY)
    expect_success(DeleteObject.name, response)
    return obj._replace(e_tag=response.headers.get("etag", "").strip('"'))


def _exists(obj: S3Object) -> Steps[bool]:
    response = yield Request(HEAD, obj.bucket, obj.key)
    if not response.is_success and response.status != 404:
        raise refuse(DeleteObject.name, f"answers a HEAD with {response.error_code} ({response.message})")
    return response.is_success
