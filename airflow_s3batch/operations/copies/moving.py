"""
Move objects: copy, look at the copy, then delete exactly what was copied.

What AWS's S3 Batch Operations lacks, and S3 has no request for in general purpose buckets.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from airflow_s3batch.core.errors import ArgumentError, CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import TARGET_EXISTS, Outcome
from airflow_s3batch.operations.base import Replay
from airflow_s3batch.operations.bodies.multipart import e_tag_made
from airflow_s3batch.operations.bodies.null_versions import is_suspended
from airflow_s3batch.operations.bodies.sameness import changed_message, is_md5
from airflow_s3batch.operations.bodies.skipping import CONFLICTS, HONOURED, IF_ABSENT, IGNORED, REFUSED
from airflow_s3batch.operations.bodies.sources import HEAD_SOURCE, Headers, e_tag_in, through_source
from airflow_s3batch.operations.copies import copy_probe
from airflow_s3batch.operations.copies.copying import ITSELF, CopyObject
from airflow_s3batch.operations.copies.own_copies import is_own_copy
from airflow_s3batch.operations.copies.source_conditions import condition_headers, unfulfilled
from airflow_s3batch.operations.copies.target_keys import is_respelled, may_be_respelled
from airflow_s3batch.operations.copies.traces import is_made_of
from airflow_s3batch.operations.deletes.deleting import DeleteObject
from airflow_s3batch.operations.probing import HEAD, HEAD_MAYBE
from airflow_s3batch.operations.requests import BucketFacts, Call, Request, Response, RunContext, Steps
from airflow_s3batch.operations.verification import Done

MOVED = Outcome(204)
_CHECKED = Call("HeadObject", {"ChecksumMode": "ENABLED"}, wants_headers=True)
_GONE = 404
_TAKEN = (
    "the target is there already, and is kept. If it is an object of this manifest that has yet to be moved, clear the "
    "task when it is; MoveObject(…, overwrite=True) overwrites"
)
_OTHERS_GONE = frozenset({"NoSuchBucket", "NoSuchUpload"})
"""Codes of a 404 that say nothing of the original."""


@dataclass(frozen=True)
class MoveObject(CopyObject):
    """
    Move each object to another bucket or key: copy it as `CopyObject` does, look at the copy, delete the original.

    Where the manifest names a version, exactly that version is copied and then deleted for good. Where it names none,
    the current object is, under its ETag: in a versioned bucket it gets a delete marker, so that no older version
    comes to light, and in an unversioned one it is gone (where versioning is suspended, see `DeleteObject`). Nothing is
    deleted that was not copied: an object that is written meanwhile is reported as ``PreconditionFailed`` and stays,
    and so does one whose copy was overwritten by somebody before it could be looked at.

    A later attempt takes an object that is gone for moved if its target is a copy of it that was made since the job
    began; the manifest's ETag, or its size where ETags can't be compared, tells. Where the manifest has neither, as a
    CSV file of buckets and keys, nothing tells: an object that an attempt moved before it died is reported as
    ``NoSuchKey`` then. Objects under a lock are copied, and reported with the refusal of the delete.

    What stands at the target is kept: the copy is made under ``If-None-Match: *``, and an object whose target is there
    already stays and is reported as ``TargetExists``. So it is where the target is the key of another object of
    the manifest, or of two: objects are moved in no certain order, and a later attempt moves those whose targets have
    become free. Where the store ignores that condition the target is looked at first, and what somebody writes to it in
    the instant between look and copy is overwritten.

    A target that an earlier attempt has copied before it died is known by its time, by its ETag or a checksum that both
    objects show, and by metadata, content headers and tags; under KMS, without checksums, it is not, and the object is
    reported as above. An object that was reported so stays, however often the task is cleared, until its target is
    free. But of two objects that have one target and agree in all of that, the second one may be taken for moved and
    deleted, if the attempt that has moved the first died before it could tell of the second.

    Takes the fields of `CopyObject` but for *skip_existing*, for what is skipped would not be moved.

    Args:
        bypass_governance_retention: delete versions under GOVERNANCE retention (needs the permission of that name).
        allow_unconditional: delete the original even where the store ignores conditions on deletes, so that a body
            written at the same moment may be lost.
        overwrite: overwrite what stands at the target, be it another object of the manifest that was moved there, or
            has yet to be moved away: its body is lost then, unless the target's bucket keeps versions.
    """

    bypass_governance_retention: bool = False
    allow_unconditional: bool = False
    overwrite: bool = False
    _delete: DeleteObject = field(init=False, repr=False, compare=False)
    _twins: dict[Call, Call] = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "move_object"
    requests: ClassVar[tuple[str, ...]] = (*CopyObject.requests, "DeleteObject")
    replay: ClassVar[Replay] = Replay.CHECK
    destroys: ClassVar[bool] = True
    managed_name: ClassVar[str] = ""
    ends_sequence: ClassVar[str] = "it deletes the object"
    compares: ClassVar[str] = f"that the original is gone, and of the copy: {CopyObject.compares}"

    def __post_init__(self) -> None:
        """Check the fields and make the calls that all objects share."""
        super().__post_init__()
        is_bypass, is_bold = self.bypass_governance_retention is True, self.allow_unconditional is True
        delete = DeleteObject(bypass_governance_retention=is_bypass, allow_unconditional=is_bold)
        object.__setattr__(self, "_delete", delete)
        object.__setattr__(self, "_twins", {})

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls("archive")

    def problems(self) -> list[str]:  # noqa: D102
        found = super().problems()
        if self.skip_existing is not None:
            found.append(
                "skip_existing: what is skipped would not be moved; use "
                "[CopyObject(…, skip_existing='same-etag'), DeleteObject()]"
            )
        for name in ("bypass_governance_retention", "allow_unconditional", "overwrite"):
            if not isinstance(getattr(self, name), bool):
                found.append(f"{name}={getattr(self, name)!r}: expected True or False")
        return found

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: D102
        try:
            target, conditions = self.key_for(obj), condition_headers(self, obj)
        except (ArgumentError, ValueError) as error:
            return Outcome(400, self.invalid_code, str(error)[:500])
        if refused := self._refusal(obj, target):
            return refused
        if may_be_respelled(obj, self, target, context) and (yield from is_respelled(obj, self, target)):
            return ITSELF
        return (yield from self._moved(obj, target, conditions, context))

    def _moved(self, obj: S3Object, target: str, conditions: Headers, context: RunContext) -> Steps[Outcome]:
        head = yield Request(HEAD_SOURCE, obj.bucket, obj.key, obj.version_id, self.payer)
        if not head.is_success:
            return (yield from self._gone(obj, target, head, context))
        e_tag = e_tag_in(head.headers)
        if refused := _refused(obj, e_tag, unfulfilled(conditions, head.headers)):
            return refused
        pinned = (("x-amz-copy-source-if-match", f'"{e_tag}"'),)
        seen = obj._replace(e_tag=e_tag, size=int(head.headers.get("content-length") or 0))
        refused = yield from through_source(self._delete.refusal(seen, context), self._twins, self.payer)
        if refused is not None:
            return refused
        copied = yield from self._copied(seen, target, pinned, context)
        kept = yield from self._kept(seen, target, head, copied, context)
        return kept if kept is not None else (yield from self._deleted(seen, context))

    def _kept(
        self, obj: S3Object, target: str, head: Response, copied: Response, context: RunContext
    ) -> Steps[Outcome | None]:
        """Return the outcome of *obj*, which *head* shows, if *copied*, the answer to the copy, is a reason to stop."""
        if copied.is_success:
            why = yield from self._why_not_copied(target, head, copied)
        elif copied.status in CONFLICTS and not self.overwrite:
            there = yield Request(_CHECKED, str(self.target_bucket), target)
            if not there.is_success:  # then the condition on the source did not hold
                return copied.outcome()
            if not (yield from is_own_copy(self, obj, (head, copied, there), context)):
                return Outcome(412, TARGET_EXISTS, f"the original is kept: {_TAKEN}")
            why = ""
        else:
            return (yield from self._gone(obj, target, copied, context))
        if why:
            return Outcome(412, "PreconditionFailed", f"the original is kept: {why}")
        if context.capabilities.findings.get("locks") == copy_probe.UNPROVEN:
            shown = yield from copy_probe.lock_shown(self, target, MOVED)
            return None if shown.is_success else shown._replace(message=f"the original is kept: {shown.message}")
        return None

    @property
    def has_target_condition(self) -> bool:  # noqa: D102
        return not self.overwrite

    def _copied(self, obj: S3Object, target: str, pinned: Headers, context: RunContext) -> Steps[Response]:
        """Copy *obj* if nothing stands at *target*; a look tells where the store does not, or after gigabytes only."""
        if self.overwrite:
            return (yield from self.copied(obj, target, pinned, context))
        place, known = S3Object(str(self.target_bucket), target), context.capabilities
        if is_suspended(place, context):  # there a copy takes the place of the null version, also of one that is hidden
            below = yield Request(HEAD, place.bucket, target, "null")
            if below.is_success:
                return Response(412, {}, b"", TARGET_EXISTS, _TAKEN)
        absence = known.findings.get("target_absence", HONOURED if known.is_aws else IGNORED)
        if absence != HONOURED or self._is_large(obj):
            there = yield Request(HEAD_MAYBE, place.bucket, target)
            if there.status != _GONE:
                return Response(412, {}, b"", TARGET_EXISTS, _TAKEN) if there.is_success else there
        return (yield from self.copied(obj, target, pinned, context, () if absence == REFUSED else IF_ABSENT))

    def _gone(self, obj: S3Object, target: str, response: Response, context: RunContext) -> Steps[Outcome]:
        """Return what it means that the source can't be read: if it is gone, an earlier attempt may have moved it."""
        if response.status != _GONE or response.error_code in _OTHERS_GONE or not context.is_replay:
            return response.outcome()
        there = yield Request(HEAD, str(self.target_bucket), target)
        if is_made_of(obj, there, context):
            return MOVED._replace(message="Successful: it was moved already")
        return response.outcome()

    def _why_not_copied(self, target: str, head: Response, copied: Response) -> Steps[str]:
        """Return why what stands at the target is not the copy that was just made of what *head* shows, if so."""
        there = yield Request(HEAD, str(self.target_bucket), target)
        if not there.is_success:
            return f"the copy can't be looked at: {there.error_code} ({there.message})"
        made, shown = e_tag_made(copied), e_tag_in(there.headers)
        if not made or made != shown:
            return f"the copy had ETag {made}, but the target has {shown}: somebody else wrote it"
        length, copy_length = (each.headers.get("content-length") for each in (head, there))
        if length != copy_length:
            return f"the copy has {copy_length} bytes, the object {length}"
        e_tag = e_tag_in(head.headers)
        is_comparable = is_md5(e_tag, head.headers) and is_md5(shown, there.headers)
        return f"the copy has ETag {shown}, the object {e_tag}" if is_comparable and e_tag != shown else ""

    def _deleted(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:
        """Delete the version or the object with the ETag of *obj*, which is copied."""
        outcome = yield from through_source(self._delete.steps(obj, context), self._twins, self.payer)
        if outcome.is_success:
            return MOVED
        if outcome.http_status == _GONE:
            return MOVED._replace(message="Successful: copied, and the original was gone already")
        return outcome._replace(message=f"copied, but the original is still there: {outcome.message}")

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: D102
        return super().marks(obj) | {"object"}

    def object_problems(self, obj: S3Object, facts: BucketFacts) -> list[str]:  # noqa: D102
        return self._delete.object_problems(obj, facts)

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:  # noqa: D102
        is_pinned = obj.e_tag is not None or obj.version_id is not None
        outcome = yield from super().compared(obj, done._replace(is_pinned=is_pinned))
        if not outcome.is_success:
            return outcome
        return (yield from through_source(self._delete.compared(obj, done), self._twins, self.payer))

    def verification_iam_actions(self) -> set[str]:  # noqa: D102
        return super().verification_iam_actions() | self._delete.verification_iam_actions()

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: D102
        findings = yield from super().probe(scratch, sample)
        deletes = yield from DeleteObject(allow_unconditional=True).probe(scratch, sample)
        is_ignored = deletes.get("single_conditions") == IGNORED
        if is_ignored and sample.version_id is None and not self.allow_unconditional:
            raise CapabilityError(
                f"{self.name}: this store ignores If-Match on deletes, so an object written after it was copied would "
                "be lost. No object of the manifest was touched; MoveObject(…, allow_unconditional=True) accepts that"
            )
        return {**findings, **deletes}

    def iam_actions(self) -> set[str]:  # noqa: D102
        return super().iam_actions() | self._delete.iam_actions()

    def iam_places(self, *, is_managed: bool = False) -> dict[str, set[str]]:  # noqa: D102
        found = super().iam_places(is_managed=is_managed)
        return {**found, "target": found["target"] | {"s3:GetObjectTagging"}}


def _refused(obj: S3Object, e_tag: str, why: str) -> Outcome | None:
    """Return the reason why *obj*, which has *e_tag* now, is not moved; *why* names a condition that does not hold."""
    if not e_tag:
        return Outcome(400, "InvalidRequest", "the store shows no ETag, so a newer body could not be told apart")
    if obj.e_tag not in (None, e_tag):
        return Outcome(412, "PreconditionFailed", changed_message(obj.e_tag, e_tag))
    return Outcome(412, "PreconditionFailed", f"the object does not fulfil the conditions: {why}") if why else None
