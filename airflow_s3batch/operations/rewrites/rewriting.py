"""
Rewrite objects in place, to change what only a copy can change, without ever burying a newer object's body.

Each object is looked at with a HEAD, left alone if it is already as wanted, and else copied onto itself under two
conditions: the source is still the one that was seen, and so is what the copy replaces. What a copy does not keep by
itself (storage class, encryption, ACL, lock settings, redirect) is read and sent again.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self, get_args

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.bodies.content import CONTENT_HEADERS, META, ContentChoice
from airflow_s3batch.operations.bodies.encryption import EncryptionChoice
from airflow_s3batch.operations.bodies.head_look import declared_differences
from airflow_s3batch.operations.bodies.multipart import LONG_S, PART_REQUESTS, MultipartCalls
from airflow_s3batch.operations.bodies.null_versions import null_version_loss
from airflow_s3batch.operations.bodies.sameness import changed_message, is_copy_of
from airflow_s3batch.operations.bodies.sources import Headers, copy_source
from airflow_s3batch.operations.copies.copy_params import threshold_problems
from airflow_s3batch.operations.fields import Column, choice_problems
from airflow_s3batch.operations.probing import HEAD
from airflow_s3batch.operations.requests import Call, Capabilities, Request, Response, RunContext, Steps
from airflow_s3batch.operations.rewrites import rewrite_probe
from airflow_s3batch.operations.rewrites.keeping import NOT_CURRENT, acl_headers, kept_headers, refusal, shown_lock
from airflow_s3batch.operations.rewrites.large_rewrites import large_rewrite
from airflow_s3batch.operations.types import MOST_COPY_BYTES, ChecksumAlgorithm, StorageClass
from airflow_s3batch.operations.verification import Done, gone, judged

ALREADY_SO = Outcome(200, "", "Successful: it was so already")
_CONDITION_STATUSES = frozenset({404, 409, 412})
_LONG_FROM_BYTES = 256 * 1024**2
_CHECKED_HEAD = Call("HeadObject", {"ChecksumMode": "ENABLED"}, wants_headers=True)
_CHANGES = ("encryption", "storage_class", "checksum_algorithm")


@dataclass(frozen=True)
class RewriteObject(Operation):
    """
    Change encryption, storage class, metadata or checksum of each object in place, and keep all the rest.

    What is not named stays: storage class, encryption, metadata, content headers, tags, ACL and lock settings. Objects
    that are already as wanted are left alone and count as successes. In a versioned bucket the rewritten object is a
    new version, and the old one stays as it was. Noncurrent versions are refused (a copy would make them current), and
    so is, where versioning is suspended, an object below which a null version lies: S3 would put the copy in its place.

    Objects above 5 GiB, and above *multipart_threshold_bytes*, are copied in parts, and the last request carries the
    condition; they may get another ETag, and lose their annotations. A rewrite in parts that is cut off leaves an
    incomplete upload, which nobody looks for later: set a lifecycle rule with ``AbortIncompleteMultipartUpload``.

    S3 checks the conditions and writes in one step. A store that checks first and writes then (SeaweedFS 4.48: of some
    600 objects overwritten during a job one was hit) may still bury a body that is written within the same
    milliseconds: there, nobody should write meanwhile, or versioning should keep what is buried. A warning in the log
    says so where the store calls itself SeaweedFS and versioning is not known to be enabled.

    At least one change has to be named.

    Args:
        encryption: ``"SSE-S3"``, ``"SSE-KMS"`` or ``"DSSE-KMS"``.
        kms_key_id: key of SSE-KMS or DSSE-KMS; ``None`` stands for the AWS managed key (and any KMS key counts as
            right).
        bucket_key_enabled: whether SSE-KMS goes through an S3 Bucket Key; ``None`` leaves it to the bucket.
        allow_unconditional: rewrite even where the store ignores the conditions, so that a body written at the same
            moment may be lost.
        storage_class: e.g. ``"STANDARD_IA"``.
        metadata: user metadata, instead of all that the object has; ``{}`` removes it.
        cache_control: a content header; an empty text removes it. So do *content_disposition*, *content_encoding*,
            *content_language* and *expires* (a datetime or a text in ISO 8601).
        content_type: a content header that every object has, so it can't be removed.
        checksum_algorithm: of the checksum that S3 computes and keeps, e.g. ``"CRC64NVME"``.
        multipart_threshold_bytes: rewrite larger objects in parts: 5 MiB to 5 GiB.
    """

    encryption: str | Column | None = None
    kms_key_id: str | Column | None = None
    bucket_key_enabled: bool | Column | None = None
    allow_unconditional: bool = False
    storage_class: str | Column | None = None
    metadata: Mapping[str, str | Column] | None = None
    cache_control: str | Column | None = None
    content_disposition: str | Column | None = None
    content_encoding: str | Column | None = None
    content_language: str | Column | None = None
    content_type: str | Column | None = None
    expires: datetime | str | Column | None = None
    checksum_algorithm: str | Column | None = None
    multipart_threshold_bytes: int = MOST_COPY_BYTES
    _copies: dict[str, tuple[Call, Call]] = field(init=False, repr=False, compare=False)
    _calls: MultipartCalls = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "rewrite_object"
    requests: ClassVar[tuple[str, ...]] = (
        "HeadObject",
        "GetObjectAcl",
        "CopyObject",
        "GetObjectTagging",
        *PART_REQUESTS,
    )
    replay: ClassVar[Replay] = Replay.CHECK
    skips_done: ClassVar[bool] = True
    ends_sequence: ClassVar[str] = "it makes another version of the object, which steps after it would not work on"
    compares: ClassVar[str] = "what it changes: encryption and key, storage class, metadata, content headers, checksum"

    def __post_init__(self) -> None:
        """Check the fields and make the calls that all objects share."""
        super().__post_init__()
        is_open = self.columns() or self.has_templates  # for_object and render make the operation that is sent
        params = {} if is_open else self._params()
        copies = {}
        for directive in ("COPY", "REPLACE"):
            own = {**params, "MetadataDirective": directive}
            copies[directive] = Call("CopyObject", own), Call("CopyObject", own, timeout_s=LONG_S)
        object.__setattr__(self, "_copies", copies)
        object.__setattr__(self, "_calls", MultipartCalls.of(params))

    def _params(self) -> dict[str, Any]:
        named = {"StorageClass": self.storage_class, "ChecksumAlgorithm": self.checksum_algorithm}
        given = {name: value for name, value in named.items() if value is not None}
        return {**EncryptionChoice.of(self).copy_params(), **given}

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls("SSE-S3")

    def problems(self) -> list[str]:  # noqa: D102
        found = [*EncryptionChoice.of(self).problems(), *self.content.problems()]
        found.extend(choice_problems(get_args(StorageClass), storage_class=self.storage_class))
        found.extend(choice_problems(get_args(ChecksumAlgorithm), checksum_algorithm=self.checksum_algorithm))
        found.extend(threshold_problems(self.multipart_threshold_bytes))
        if all(getattr(self, name) is None for name in _CHANGES) and self.content.is_empty and not found:
            found.append("nothing to change: give encryption, storage_class, metadata, a content header or a checksum")
        if not isinstance(self.allow_unconditional, bool):
            found.append(f"allow_unconditional={self.allow_unconditional!r}: expected True or False")
        return found

    @property
    def content(self) -> ContentChoice:
        """What is said of metadata and content headers."""
        return ContentChoice.of(self)

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: D102
        if obj.is_latest is False:
            return Outcome(400, NOT_CURRENT, "a noncurrent version can't be rewritten: the copy would become current")
        head = yield Request(_CHECKED_HEAD if self.checksum_algorithm else HEAD, obj.bucket, obj.key)
        if head.is_success and self.is_done(head) and (yield from self._is_meant(obj, head, context)):
            return _already_so(obj, head)
        if refused := (head.outcome() if not head.is_success else refusal(obj, head)):
            return refused
        if refused := (yield from null_version_loss(obj, head, context)):
            return refused
        return (yield from self._rewritten(obj, head, context))

    def _rewritten(self, obj: S3Object, head: Response, context: RunContext) -> Steps[Outcome]:
        acl = yield from acl_headers(obj, context.capabilities)
        if isinstance(acl, Outcome):
            return acl
        if int(head.headers.get("content-length") or 0) > self.multipart_threshold_bytes:
            response = yield from large_rewrite(self, obj, head, acl, context)
        else:
            response = yield self.request(obj, head, self.directive(context.capabilities), acl)
        if response.status in _CONDITION_STATUSES:
            return (yield from self._after_conflict(obj, head, response))
        if response.is_success and not context.capabilities.is_aws and shown_lock(head.headers):
            return (yield from self._lock_kept(obj, head))
        return response.outcome()

    def _lock_kept(self, obj: S3Object, head: Response) -> Steps[Outcome]:
        """Look whether the lock that *head* shows was kept: stores may ignore its headers on copies."""
        again = yield Request(HEAD, obj.bucket, obj.key)
        kept = dict(self.kept(head))
        lost = [name for name in shown_lock(head.headers) if name in kept and name not in again.headers]
        if not again.is_success or not lost:
            return again.outcome()
        return Outcome(400, "InvalidRequest", f"rewritten, but the store does not show {', '.join(lost)} afterwards")

    def _after_conflict(self, obj: S3Object, head: Response, response: Response) -> Steps[Outcome]:
        """
        Return what a failed condition means: our own copy, made by a try whose answer was lost, or another's write.

        That the object is as wanted proves nothing: buckets encrypt whatever is written to them.
        """
        again = yield Request(_CHECKED_HEAD if self.checksum_algorithm else HEAD, obj.bucket, obj.key)
        if not again.is_success:
            return again.outcome() if (again.status, response.status) == (404, 412) else response.outcome()
        if self.is_done(again) and response.is_retried and is_copy_of(self.wanted(head), again.headers):
            return ALREADY_SO
        was, now = (shown.headers.get("etag", "").strip('"') for shown in (head, again))
        return Outcome(412, "PreconditionFailed", changed_message(was, now)) if now != was else response.outcome()

    def _is_meant(self, obj: S3Object, head: Response, context: RunContext) -> Steps[bool]:
        """Return whether *head* shows what the manifest names: that version, or, on a replay, our own copy of it."""
        if obj.version_id in (None, head.headers.get("x-amz-version-id", "null")):
            return True
        if not context.is_replay:
            return False
        named = yield Request(HEAD, obj.bucket, obj.key, obj.version_id)
        return named.is_success and is_copy_of(self.wanted(named), head.headers)

    def is_done(self, head: Response) -> bool:
        """Return whether *head* shows an object that is as wanted."""
        shown = head.headers
        return (
            EncryptionChoice.of(self).is_shown_by(shown)
            and self.storage_class in (None, shown.get("x-amz-storage-class", "STANDARD"))
            and (not self.checksum_algorithm or f"x-amz-checksum-{self.checksum_algorithm}".lower() in shown)
            and (self.content.is_empty or self.content.is_shown_by(shown))
        )

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: ARG002, D102
        return frozenset({"encryption", "body"})

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:  # noqa: D102
        head = yield Request(_CHECKED_HEAD if self.checksum_algorithm else HEAD, obj.bucket, obj.key)
        if not head.is_success:
            return gone(head)
        return judged(declared_differences(self, head.headers), head, done)

    def wanted(self, head: Response) -> dict[str, str]:
        """Return the headers that a HEAD is to show of what *head* shows now, once it is rewritten."""
        others = {n: v for n, v in head.headers.items() if n not in CONTENT_HEADERS and not n.startswith(META)}
        return {**others, **self.content.applied_to(head.headers)}

    def directive(self, capabilities: Capabilities) -> str:
        """Return the metadata directive: COPY where nothing of it changes and the store takes that in place."""
        found = capabilities.findings.get("metadata_directive", "COPY")
        return found if self.content.is_empty else "REPLACE"

    def kept(self, head: Response) -> Headers:
        """Return the headers that keep what *head* shows and the operation does not change, metadata aside."""
        return kept_headers(
            head.headers,
            changes_class=self.storage_class is not None,
            changes_encryption=self.encryption is not None,
        )

    def request(self, obj: S3Object, head: Response, directive: str, acl: Headers = ()) -> Request:
        """Return the copy of *obj*, which *head* shows, onto itself."""
        e_tag = head.headers.get("etag", "")
        headers = [
            ("x-amz-copy-source", copy_source(obj._replace(version_id=None))),
            ("x-amz-copy-source-if-match", e_tag),
            ("if-match", e_tag),
            *self.kept(head),
            *acl,
        ]
        if directive == "REPLACE":
            headers.extend(self.content.applied_to(head.headers).items())
        is_long = int(head.headers.get("content-length") or 0) > _LONG_FROM_BYTES
        return Request(self._copies[directive][is_long], obj.bucket, obj.key, None, tuple(headers))

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: ARG002, D102
        return (yield from rewrite_probe.probe_rewrite(self, scratch))

    def warnings(self, capabilities: Capabilities) -> list[str]:  # noqa: D102
        return rewrite_probe.two_step_warnings(self.name, capabilities)

    def iam_actions(self) -> set[str]:  # noqa: D102
        actions = {"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObjectAcl"}
        actions |= {"s3:GetObjectRetention"}
        actions |= {"s3:GetObjectLegalHold", "s3:PutObject", "s3:PutObjectTagging", "s3:PutObjectAcl"}
        actions |= {"s3:PutObjectRetention", "s3:PutObjectLegalHold", "s3:AbortMultipartUpload"}
        return actions | EncryptionChoice.of(self).iam_actions()


def _already_so(obj: S3Object, head: Response) -> Outcome:
    """Return the success of an object that is as wanted; its message says if it is not the manifest's ETag any more."""
    seen = head.headers.get("etag", "").strip('"')
    if obj.e_tag in (None, seen):
        return ALREADY_SO
    return ALREADY_SO._replace(message=f"{ALREADY_SO.message} (ETag {seen}; the manifest has {obj.e_tag})")
