"""
Copy objects of any size to another bucket or key.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-copy-object.html
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.bodies.encryption import EncryptionChoice
from airflow_s3batch.operations.bodies.multipart import LONG_S, PART_REQUESTS, MultipartCalls
from airflow_s3batch.operations.bodies.skipping import Skipping
from airflow_s3batch.operations.bodies.sources import PAYER, Headers, copy_source
from airflow_s3batch.operations.copies import copy_look, copy_managed, copy_probe
from airflow_s3batch.operations.copies.copy_params import copy_headers, copy_params, copy_problems
from airflow_s3batch.operations.copies.large_copies import large_copy
from airflow_s3batch.operations.copies.source_conditions import CONDITIONS, condition_headers
from airflow_s3batch.operations.copies.target_keys import is_respelled, key_from_columns, may_be_respelled
from airflow_s3batch.operations.copies.traces import is_made_of
from airflow_s3batch.operations.fields import Column, columns_in, resolved
from airflow_s3batch.operations.locks.lock_choice import LockChoice
from airflow_s3batch.operations.probing import HEAD
from airflow_s3batch.operations.requests import Call, Request, Response, RunContext, Steps
from airflow_s3batch.operations.types import MOST_COPY_BYTES
from airflow_s3batch.operations.verification import Done

_LONG_FROM_BYTES = 256 * 1024**2
"""Copies of more may take longer than other requests."""

ITSELF = Outcome(400, "InvalidRequest", "the target is the object itself; RewriteObject changes objects in place")

_OWN = frozenset({"target_key", *CONDITIONS})
"""Fields whose columns differ from object to object as a rule: they go into each request, not into its call."""


ON_TARGET = frozenset(
    {
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:PutObjectTagging",
        "s3:PutObjectAcl",
        "s3:PutObjectRetention",
        "s3:PutObjectLegalHold",
    }
)
"""The actions that are needed on the copies; all others are on the objects that are copied."""


@dataclass(frozen=True)
class CopyObject(Operation):
    """
    Copy each object to another bucket or key, like S3 Batch Operations' ``S3PutObjectCopy``, whatever its size.

    The version that the manifest names is copied, or the current one where it names none; what stands at the target
    key is overwritten (or becomes a noncurrent version) unless *skip_existing* says otherwise.

    S3 copies up to 5 GiB in one request. Above that, and above *multipart_threshold_bytes*, the object is copied in
    parts, pinned to the version or ETag that a HEAD shows; metadata, content headers, tags and the kind of checksum are
    read and set again, and a checksum of the whole object is compared by S3. Annotations are not copied that way.
    A copy in parts that is cut off leaves an incomplete upload in the target bucket, which nobody looks for later: set
    a lifecycle rule with ``AbortIncompleteMultipartUpload``. An object whose size the manifest does not tell is copied
    in parts once S3 has refused to do it in one request.

    Buckets in other regions and accounts are fine: S3 does the copy with the target's credentials, which have to be
    allowed to read the source. What is read of the source beforehand goes through the source's connection, if there is
    one.

    Every field but the last may be a `Column`.

    Args:
        target_bucket: name of the bucket to copy to; from or through an access point the keys have to change.
        target_key_prefix: put in front of each key, with a slash between; empty keeps the keys.
        storage_class: of the copies; S3's default is STANDARD, whatever the source's class.
        encryption: ``"SSE-S3"``, ``"SSE-KMS"`` or ``"DSSE-KMS"``; ``None`` leaves it to the target bucket's default.
        kms_key_id: key of SSE-KMS or DSSE-KMS, in the target's region; ``None`` stands for the AWS managed key.
        bucket_key_enabled: whether SSE-KMS goes through an S3 Bucket Key.
        canned_acl: ACL of the copies; S3 never copies the source's.
        metadata: user metadata that replaces the source's, and its content headers with it; ``None`` copies both.
        tags: tags that replace the source's; ``None`` copies them, ``{}`` means none.
        target_key: the whole key of the copy, instead of a prefix: a `Column`, or a list of texts and columns that are
            put together, e.g. ``["by-team/", Column("team"), "/", Column("key")]``.
        grants: ACL of the copies, as `PutObjectAcl` takes it; instead of *canned_acl*.
        cache_control: a content header, along with *metadata*; so are *content_disposition*, *content_encoding*,
            *content_language*, *content_type* and *expires* (a datetime or a text in ISO 8601).
        annotation_directive: ``"COPY"`` (S3's default) or ``"EXCLUDE"``.
        copy_source_if_match: ETag that the source must have, usually ``Column("e_tag")``: what was stored since the
            manifest was made is reported as ``PreconditionFailed``. An object for which it is null is refused.
        copy_source_if_none_match: ETag that the source must not have.
        copy_source_if_modified_since: when the source must have been written at the earliest.
        copy_source_if_unmodified_since: when it must have been written at the latest.
        skip_existing: ``"any"`` leaves targets alone that exist, ``"same-etag"`` those with the source's ETag (copies
            in parts, and under KMS, get another one), ``"newer"`` those written no earlier than the source. They count
            as successes whose message says so. Where the store takes conditions, what somebody writes to the target at
            the same moment is kept.
        website_redirect_location: of the copies.
        requester_pays: whether we pay for requests where a bucket asks for it.
        object_lock_mode: ``"GOVERNANCE"`` or ``"COMPLIANCE"``, along with
        object_lock_retain_until_date: a datetime or a text in ISO 8601.
        object_lock_legal_hold_status: ``"ON"`` or ``"OFF"``.
        object_lock_event_hold: ``"ON"`` or ``"OFF"``, with *object_lock_event_hold_days* (1 to 36,500) or
            *object_lock_event_hold_years* (1 to 100).
        checksum_algorithm: that S3 computes for the copies; ``None`` keeps the source's.
        multipart_threshold_bytes: copy larger objects in parts: 5 MiB to 5 GiB.
    """

    target_bucket: str | Column
    target_key_prefix: str | Column | None = ""
    storage_class: str | Column | None = None
    encryption: str | Column | None = None
    kms_key_id: str | Column | None = None
    bucket_key_enabled: bool | Column | None = None
    canned_acl: str | Column | None = None
    metadata: Mapping[str, str | Column] | None = None
    tags: Mapping[str, str | Column] | None = None
    target_key: Column | Sequence[str | Column] | None = None
    grants: Mapping[str, Sequence[str | Column]] | None = None
    cache_control: str | Column | None = None
    content_disposition: str | Column | None = None
    content_encoding: str | Column | None = None
    content_language: str | Column | None = None
    content_type: str | Column | None = None
    expires: datetime | str | Column | None = None
    annotation_directive: str | Column | None = None
    copy_source_if_match: str | Column | None = None
    copy_source_if_none_match: str | Column | None = None
    copy_source_if_modified_since: datetime | str | Column | None = None
    copy_source_if_unmodified_since: datetime | str | Column | None = None
    skip_existing: str | Column | None = None
    website_redirect_location: str | Column | None = None
    requester_pays: bool | Column = False
    object_lock_mode: str | Column | None = None
    object_lock_retain_until_date: datetime | str | Column | None = None
    object_lock_legal_hold_status: str | Column | None = None
    object_lock_event_hold: str | Column | None = None
    object_lock_event_hold_days: int | str | Column | None = None
    object_lock_event_hold_years: int | str | Column | None = None
    checksum_algorithm: str | Column | None = None
    multipart_threshold_bytes: int = MOST_COPY_BYTES
    _call: Call = field(init=False, repr=False, compare=False)
    _long_call: Call = field(init=False, repr=False, compare=False)
    _calls: MultipartCalls = field(init=False, repr=False, compare=False)
    _more: Headers = field(init=False, repr=False, compare=False)
    _has_conditions: bool = field(init=False, repr=False, compare=False)
    _plain_bytes: int = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "copy_object"
    requests: ClassVar[tuple[str, ...]] = (
        "CopyObject",
        "HeadObject",
        "GetObjectTagging",
        *PART_REQUESTS,
        "PutObjectTagging",
    )
    replay: ClassVar[Replay] = Replay.SAFE
    managed_name: ClassVar[str] = "S3PutObjectCopy"
    managed_most_objects: ClassVar[int] = 20_000_000_000
    compares: ClassVar[str] = (
        "that the copy is there; its size, and its ETag where it is an MD5; what is declared of storage class, "
        "encryption, key, metadata, content headers, redirect, checksum, tags, ACL, retention and legal hold"
    )

    def __post_init__(self) -> None:
        """Check the fields and make the calls that all objects share."""
        super().__post_init__()
        shared = columns_in([value for name, value in self._fields().items() if name not in _OWN])
        is_open = shared or self.has_templates  # for_object and render make the operation that is sent
        params = {} if is_open else copy_params(self)
        made = {
            "_column_names": tuple(sorted({column.name for column in shared})),
            "_call": Call("CopyObject", params),
            "_long_call": Call("CopyObject", params, timeout_s=LONG_S),
            "_calls": MultipartCalls.of(params),
            "_more": () if is_open else copy_headers(self),
            "_has_conditions": any(getattr(self, name) is not None for name in CONDITIONS),
            "_plain_bytes": -1,
            "reads_messages": self.skip_existing is not None,
            "skips_done": self.skip_existing is not None,
        }
        is_plain = not made["_has_conditions"] and self.skip_existing is None and not any(LockChoice.of(self))
        if is_plain and isinstance(self.multipart_threshold_bytes, int):
            made["_plain_bytes"] = min(_LONG_FROM_BYTES, self.multipart_threshold_bytes)
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def _with_columns(self, values: Mapping[str, Any]) -> Self:
        """Return the variant for the *values* of those columns that do not go into each request."""
        given = {
            name: value if name in _OWN else resolved(value, values, null=None)
            for name, value in self._fields().items()
        }
        if given["requester_pays"] is None:
            given["requester_pays"] = False
        variant = type(self)(**given)
        variant.validate()
        return variant

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls("archive", "by-date", "GLACIER_IR")

    def problems(self) -> list[str]:  # noqa: D102
        return copy_problems(self)

    def managed_problems(self) -> list[str]:  # noqa: D102
        return [*super().managed_problems(), *(copy_managed.problems(self) if self.managed_name else [])]

    def managed_form(self) -> dict[str, Any]:  # noqa: D102
        return copy_managed.form_of(self)

    @classmethod
    def from_managed_form(cls, form: Mapping[str, Any]) -> Self:  # noqa: D102
        return cls(**copy_managed.fields_of(form))

    def buckets(self, sample: S3Object) -> list[str]:  # noqa: D102
        return [sample.bucket, *([self.target_bucket] if isinstance(self.target_bucket, str) else [])]

    # -- what one object asks for --------------------------------------------------------------

    def key_for(self, obj: S3Object) -> str:
        """
        Return the key that *obj* is copied to.

        Raises:
            ArgumentError: a column that says so is null.
            ManifestError: the manifest has no such column.
        """
        if self.target_key is not None:
            return key_from_columns(self.target_key, obj, self.name)
        prefix = str(self.target_key_prefix or "")
        return f"{prefix}{'' if prefix.endswith('/') else '/'}{obj.key}" if prefix else obj.key

    def is_itself(self, obj: S3Object, target: str) -> bool:
        """Return whether *obj* would be copied onto itself, as far as names tell: an alias may be any bucket."""
        buckets = str(self.target_bucket), obj.bucket
        is_alias = any(bucket.startswith("arn:") or bucket.endswith("-s3alias") for bucket in buckets)
        return target == obj.key and (buckets[0] == buckets[1] or is_alias)

    @property
    def has_target_condition(self) -> bool:
        """Whether it matters what the store makes of conditions on the target of a copy."""
        return self.skip_existing is not None

    @property
    def payer(self) -> Headers:
        """The headers of requests on the source that are no copies."""
        return PAYER if self.requester_pays else ()

    def _refusal(self, obj: S3Object, target: str) -> Outcome | None:
        """Return why *obj* is not copied to *target*, as far as is known beforehand."""
        if self.is_itself(obj, target):
            return ITSELF
        if (length := len(target.encode())) > 1024:
            return Outcome(400, "KeyTooLongError", f"the copy's key has {length} bytes; S3 takes 1024")
        return None

    # -- what is sent --------------------------------------------------------------------------

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: D102
        try:
            target = self.key_for(obj)
            conditions = condition_headers(self, obj) if self._has_conditions else ()
        except (ArgumentError, ValueError) as error:
            return Outcome(400, self.invalid_code, str(error)[:500])
        if refused := self._refusal(obj, target):
            return refused
        if may_be_respelled(obj, self, target, context) and (yield from is_respelled(obj, self, target)):
            return ITSELF
        if obj.size is not None and obj.size <= self._plain_bytes:
            headers = (("x-amz-copy-source", copy_source(obj)), *self._more)
            response = yield Request(self._call, self.target_bucket, target, None, headers)  # type: ignore[arg-type]
            return response.outcome()
        if self.skip_existing is None:
            response = yield from self.copied(obj, target, conditions, context)
            outcome = response.outcome()
        else:
            outcome = yield from Skipping(
                str(self.skip_existing), obj, str(self.target_bucket), target, self.payer
            ).steps(
                lambda on_target: self.copied(obj, target, conditions, context, on_target),
                context.capabilities,
                is_blind=not conditions and not self._is_large(obj),
            )
        if outcome.is_success and context.capabilities.findings.get("locks") == copy_probe.UNPROVEN:
            return (yield from copy_probe.lock_shown(self, target, outcome))
        return outcome

    def copied(
        self, obj: S3Object, target: str, conditions: Headers, context: RunContext, on_target: Headers = ()
    ) -> Steps[Response]:
        """Copy under *conditions* on the source and *on_target*; return the response that decides."""
        first: Response | None = None
        if not self._is_large(obj):
            call = self._long_call if (obj.size or 0) > _LONG_FROM_BYTES else self._call
            headers = (("x-amz-copy-source", copy_source(obj)), *self._more, *conditions, *on_target)
            first = yield Request(call, str(self.target_bucket), target, None, headers)
            if obj.size is not None or first.status not in (400, 413):
                return first
        return (yield from large_copy(self, obj, target, conditions, on_target, context, first))

    def _is_large(self, obj: S3Object) -> bool:
        return obj.size is not None and obj.size > self.multipart_threshold_bytes

    def was_done(self, obj: S3Object, context: RunContext) -> Steps[bool]:  # noqa: D102
        head = yield Request(HEAD, str(self.target_bucket), self.key_for(obj))
        return is_made_of(obj, head, context)

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: D102
        return frozenset({f"s3://{self.target_bucket}/{self.key_for(obj)}"})

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:  # noqa: D102
        is_pinned = done.is_pinned or (self.copy_source_if_match is not None and obj.e_tag is not None)
        return (yield from copy_look.copy_compared(self, obj, done._replace(is_pinned=is_pinned)))

    def verification_iam_actions(self) -> set[str]:  # noqa: D102
        return super().verification_iam_actions() | copy_look.copy_looks(self)

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: D102
        return (yield from copy_probe.probe_copy(self, scratch, sample))

    def iam_actions(self) -> set[str]:  # noqa: D102
        actions = {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload"}
        if self.tags is None:
            actions |= {"s3:GetObjectTagging", "s3:GetObjectVersionTagging"}
        if self.tags is None or self.tags:
            actions.add("s3:PutObjectTagging")
        if self.canned_acl or self.grants:
            actions.add("s3:PutObjectAcl")
        return actions | EncryptionChoice.of(self).iam_actions() | LockChoice.of(self).iam_actions()

    def managed_iam_actions(self) -> set[str]:  # noqa: D102
        return (self.iam_actions() - {"s3:AbortMultipartUpload"}) | {"s3:GetObjectAcl", "s3:GetObjectVersionAcl"}

    def iam_places(self, *, is_managed: bool = False) -> dict[str, set[str]]:  # noqa: D102
        found = super().iam_places(is_managed=is_managed)
        on_target = found["objects"] & ON_TARGET
        looks = set() if is_managed else {"s3:GetObject"}  # a replay, and a copy in parts, looks at what stands there
        return {**found, "objects": found["objects"] - on_target, "target": on_target | looks}
