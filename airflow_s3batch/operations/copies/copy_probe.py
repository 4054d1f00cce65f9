"""Copies tried on a scratch object, on stores that are not known to be AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.acls.acl import GROUP_PERMISSIONS
from airflow_s3batch.operations.acls.grants import grant_headers
from airflow_s3batch.operations.bodies.content import content_of
from airflow_s3batch.operations.bodies.multipart import MultipartCalls, PartsCopy, copy_in_parts
from airflow_s3batch.operations.bodies.skipping import HONOURED, IF_ABSENT, IGNORED, REFUSED
from airflow_s3batch.operations.bodies.sources import Headers, copy_source
from airflow_s3batch.operations.copies.source_conditions import CONDITIONS
from airflow_s3batch.operations.locks.lock_choice import LockChoice
from airflow_s3batch.operations.probing import GET_TAGGING, HEAD, SCRATCH_BODY, expect_intact, expect_success, refuse
from airflow_s3batch.operations.requests import Call, Request, Response, Steps
from airflow_s3batch.operations.tags.tag_sets import tags_of

if TYPE_CHECKING:
    from airflow_s3batch.operations.copies.copying import CopyObject

UNPROVEN = "unproven"
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_WRONG_ETAG = '"00000000000000000000000000000000"'
_TO_COME = "Fri, 01 Jan 2100 00:00:00 GMT"
_LONG_AGO = "Sat, 01 Jan 2000 00:00:00 GMT"
_HEAD = Call("HeadObject", {"ChecksumMode": "ENABLED"}, wants_headers=True)
_GET_ACL = Call("GetObjectAcl")
_LOCK_PARAMS = ("ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus")
_PARTS = MultipartCalls.of({}).for_trial()
_TAGS = {"s3batch": "probe"}
_DELETE = Call("DeleteObject")


def probe_copy(copy: CopyObject, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:
    """
    Copy *scratch*, look at the copy, and find out what the store makes of conditions and of copies in parts.

    Lock settings are left out: a scratch object under a lock could not be deleted, and its bucket may have no locks.
    Where they are asked for, each copy is looked at instead.

    Raises:
        CapabilityError: the store does not do as it is asked.
    """
    if copy.target_key is None and copy.is_itself(sample, copy.key_for(sample)):  # else it may be that row's alone
        raise CapabilityError(
            f"{copy.name}: objects would be copied onto themselves. No object of the manifest was touched; give "
            "target_key_prefix or target_key, or use RewriteObject, which changes objects in place"
        )
    has_locks = any(value is not None for value in LockChoice.of(copy))
    params = {name: value for name, value in copy._call.params.items() if name not in _LOCK_PARAMS}  # noqa: SLF001
    call = Call("CopyObject", params) if has_locks else copy._call  # noqa: SLF001
    target = scratch._replace(key=scratch.key + "-copy")
    source = (("x-amz-copy-source", copy_source(scratch)),)
    response = yield Request(call, target.bucket, target.key, None, source)
    expect_success(copy.name, response)
    yield from expect_intact(copy.name, scratch)
    yield from _expect_effect(copy, target)
    head = yield Request(HEAD, scratch.bucket, scratch.key)
    more = (("x-amz-meta-s3batch", "parts"),)
    findings = yield from parts_findings(PartsCopy(scratch, head.headers, target.bucket, target.key, more), _PARTS)
    yield from _expect_conditions(copy, call, source, target)
    if copy.has_target_condition:
        absent, same = yield from _target_findings(call, source, target)
        findings |= {"target_absence": absent, "target_condition": same}
    return {**findings, **({"locks": UNPROVEN} if has_locks else {})}


def _expect_effect(copy: CopyObject, target: S3Object) -> Steps[None]:
    """Check that the copy at *target* is as the operation says, as far as a look at it tells."""
    if copy.storage_class not in _ARCHIVES:
        yield from expect_intact(copy.name, target)
    shown = yield Request(_HEAD, target.bucket, target.key)
    if shown.headers.get("content-length") != str(len(SCRATCH_BODY)):
        raise refuse(copy.name, "makes a copy that is not the object's")
    if copy.encryption is not None and "x-amz-server-side-encryption" not in shown.headers:
        raise refuse(copy.name, "accepts the encryption and ignores it")
    if copy.storage_class not in (None, "STANDARD") and shown.headers.get("x-amz-storage-class") is None:
        raise refuse(copy.name, f"accepts storage class {copy.storage_class} and ignores it")
    if copy.checksum_algorithm and f"x-amz-checksum-{copy.checksum_algorithm}".lower() not in shown.headers:
        raise refuse(copy.name, f"accepts checksum_algorithm {copy.checksum_algorithm} and computes none for copies")
    if copy.website_redirect_location and "x-amz-website-redirect-location" not in shown.headers:
        raise refuse(copy.name, "accepts the redirect and ignores it")
    if copy.grants or copy.canned_acl in GROUP_PERMISSIONS:
        acl = yield Request(_GET_ACL, target.bucket, target.key)
        if not acl.is_success or not grant_headers(acl.body):
            raise refuse(copy.name, "accepts the ACL and ignores it")


def _expect_conditions(copy: CopyObject, call: Call, source: Headers, target: S3Object) -> Steps[None]:
    """Check that the store heeds the conditions that *copy* has for sources."""
    head = yield Request(HEAD, target.bucket, target.key.removesuffix("-copy"))
    failing = {
        "x-amz-copy-source-if-match": (_WRONG_ETAG,),
        "x-amz-copy-source-if-none-match": (head.headers.get("etag", ""),),
        # a time to come may be ignored, and a time of now may be rounded down
        "x-amz-copy-source-if-modified-since": (_TO_COME, head.headers.get("last-modified", _TO_COME)),
        "x-amz-copy-source-if-unmodified-since": (_LONG_AGO,),
    }
    for name in (field for field in CONDITIONS if getattr(copy, field) is not None):
        header = f"x-amz-{name.replace('_', '-')}"
        statuses = []
        for value in failing[header]:
            response = yield Request(call, target.bucket, target.key, None, (*source, (header, value)))
            statuses.append(response.status)
        if 412 not in statuses:
            raise refuse(copy.name, f"ignores {name}: it copies what does not fulfil the condition")


def parts_findings(plan: PartsCopy, calls: MultipartCalls) -> Steps[dict[str, str]]:
    """
    Return whether the store can copy in parts, and whether it keeps the tags that such a copy begins with.

    *plan* is about a scratch object. If the store can't, only objects that need it fail.
    """
    response = yield from copy_in_parts(plan._replace(tags=_TAGS), calls)
    try:
        shown = yield from expect_intact("", S3Object(plan.bucket, plan.key))
    except CapabilityError:
        return {"parts": REFUSED}
    wanted = content_of(dict(plan.create_headers))
    if not response.is_success or not wanted.items() <= content_of(shown.headers).items():
        return {"parts": REFUSED}
    told = yield Request(GET_TAGGING, plan.bucket, plan.key)
    is_kept = told.is_success and tags_of(told.body) == _TAGS
    return {"parts": HONOURED, "parts_tags": HONOURED if is_kept else IGNORED}


def _target_findings(call: Call, source: Headers, target: S3Object) -> Steps[tuple[str, str]]:
    """Return what the store makes of If-None-Match and of If-Match on copies; *target* exists."""
    found = []
    for condition in (IF_ABSENT, (("if-match", _WRONG_ETAG),)):
        response = yield Request(call, target.bucket, target.key, None, (*source, *condition))
        found.append(IGNORED if response.is_success else HONOURED if response.status == 412 else REFUSED)
    yield Request(_DELETE, target.bucket, target.key)
    response = yield Request(call, target.bucket, target.key, None, (*source, *IF_ABSENT))
    return (found[0] if response.is_success else REFUSED), found[1]


def lock_shown(copy: CopyObject, target: str, outcome: Outcome) -> Steps[Outcome]:
    """Return *outcome*, a success, if the copy shows the lock settings that it was made with."""
    head: Response = yield Request(HEAD, str(copy.target_bucket), target)
    wanted = {"x-amz-object-lock-mode": copy.object_lock_mode}
    wanted["x-amz-object-lock-legal-hold"] = copy.object_lock_legal_hold_status
    wanted |= dict(LockChoice.of(copy).headers())
    missing = [name for name, value in wanted.items() if value not in (None, "OFF", head.headers.get(name))]
    if not head.is_success or not missing:
        return outcome if head.is_success else head.outcome()
    return Outcome(400, "InvalidRequest", f"copied, but the store does not show {', '.join(missing)} afterwards")
