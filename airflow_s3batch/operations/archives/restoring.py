"""
Bring archived objects back into reach, and tell from a HEAD how far that is.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-initiate-restore-object.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, get_args

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.fields import Column, choice_problems, is_day_count
from airflow_s3batch.operations.probing import HEAD, SCRATCH_BODY, expect_intact, expect_success, refuse
from airflow_s3batch.operations.requests import Call, Request, Response, RunContext, Steps
from airflow_s3batch.operations.verification import Done, differs, gone, judged

RestoreTier = Literal["BULK", "STANDARD", "EXPEDITED"]
ArchiveState = Literal["readable", "restoring", "archived"]

ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
IN_PROGRESS = "RestoreAlreadyInProgress"
_NOT_ARCHIVED = frozenset({"InvalidObjectState", "ObjectAlreadyInActiveTierError"})
_STILL_THERE = Outcome(200, "", "Successful: it is being restored already")
_READABLE = Outcome(200, "", "Successful: it is readable as it is")
_RENEWED = Outcome(200, "", "Successful: it was restored already; its expiry was set anew")


def archive_state(headers: Mapping[str, str]) -> ArchiveState:
    """
    Return what a HeadObject's *headers* say of the object's body.

    ``archived`` means that nobody has asked for it, or that its restored copy has expired. An object in one of
    Intelligent-Tiering's archive tiers shows ``x-amz-archive-status`` until it is back in an active tier.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    """
    restore = headers.get("x-amz-restore", "")
    if 'ongoing-request="true"' in restore:
        return "restoring"
    is_cold = headers.get("x-amz-storage-class") in ARCHIVE_CLASSES or "x-amz-archive-status" in headers
    return "archived" if is_cold and 'ongoing-request="false"' not in restore else "readable"


@dataclass(frozen=True)
class RestoreObject(Operation):
    """
    Ask for the restore of each archived object, like S3 Batch Operations' ``S3InitiateRestoreObject``.

    The object is readable minutes to days later, depending on class and tier; `S3RestoreSensor` waits for that. From
    GLACIER and DEEP_ARCHIVE a copy is made that expires after *days*. From the archive tiers of INTELLIGENT_TIERING the
    object itself comes back, for good, so *days* must be left out. As each kind forbids what the other needs, a
    manifest of both takes ``days=Column("days")`` with a null for INTELLIGENT_TIERING, e.g. by ``columns={"days": "CASE
    WHEN storage_class <> 'INTELLIGENT_TIERING' THEN 7 END"}``. An object of the wrong kind fails alone, before it is
    asked for, if the manifest knows its storage class; else with what the store says.

    An object that was restored already gets a new expiry. One that is not archived is readable as it is, which a HEAD
    confirms, and counts as a success. One that somebody else's request is restoring fails with S3's
    ``RestoreAlreadyInProgress``, because nobody can tell how long that copy will stay; ``tolerate`` that code if it
    does not matter. Any later attempt takes it for our own request, for it can't tell what an earlier one has asked.

    Args:
        days: how long the restored copy stays, from 1 on; ``None`` or left out for INTELLIGENT_TIERING.
        tier: ``"BULK"`` (cheapest, slowest), ``"STANDARD"``, or ``"EXPEDITED"``, which DEEP_ARCHIVE and AWS's own
            service do not have.
    """

    days: int | str | Column | None = None
    tier: str | Column = "BULK"
    _call: Call = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "restore_object"
    requests: ClassVar[tuple[str, ...]] = ("RestoreObject", "HeadObject")
    replay: ClassVar[Replay] = Replay.CHECK
    managed_name: ClassVar[str] = "S3InitiateRestoreObject"
    goes_with_object: ClassVar[bool] = True
    compares: ClassVar[str] = "that the object can be read, or a restore is under way"

    def __post_init__(self) -> None:
        """Check the fields and make the call that all objects share."""
        super().__post_init__()
        is_open = self.columns() or self.has_templates  # for_object and render make the operation that is sent
        params = {} if is_open else {"RestoreRequest": self._restore_request()}
        object.__setattr__(self, "_call", Call("RestoreObject", params))

    def _restore_request(self) -> dict[str, Any]:
        days = {} if self.days is None else {"Days": int(str(self.days))}
        return {**days, "GlacierJobParameters": {"Tier": str(self.tier).capitalize()}}

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls(7, "STANDARD")

    def problems(self) -> list[str]:  # noqa: D102
        found = choice_problems(get_args(RestoreTier), tier=self.tier)
        if self.tier is None:
            found.append(f"tier=None: expected one of {', '.join(sorted(get_args(RestoreTier)))}")
        if not is_day_count(self.days):
            found.append(f"days={self.days!r}: expected a whole number from 1 on, or None for INTELLIGENT_TIERING")
        return found

    def managed_problems(self) -> list[str]:  # noqa: D102
        found = super().managed_problems()
        if self.tier == "EXPEDITED":
            found.append(
                "tier='EXPEDITED': AWS S3 Batch Operations restores with 'BULK' or 'STANDARD'; use engine='worker'"
            )
        return found

    def managed_form(self) -> dict[str, Any]:  # noqa: D102
        days = {} if self.days is None else {"ExpirationInDays": int(str(self.days))}
        return {**days, "GlacierJobTier": self.tier}

    @classmethod
    def from_managed_form(cls, form: Mapping[str, Any]) -> Self:  # noqa: D102
        return cls(days=form.get("ExpirationInDays"), tier=form.get("GlacierJobTier") or "STANDARD")

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: D102
        if why := self._mismatch(obj.storage_class):
            return Outcome(400, self.invalid_code, why)
        response = yield Request(self._call, obj.bucket, obj.key, obj.version_id)
        if response.error_code == IN_PROGRESS and (context.is_replay or response.is_retried):
            return _STILL_THERE
        if response.error_code in _NOT_ARCHIVED:
            return (yield from _unless_readable(obj, response))
        return _RENEWED if response.status == 200 and response.is_success else response.outcome()

    def _mismatch(self, storage_class: str | None) -> str:
        """Return why objects of *storage_class* can't be restored like this; empty if they can, or nobody knows it."""
        if storage_class in ARCHIVE_CLASSES and self.days is None:
            return f"an object of class {storage_class} needs days: its restored copy expires"
        if storage_class == "INTELLIGENT_TIERING" and self.days is not None:
            return "an object of class INTELLIGENT_TIERING takes no days: it comes back for good; see RestoreObject"
        if storage_class == "DEEP_ARCHIVE" and self.tier == "EXPEDITED":
            return "DEEP_ARCHIVE has no tier EXPEDITED; use STANDARD or BULK"
        return ""

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: ARG002, D102
        return frozenset({"restore"})

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:  # noqa: D102
        head = yield Request(HEAD, obj.bucket, obj.key, obj.version_id)
        if not head.is_success:
            return gone(head)
        is_archived = archive_state(head.headers) == "archived"
        wrong = differs("NotRestored", "archived, and no restore is under way") if is_archived else None
        return judged(wrong, head, done)

    def for_probe(self, sample: S3Object) -> RestoreObject:  # noqa: ARG002, D102
        return RestoreObject(days=1, tier="BULK" if isinstance(self.tier, Column) else self.tier)

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: ARG002, D102
        archived = scratch._replace(key=scratch.key + "-other")
        response = yield Request(_PUT_ARCHIVED, archived.bucket, archived.key, body=SCRATCH_BODY)
        expect_success(self.name, response)
        response = yield Request(self._call, archived.bucket, archived.key)
        yield from expect_intact(self.name, scratch)
        expect_success(self.name, response)
        head = yield Request(HEAD, archived.bucket, archived.key)
        if "x-amz-restore" not in head.headers:
            raise refuse(self.name, "accepts the restore and does not show it afterwards")
        if head.headers.get("content-length") != str(len(SCRATCH_BODY)):
            raise refuse(self.name, "overwrites the object's body: it takes the request for a plain write")
        return {}

    def iam_actions(self) -> set[str]:  # noqa: D102
        return {"s3:RestoreObject", "s3:GetObject", "s3:GetObjectVersion"}

    def managed_iam_actions(self) -> set[str]:  # noqa: D102
        return {"s3:RestoreObject"}


_PUT_ARCHIVED = Call("PutObject", {"StorageClass": "GLACIER"})


def _unless_readable(obj: S3Object, refusal: Response) -> Steps[Outcome]:
    """Return a success if a HEAD shows *obj* to be readable, which is why the store sees nothing to restore."""
    head = yield Request(HEAD, obj.bucket, obj.key, obj.version_id)
    is_readable = head.is_success and archive_state(head.headers) == "readable"
    return _READABLE if is_readable else refusal.outcome()
