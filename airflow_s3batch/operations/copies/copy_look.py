"""Whether what stands at a copy's target is the copy that was asked for, as far as a store's answers can tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.acls.acl_look import READ_ACL, acl_shown
from airflow_s3batch.operations.bodies.head_look import declared_differences
from airflow_s3batch.operations.bodies.sameness import is_md5
from airflow_s3batch.operations.bodies.skipping import SKIPPED
from airflow_s3batch.operations.bodies.sources import HEAD_SOURCE, e_tag_in
from airflow_s3batch.operations.locks.lock_choice import LockChoice
from airflow_s3batch.operations.locks.lock_look import READ_HOLD, READ_RETENTION, hold_shown, retention_shown
from airflow_s3batch.operations.moments import moment_of
from airflow_s3batch.operations.requests import Call, Request, Response, Steps
from airflow_s3batch.operations.tags.tag_sets import GET_TAGS, READ_TAGS, tags_differ, tags_shown
from airflow_s3batch.operations.verification import AS_LEFT, Done, differs, gone, is_written_since, judged

if TYPE_CHECKING:
    from airflow_s3batch.operations.copies.copying import CopyObject

_HEAD = Call("HeadObject", wants_headers=True)
_CHECKED_HEAD = Call("HeadObject", {"ChecksumMode": "ENABLED"}, wants_headers=True)
_GONE = 404
_REDIRECT = "x-amz-website-redirect-location"


def copy_compared(copy: CopyObject, obj: S3Object, done: Done) -> Steps[Outcome]:
    """Look whether the copy of *obj* is as it should have been left; of one that was skipped, whether it is there."""
    place = S3Object(str(copy.target_bucket), copy.key_for(obj))
    call = _CHECKED_HEAD if copy.checksum_algorithm else _HEAD
    head = yield Request(call, place.bucket, place.key, None, copy.payer)
    if not head.is_success:
        return gone(head, "CopyMissing")
    if SKIPPED in done.message:
        return AS_LEFT
    wrong = yield from _body_difference(copy, obj, head, done)
    wrong = wrong or declared_differences(copy, head.headers) or _redirect_difference(copy, head.headers)
    wrong = wrong or (yield from _difference_beside(copy, place))
    return judged(wrong, head, done)


def copy_looks(copy: CopyObject) -> frozenset[str]:
    """Return the IAM actions that such a look needs, besides reading objects."""
    lock = LockChoice.of(copy)
    found = READ_TAGS if copy.tags is not None else frozenset()
    found |= READ_ACL if copy.canned_acl or copy.grants else frozenset()
    found |= READ_RETENTION if lock.object_lock_mode is not None else frozenset()
    return found | (READ_HOLD if lock.object_lock_legal_hold_status is not None else frozenset())


def _body_difference(copy: CopyObject, obj: S3Object, head: Response, done: Done) -> Steps[Outcome | None]:
    """
    Return in what the copy that *head* shows differs from the body that was to be copied, if that can be proved.

    The manifest tells size and ETag of what it saw. Where the copy has others, the source is looked at: it may have
    been another one when it was copied. A source that is gone, or was written since, proves nothing. If the version or
    the ETag of what was copied is known, its size is evidence; its ETag is not, for that of an object under KMS is no
    MD5. A copy with another ETag that was written since is none of ours in any case.
    """
    if _is_as_listed(obj, head.headers):
        return None
    is_pinned = done.is_pinned or obj.version_id not in (None, "null")
    length = head.headers.get("content-length", "")
    if is_pinned and obj.size is not None and length != str(obj.size):
        return differs("CopyDiffers", f"the copy has {length} bytes, the object {obj.size}")
    source = yield Request(HEAD_SOURCE, obj.bucket, obj.key, obj.version_id, copy.payer)
    if not source.is_success and source.status != _GONE:
        return source.outcome()
    if source.is_success and not (obj.version_id in (None, "null") and is_written_since(source, done)):
        return _difference_from(source.headers, head.headers)
    if is_written_since(head, done):
        return differs("CopyDiffers", "the object that it was made of is not there any more to compare it with")
    return None


def _is_as_listed(obj: S3Object, shown: Mapping[str, str]) -> bool:
    """Return whether the copy has the size that the manifest has of the object, and its ETag where that says much."""
    if obj.size is None or obj.e_tag is None or shown.get("content-length") != str(obj.size):
        return False
    seen = e_tag_in(shown)
    return seen == obj.e_tag or "-" in obj.e_tag or not is_md5(seen, shown)


def _difference_from(source: Mapping[str, str], shown: Mapping[str, str]) -> Outcome | None:
    lengths = [headers.get("content-length", "") for headers in (source, shown)]
    if lengths[0] != lengths[1]:
        return differs("CopyDiffers", f"the copy has {lengths[1]} bytes, the object {lengths[0]}")
    e_tags = [e_tag_in(headers) for headers in (source, shown)]
    is_comparable = all(is_md5(e_tag, headers) for e_tag, headers in zip(e_tags, (source, shown), strict=True))
    if is_comparable and e_tags[0] != e_tags[1]:
        return differs("CopyDiffers", f"the copy has ETag {e_tags[1]}, the object {e_tags[0]}")
    return None


def _redirect_difference(copy: CopyObject, shown: Mapping[str, str]) -> Outcome | None:
    wanted, seen = copy.website_redirect_location, shown.get(_REDIRECT)
    return None if wanted in (None, seen) else differs("MetadataDiffers", f"{_REDIRECT} is {seen!r}, not {wanted!r}")


def _difference_beside(copy: CopyObject, place: S3Object) -> Steps[Outcome | None]:
    """Return in what tags, ACL and lock of the copy at *place* differ from those that are declared."""
    wrong: Outcome | None = None
    if copy.tags is not None:
        shown = tags_shown((yield Request(GET_TAGS, place.bucket, place.key)))
        wrong = shown if isinstance(shown, Outcome) else tags_differ(copy.tags, shown)
    if wrong is None and (copy.canned_acl is not None or copy.grants):
        wrong = yield from acl_shown(place, copy.canned_acl, copy.grants)
    lock = LockChoice.of(copy)
    if wrong is None and lock.object_lock_mode is not None and lock.object_lock_retain_until_date is not None:
        until = moment_of(lock.object_lock_retain_until_date)  # type: ignore[arg-type]
        wrong = yield from retention_shown(place, str(lock.object_lock_mode), {until}, {})
    if wrong is None and lock.object_lock_legal_hold_status is not None:
        wrong = yield from hold_shown(place, str(lock.object_lock_legal_hold_status))
    return wrong
