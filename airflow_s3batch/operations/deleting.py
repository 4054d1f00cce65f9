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
from typing import Any, ClassVar

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.verdicts import Verdict, verdict_for
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.delete_xml import DELETED, delete_results, delete_xml, fits_xml
from airflow_s3batch.operations.probing import HEAD, SCRATCH_BODY, expect_gone, expect_intact, expect_success, refuse
from airflow_s3batch.operations.requests import Call, Request, Response, RunContext, Steps

_HONOURED = "honoured"
_IGNORED = "ignored"
_MOST_TRIES = 5
_WRONG_ETAG = "00000000000000000000000000000000"
_CONDITION_CODES = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "Conflict"})
_PUT = Call("PutObject", wants_headers=True)


@dataclass(frozen=True)
class DeleteObject(Operation):
    """
    Delete each object, or exactly the version that the manifest names.

    Without a version id, an object in a versioned bucket gets a delete marker, and an object in an unversioned one is
    gone for good. Such a delete is conditional on the manifest's ETag (or on that of a HEAD just before, if the
    manifest has none): an object that changed is reported as ``PreconditionFailed`` and stays.

    Args:
        bypass_governance_retention: delete versions under GOVERNANCE retention (needs the permission of that name).
        allow_unconditional: delete whatever is current, changed or not; needed where the store ignores conditions.
    """

    bypass_governance_retention: bool = False
    allow_unconditional: bool = False
    _single: Call = field(init=False, repr=False, compare=False)
    _bulk: Call = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "delete_object"
    replay: ClassVar[Replay] = Replay.CHECK
    destroys: ClassVar[bool] = True
    batch_size: ClassVar[int] = 1_000

    def __post_init__(self) -> None:
        """Make the calls that all objects share."""
        super().__post_init__()
        params: dict[str, Any] = {"BypassGovernanceRetention": True} if self.bypass_governance_retention else {}
        object.__setattr__(self, "_single", Call("DeleteObject", params))
        object.__setattr__(self, "_bulk", Call("DeleteObjects", {**params, "Delete": {"Objects": [{"Key": "-"}]}}))

    def problems(self) -> list[str]:  # noqa: D102
        return [
            f"{name}={getattr(self, name)!r}: expected True or False"
            for name in ("bypass_governance_retention", "allow_unconditional")
            if not isinstance(getattr(self, name), bool)
        ]

    def is_batchable(self, obj: S3Object, context: RunContext) -> bool:  # noqa: D102
        if not fits_xml(obj.key):
            return False
        if obj.version_id is not None:
            return obj.version_id != "null"
        if self.allow_unconditional:
            return True
        return obj.e_tag is not None and context.capabilities.findings.get("bulk_conditions", _HONOURED) == _HONOURED

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: D102
        if self.allow_unconditional or (obj.version_id and obj.version_id != "null"):
            response = yield Request(self._single, obj.bucket, obj.key, obj.version_id)
            return _judged(response, context)
        if obj.version_id is None and context.capabilities.findings.get("single_conditions") == _IGNORED:
            return Outcome(400, "InvalidRequest", "the store ignores If-Match on deletes; see allow_unconditional")
        e_tag = obj.e_tag
        if obj.version_id == "null" or e_tag is None:
            seen = yield from _seen_e_tag(obj, context)
            if isinstance(seen, Outcome):
                return seen
            e_tag = seen
        # S3 evaluates conditions against the current version only: a null version was compared just now
        headers = (("if-match", f'"{e_tag}"'),) if obj.version_id is None else ()
        response = yield Request(self._single, obj.bucket, obj.key, obj.version_id, headers)
        if headers and response.error_code in _CONDITION_CODES:
            return (yield from _after_conflict(obj, e_tag, response, context))
        return _judged(response, context)

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
                outcome = told.get((obj.key, obj.version_id or "")) or told.get((obj.key, ""))
                if outcome is None or outcome.error_code in _CONDITION_CODES:
                    outcome = yield from self.steps(obj, followed)
                elif outcome.error_code and verdict_for(outcome.http_status, outcome.error_code) in _RETRIED:
                    again.append(number)
                outcomes[number] = outcome
            waiting = again
            if not waiting:
                break
        return [outcome or Outcome(0, "InternalError", "no answer for this key") for outcome in outcomes]

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


def _seen_e_tag(obj: S3Object, context: RunContext) -> Steps[str | Outcome]:
    """Return the ETag that a HEAD shows (empty for a delete marker), or why the object is not to be deleted."""
    response = yield Request(HEAD, obj.bucket, obj.key, obj.version_id)
    if obj.version_id == "null" and response.headers.get("x-amz-delete-marker") == "true":
        return ""
    if not response.is_success:
        return _judged(response, context)
    seen = response.headers.get("etag", "").strip('"')
    if not seen:
        return Outcome(400, "InvalidRequest", "the store shows no ETag, so a newer body could not be told apart")
    return seen if obj.e_tag in (None, seen) else _changed(obj.e_tag, seen)


def _after_conflict(obj: S3Object, e_tag: str, response: Response, context: RunContext) -> Steps[Outcome]:
    """Return what a failed condition means: changed, gone by our own hand, or gone by another's."""
    head = yield Request(HEAD, obj.bucket, obj.key)
    if not head.is_success:
        return _judged(head._replace(is_retried=response.is_retried), context)
    seen = head.headers.get("etag", "").strip('"')
    return response.outcome() if seen == e_tag else _changed(e_tag, seen)


def _judged(response: Response, context: RunContext) -> Outcome:
    if response.is_success:
        return DELETED
    if response.status == 404 and response.error_code != "NoSuchBucket" and (context.is_replay or response.is_retried):
        return Outcome(204, "", "Successful: it was gone already")
    return response.outcome()


def _changed(expected: str | None, seen: str) -> Outcome:
    message = f"the object has changed since the manifest was made (ETag {seen}, was {expected}); kept"
    return Outcome(412, "PreconditionFailed", message)


def _put(obj: S3Object) -> Steps[S3Object]:
    response = yield Request(_PUT, obj.bucket, obj.key, body=SCRATCH_BODY)
    expect_success(DeleteObject.name, response)
    return obj._replace(e_tag=response.headers.get("etag", "").strip('"'))


def _exists(obj: S3Object) -> Steps[bool]:
    response = yield Request(HEAD, obj.bucket, obj.key)
    if not response.is_success and response.status != 404:
        raise refuse(DeleteObject.name, f"answers a HEAD with {response.error_code} ({response.message})")
    return response.is_success
