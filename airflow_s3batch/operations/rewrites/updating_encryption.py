"""
Put the data keys of encrypted objects under another KMS key, without a copy where S3 does that.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/update-sse-encryption.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.bodies.encryption import EncryptionChoice, encryption_name
from airflow_s3batch.operations.fields import Column
from airflow_s3batch.operations.probing import HEAD, SCRATCH_BODY, expect_intact
from airflow_s3batch.operations.requests import Call, Capabilities, Request, Response, RunContext, Steps
from airflow_s3batch.operations.rewrites.rewriting import ALREADY_SO, RewriteObject
from airflow_s3batch.operations.verification import AS_LEFT, Done, differs, gone, judged

_KEY_ARN = re.compile(r"arn:aws[a-zA-Z0-9-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+")
_CALL, _REWRITE = "call", "rewrite"
_UPDATABLE = frozenset({"SSE-S3", "SSE-KMS"})
_UNSUPPORTED_STATUSES = frozenset({400, 405, 409, 501})
_PUT_PLAIN = Call("PutObject", {"Metadata": {"s3batch": "probe"}}, wants_headers=True)
_PUT_ENCRYPTED = Call(
    "PutObject", {"Metadata": {"s3batch": "probe"}, "ServerSideEncryption": "AES256"}, wants_headers=True
).for_trial()


@dataclass(frozen=True)
class UpdateObjectEncryption(Operation):
    """
    Encrypt each object under another key, like S3 Batch Operations' ``S3UpdateObjectEncryption``, or by a rewrite.

    S3 changes the key of objects under SSE-S3 or SSE-KMS without moving data: version, ETag, dates and storage class
    stay. Where it can't (the object is not encrypted or under DSSE-KMS, *encryption* is SSE-S3 or DSSE-KMS, or the
    store does not know the request), the object is rewritten as `RewriteObject` does it, under its conditions: it
    becomes a new version, and noncurrent versions are refused. Objects under a lock are refused by S3, and reported
    so.

    Needs a botocore that knows ``UpdateObjectEncryption``; an older one stops the job before its first object.

    Args:
        kms_key_id: the key. On AWS its ARN, ``arn:aws:kms:<region>:<account>:key/<id>``, no alias, in the bucket
            owner's account; other stores have names of their own.
        bucket_key_enabled: whether to use an S3 Bucket Key; ``None`` is S3's default, no.
        encryption: ``"SSE-KMS"``, or ``"SSE-S3"`` (without *kms_key_id*) and ``"DSSE-KMS"``, always by a rewrite.
        allow_unconditional: rewrite even where the store ignores conditions; see `RewriteObject`.
    """

    kms_key_id: str | Column | None = None
    bucket_key_enabled: bool | Column | None = None
    encryption: str | Column = "SSE-KMS"
    allow_unconditional: bool = False
    _call: Call = field(init=False, repr=False, compare=False)
    _rewrite: RewriteObject | None = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "update_object_encryption"
    compares: ClassVar[str] = "encryption and key"
    requests: ClassVar[tuple[str, ...]] = ("UpdateObjectEncryption", *RewriteObject.requests)
    replay: ClassVar[Replay] = Replay.CHECK
    skips_done: ClassVar[bool] = True
    managed_name: ClassVar[str] = "S3UpdateObjectEncryption"
    managed_most_objects: ClassVar[int] = 20_000_000_000
    ends_sequence: ClassVar[str] = "it may make another version of the object, which steps after it would not work on"

    def __post_init__(self) -> None:
        """Check the fields and make the calls that all objects share."""
        super().__post_init__()
        is_open = self.columns() or self.has_templates  # for_object and render make the operation that is sent
        choice = (self.encryption, self.kms_key_id, self.bucket_key_enabled)
        rewrite = None if is_open else RewriteObject(*choice, allow_unconditional=self.allow_unconditional)
        params = {} if is_open or self.encryption != "SSE-KMS" else self._params()
        object.__setattr__(self, "_rewrite", rewrite)
        object.__setattr__(self, "_call", Call("UpdateObjectEncryption", params))

    def _params(self) -> dict[str, Any]:
        bucket_key = {} if self.bucket_key_enabled is None else {"BucketKeyEnabled": self.bucket_key_enabled}
        return {"ObjectEncryption": {"SSEKMS": {"KMSKeyArn": self.kms_key_id, **bucket_key}}}

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls("arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555")

    def problems(self) -> list[str]:  # noqa: D102
        found = EncryptionChoice.of(self).problems()
        if self.encryption is None:
            found.append("encryption=None: expected 'SSE-KMS', 'SSE-S3' or 'DSSE-KMS'")
        if self.encryption == "SSE-KMS" and not self.kms_key_id:
            found.append(f"kms_key_id={self.kms_key_id!r}: S3 asks for the key's ARN")
        if ":alias/" in str(self.kms_key_id) or str(self.kms_key_id).startswith("alias/"):
            found.append(f"kms_key_id={self.kms_key_id!r} is an alias; S3 takes the key's own ARN only")
        if not isinstance(self.allow_unconditional, bool):
            found.append(f"allow_unconditional={self.allow_unconditional!r}: expected True or False")
        return found

    def managed_problems(self) -> list[str]:  # noqa: D102
        found = super().managed_problems()
        if self.encryption != "SSE-KMS":
            why = "AWS S3 Batch Operations updates to SSE-KMS only"
            found.append(f"encryption={self.encryption!r}: {why}; use engine='worker', which rewrites")
        elif not _KEY_ARN.fullmatch(str(self.kms_key_id)) and not isinstance(self.kms_key_id, Column):
            found.append(f"kms_key_id={self.kms_key_id!r}: AWS S3 Batch Operations takes the ARN of a key")
        return found

    def managed_form(self) -> dict[str, Any]:  # noqa: D102
        return self._params()

    @classmethod
    def from_managed_form(cls, form: Mapping[str, Any]) -> Self:  # noqa: D102
        kms = (form.get("ObjectEncryption") or {}).get("SSEKMS") or {}
        return cls(kms.get("KMSKeyArn"), kms.get("BucketKeyEnabled"))

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: D102
        if self._method(context.capabilities) == _REWRITE:
            return (yield from self._rewritten(obj, context))
        if not _KEY_ARN.fullmatch(str(self.kms_key_id)):
            return Outcome(400, "InvalidArgument", f"kms_key_id={self.kms_key_id!r} is not the ARN of a key")
        response = yield Request(self._call, obj.bucket, obj.key, obj.version_id)
        if response.status not in _UNSUPPORTED_STATUSES:
            return response.outcome()
        return (yield from self._after_refusal(obj, response, context))

    def _after_refusal(self, obj: S3Object, response: Response, context: RunContext) -> Steps[Outcome]:
        """Look why S3 did not do it: an object whose encryption it can't update is rewritten."""
        head = yield Request(HEAD, obj.bucket, obj.key, obj.version_id)
        if not head.is_success:
            return head.outcome()
        if EncryptionChoice.of(self).is_shown_by(head.headers):
            return ALREADY_SO
        if encryption_name(head.headers) in _UPDATABLE:
            return response.outcome()
        return (yield from self._rewritten(obj, context))

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: ARG002, D102
        return frozenset({"encryption", "body"})

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:  # noqa: D102
        head = yield Request(HEAD, obj.bucket, obj.key, obj.version_id)
        why = EncryptionChoice.of(self).differs_from(head.headers) if head.is_success else ""
        if head.is_success and not why:
            return AS_LEFT
        if obj.version_id is not None and obj.is_latest is not False:  # what was rewritten is another version
            head = yield Request(HEAD, obj.bucket, obj.key)
            why = EncryptionChoice.of(self).differs_from(head.headers)
        return judged(differs("EncryptionDiffers", why) if why else None, head, done) if head.is_success else gone(head)

    def _method(self, capabilities: Capabilities) -> str:
        found = capabilities.findings.get("method", _CALL)
        return found if self.encryption == "SSE-KMS" else _REWRITE

    def _rewritten(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:
        if self._rewrite is None:  # an operation with columns, which for_object has not been asked about
            raise TypeError(f"{self.name}: columns are not resolved")
        if why := context.capabilities.findings.get("rewrite"):
            return Outcome(400, "InvalidRequest", why)
        return (yield from self._rewrite.steps(obj, context))

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: D102
        method = _REWRITE
        is_possible = self.encryption == "SSE-KMS" and _KEY_ARN.fullmatch(str(self.kms_key_id))
        if is_possible and (yield from self._is_updated(scratch)):
            method = _CALL
        scratch = yield from _put(_PUT_PLAIN, scratch)
        if self._rewrite is None:
            return {"method": method}
        try:
            findings = yield from self._rewrite.probe(scratch, sample)
        except CapabilityError as error:
            if method == _REWRITE:
                raise CapabilityError(f"{self.name} has to rewrite objects here, and {error}") from None
            findings = {"rewrite": f"its encryption can't be updated, and it can't be rewritten: {error}"}
        return {"method": method, **findings}

    def _is_updated(self, scratch: S3Object) -> Steps[bool]:
        """Return whether the store knows the request: the body stays, and a HEAD shows the new key."""
        scratch = yield from _put(_PUT_ENCRYPTED, scratch)
        if not scratch.e_tag:
            return False
        response = yield Request(self._call.for_trial(), scratch.bucket, scratch.key)
        try:
            shown = yield from expect_intact(self.name, scratch)
        except CapabilityError:
            return False
        return response.is_success and EncryptionChoice.of(self).is_shown_by(shown.headers)

    def warnings(self, capabilities: Capabilities) -> list[str]:  # noqa: D102
        if self._rewrite is None or self._method(capabilities) == _CALL:
            return []
        return self._rewrite.warnings(capabilities)

    def iam_actions(self) -> set[str]:  # noqa: D102
        keys = {"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncrypt*"}
        rewrite = RewriteObject("SSE-S3" if self.encryption == "SSE-S3" else "SSE-KMS").iam_actions()
        return {"s3:UpdateObjectEncryption"} | rewrite | (set() if self.encryption == "SSE-S3" else keys)

    def managed_iam_actions(self) -> set[str]:  # noqa: D102
        return {"s3:UpdateObjectEncryption", "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncrypt*"}


def _put(call: Call, scratch: S3Object) -> Steps[S3Object]:
    """Store *scratch* anew; without an ETag if the store refuses."""
    response: Response = yield Request(call, scratch.bucket, scratch.key, body=SCRATCH_BODY)
    e_tag = response.headers.get("etag", "").strip('"')
    return scratch._replace(e_tag=e_tag if response.is_success else None)
