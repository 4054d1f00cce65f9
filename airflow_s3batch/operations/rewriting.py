"""
Rewrite objects in place, to encrypt them, without ever burying a newer object's body.

Each object is looked at with a HEAD, left alone if it is already as wanted, and else copied onto itself under two
conditions: the source is still the one that was seen, and so is what the copy replaces. What a copy does not keep by
itself (storage class, ACL, lock settings, redirect) is read and sent again.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.copying import TOO_LARGE, copy_source
from airflow_s3batch.operations.encryption import EncryptionChoice
from airflow_s3batch.operations.fields import Column
from airflow_s3batch.operations.grants import grant_headers
from airflow_s3batch.operations.probing import HEAD, expect_intact, expect_success, refuse
from airflow_s3batch.operations.requests import Call, Capabilities, Request, Response, RunContext, Steps
from airflow_s3batch.operations.sameness import changed_message, is_copy_of
from airflow_s3batch.operations.types import MOST_COPY_BYTES

NOT_CURRENT = "NotCurrentVersion"
ALREADY_SO = Outcome(200, "", "Successful: it was so already")
_TWO_STEPS = "SeaweedFS"
"""In the Server header of stores that check conditions first and write then; a proxy in front may hide it."""

_WRONG_ETAG = '"00000000000000000000000000000000"'
_CONDITION_STATUSES = frozenset({404, 409, 412})
_GET_ACL = Call("GetObjectAcl")
_KEPT = (
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
)
_RETENTION = ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date")
_CONTENT_HEADERS = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)


@dataclass(frozen=True)
class RewriteObject(Operation):
    """
    Encrypt each object in place, keeping storage class, metadata, tags, ACL and lock settings.

    Objects that are already encrypted like this are left alone and count as successes. In a versioned bucket the
    rewritten object is a new version, and the old one stays as it was. Noncurrent versions are refused (a copy would
    make them current). Up to 5 GiB an object.

    S3 checks the conditions and writes in one step. A store that checks first and writes then (SeaweedFS 4.48: of some
    600 objects overwritten during a job one was hit) may still bury a body that is written within the same
    milliseconds: there, nobody should write meanwhile, or versioning should keep what is buried. A warning in the log
    says so where the store calls itself SeaweedFS and versioning is not known to be enabled.

    Args:
        encryption: ``"SSE-S3"`` or ``"SSE-KMS"``.
        kms_key_id: key of SSE-KMS; ``None`` stands for the AWS managed key (and any KMS key counts as right).
        bucket_key_enabled: whether SSE-KMS goes through an S3 Bucket Key; ``None`` leaves it to the bucket.
        allow_unconditional: rewrite even where the store ignores the conditions, so that a body written at the same
            moment may be lost.
    """

    encryption: str | Column
    kms_key_id: str | Column | None = None
    bucket_key_enabled: bool | Column | None = None
    allow_unconditional: bool = False
    _copy: Call = field(init=False, repr=False, compare=False)
    _replace: Call = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "rewrite_object"
    replay: ClassVar[Replay] = Replay.CHECK

    def __post_init__(self) -> None:
        """Check the fields and make the calls that all objects share."""
        super().__post_init__()
        is_open = self.columns() or self.has_templates  # for_object and render make the operation that is sent
        params = {} if is_open else self._choice.copy_params()
        object.__setattr__(self, "_copy", Call("CopyObject", {**params, "MetadataDirective": "COPY"}))
        object.__setattr__(self, "_replace", Call("CopyObject", {**params, "MetadataDirective": "REPLACE"}))

    def problems(self) -> list[str]:  # noqa: D102
        return self._choice.problems()

    @property
    def _choice(self) -> EncryptionChoice:
        return EncryptionChoice(self.encryption, self.kms_key_id, self.bucket_key_enabled)

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: D102
        if obj.is_latest is False:
            return Outcome(400, NOT_CURRENT, "a noncurrent version can't be rewritten: the copy would become current")
        head = yield Request(HEAD, obj.bucket, obj.key)
        if head.is_success and self._is_done(head) and (yield from _is_meant(obj, head, context)):
            return _already_so(obj, head)
        if refused := (head.outcome() if not head.is_success else _refusal(obj, head)):
            return refused
        acl = yield from _acl_headers(obj, context.capabilities)
        if isinstance(acl, Outcome):
            return acl
        directive = context.capabilities.findings.get("metadata_directive", "COPY")
        response = yield self._request(obj, head, directive, acl)
        if response.status in _CONDITION_STATUSES:
            return (yield from self._after_conflict(obj, head, response))
        return response.outcome()

    def _after_conflict(self, obj: S3Object, head: Response, response: Response) -> Steps[Outcome]:
        """
        Return what a failed condition means: our own copy, made by a try whose answer was lost, or another's write.

        That the object is encrypted as wanted proves nothing: buckets encrypt whatever is written to them.
        """
        again = yield Request(HEAD, obj.bucket, obj.key)
        if not again.is_success:
            return again.outcome() if (again.status, response.status) == (404, 412) else response.outcome()
        if self._is_done(again) and response.is_retried and is_copy_of(head.headers, again.headers):
            return ALREADY_SO
        was, now = (shown.headers.get("etag", "").strip('"') for shown in (head, again))
        return Outcome(412, "PreconditionFailed", changed_message(was, now)) if now != was else response.outcome()

    def _is_done(self, head: Response) -> bool:
        return self._choice.is_shown_by(head.headers)

    def _request(self, obj: S3Object, head: Response, directive: str, acl: tuple[tuple[str, str], ...] = ()) -> Request:
        e_tag = head.headers.get("etag", "")
        headers = [
            ("x-amz-copy-source", copy_source(obj._replace(version_id=None))),
            ("x-amz-copy-source-if-match", e_tag),
            ("if-match", e_tag),
            *((name, head.headers[name]) for name in _kept(head)),
            *acl,
        ]
        if directive == "REPLACE":
            headers.extend((name, head.headers[name]) for name in _CONTENT_HEADERS if name in head.headers)
            headers.extend(item for item in head.headers.items() if item[0].startswith("x-amz-meta-"))
        call = self._replace if directive == "REPLACE" else self._copy
        return Request(call, obj.bucket, obj.key, None, tuple(headers))

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: ARG002, D102
        before = yield Request(HEAD, scratch.bucket, scratch.key)
        expect_success(self.name, before)
        directive = "COPY"
        response = yield self._request(scratch, before, directive)
        if not response.is_success:
            directive = "REPLACE"
            response = yield self._request(scratch, before, directive)
        expect_success(self.name, response)
        after = yield from expect_intact(self.name, scratch)
        if not self._is_done(after):
            raise refuse(self.name, "accepts the encryption and ignores it")
        if _metadata(before) != _metadata(after):
            raise refuse(self.name, "loses the object's metadata when it is copied onto itself")
        conditions = yield from self._probe_conditions(scratch, after, directive)
        grants = yield from self._probe_grants(scratch, directive)
        steps = "two" if _TWO_STEPS in before.headers.get("server", "") else "one"
        return {"metadata_directive": directive, "grants": grants, "condition_steps": steps, **conditions}

    def warnings(self, capabilities: Capabilities) -> list[str]:  # noqa: D102
        is_kept = all(facts.versioning == "Enabled" for facts in capabilities.buckets.values())
        if capabilities.findings.get("condition_steps") != "two" or (capabilities.buckets and is_kept):
            return []
        told = f"{self.name}: this store calls itself {_TWO_STEPS}, which checks If-Match first and writes then: a "
        told += "body that somebody writes to an object within the same milliseconds may be lost. Let nobody write to "
        return [told + "the objects meanwhile, or enable versioning, which keeps such a body as a noncurrent version"]

    def _probe_grants(self, scratch: S3Object, directive: str) -> Steps[str]:
        """Find out whether a copy gets the ACL that it is sent with; where it does not, only default ACLs are kept."""
        head = yield Request(HEAD, scratch.bucket, scratch.key)
        grant = ("x-amz-grant-read", 'uri="http://acs.amazonaws.com/groups/global/AuthenticatedUsers"')
        response = yield self._request(scratch, head, directive, (grant,))
        if not response.is_success:
            return "ignored"
        shown = yield Request(_GET_ACL, scratch.bucket, scratch.key)
        return "honoured" if grant in (grant_headers(shown.body) or ()) else "ignored"

    def _probe_conditions(self, scratch: S3Object, head: Response, directive: str) -> Steps[dict[str, str]]:
        findings = {}
        for finding, header in (("source_condition", "x-amz-copy-source-if-match"), ("target_condition", "if-match")):
            request = self._request(scratch, head, directive)
            wrong = tuple((name, _WRONG_ETAG if name == header else value) for name, value in request.headers)
            response = yield request._replace(headers=wrong)
            findings[finding] = "honoured" if response.status == 412 else "ignored"
            if response.is_success:
                head = yield Request(HEAD, scratch.bucket, scratch.key)
        ignored = [name for name, finding in findings.items() if finding == "ignored"]
        if ignored and not self.allow_unconditional:
            raise CapabilityError(
                f"{self.name}: this store ignores If-Match when an object is copied onto itself "
                f"({' and '.join(ignored).replace('_', ' ')}), so a body written at the same moment could be lost. "
                "No object of the manifest was touched; RewriteObject(…, allow_unconditional=True) accepts that"
            )
        return findings

    def iam_actions(self) -> set[str]:  # noqa: D102
        actions = {"s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectAcl", "s3:GetObjectRetention"}
        actions |= {"s3:GetObjectLegalHold", "s3:PutObject", "s3:PutObjectTagging", "s3:PutObjectAcl"}
        actions |= {"s3:PutObjectRetention", "s3:PutObjectLegalHold"}
        return actions | ({"kms:Decrypt", "kms:GenerateDataKey"} if self.encryption == "SSE-KMS" else set())


def _is_meant(obj: S3Object, head: Response, context: RunContext) -> Steps[bool]:
    """Return whether *head* shows what the manifest names: that version, or, on a replay, our own copy of it."""
    if obj.version_id in (None, head.headers.get("x-amz-version-id", "null")):
        return True
    if not context.is_replay:
        return False
    named = yield Request(HEAD, obj.bucket, obj.key, obj.version_id)
    return named.is_success and is_copy_of(named.headers, head.headers)


def _already_so(obj: S3Object, head: Response) -> Outcome:
    """Return the success of an object that is as wanted; its message says if it is not the manifest's ETag any more."""
    seen = head.headers.get("etag", "").strip('"')
    if obj.e_tag in (None, seen):
        return ALREADY_SO
    return ALREADY_SO._replace(message=f"{ALREADY_SO.message} (ETag {seen}; the manifest has {obj.e_tag})")


def _refusal(obj: S3Object, head: Response) -> Outcome | None:
    """Return why *obj*, which *head* shows, is not rewritten; ``None`` if it may be."""
    version_id = head.headers.get("x-amz-version-id", "null")
    if obj.version_id is not None and obj.version_id != version_id:
        return Outcome(400, NOT_CURRENT, f"version {version_id} is current now; rewriting would bury it")
    e_tag = head.headers.get("etag", "").strip('"')
    if not e_tag:
        return Outcome(400, "InvalidRequest", "the store shows no ETag, so a newer body could not be told apart")
    if obj.e_tag is not None and obj.e_tag != e_tag:
        return Outcome(412, "PreconditionFailed", changed_message(obj.e_tag, e_tag))
    length = head.headers.get("content-length", "")
    if length.isdigit() and int(length) > MOST_COPY_BYTES:
        return TOO_LARGE
    if not "".join(head.headers.values()).isascii() or head.headers.get("x-amz-missing-meta", "0") != "0":
        return Outcome(400, "InvalidRequest", "its metadata can't be read in full, so it could not be kept")
    return None


def _acl_headers(obj: S3Object, capabilities: Capabilities) -> Steps[tuple[tuple[str, str], ...] | Outcome]:
    """Return the headers that give the copy the ACL of *obj*, or the outcome if it can't be read."""
    if capabilities.bucket(obj.bucket).ownership == "BucketOwnerEnforced":
        return ()
    response = yield Request(_GET_ACL, obj.bucket, obj.key)
    if response.status in (405, 501):
        return ()
    if not response.is_success:
        return Outcome(
            response.status, response.error_code, f"its ACL can't be read, so it could not be kept: {response.message}"
        )
    headers = grant_headers(response.body)
    if headers and capabilities.findings.get("grants", "honoured") != "honoured":
        return Outcome(400, "AccessControlListNotSupported", "the store drops ACLs on copies, so its own would be lost")
    return (
        Outcome(0, "InvalidResponse", "its ACL can't be read, so it could not be kept") if headers is None else headers
    )


def _kept(head: Response) -> list[str]:
    """Return the headers to send again; a retention that has run out can't be set anew."""
    names = [name for name in _KEPT if name in head.headers]
    until = _moment(head.headers.get("x-amz-object-lock-retain-until-date", ""))
    now = _moment(head.headers.get("date", ""))
    if until is not None and now is not None and until <= now:
        return [name for name in names if name not in _RETENTION]
    return names


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None


def _metadata(response: Response) -> dict[str, Any]:
    kept = {name: value for name, value in response.headers.items() if name.startswith("x-amz-meta-")}
    return {**kept, "content-type": response.headers.get("content-type")}
