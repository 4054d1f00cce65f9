"""Whether what a store shows is our own copy of an object, or another body that somebody wrote at the same key."""

from __future__ import annotations

from collections.abc import Mapping

_SSE = "x-amz-server-side-encryption"
_KEPT_BY_COPIES = (
    "content-length",
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)


def is_copy_of(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """
    Return whether the object of HeadObject's headers *after* can be a copy of the one of *before*.

    An ETag that is an MD5 settles it. Where it is none (multipart, KMS), length and metadata have to agree: a body
    written by somebody else that agrees in all of them is taken for a copy; it is not touched in any case.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html (what ETags are)
    """
    if _metadata(before) != _metadata(after):
        return False
    e_tags = [headers.get("etag", "").strip('"') for headers in (before, after)]
    if all(is_md5(e_tag, headers) for e_tag, headers in zip(e_tags, (before, after), strict=True)):
        return e_tags[0] == e_tags[1]
    return all(before.get(name) == after.get(name) for name in _KEPT_BY_COPIES)


def has_same_body(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """
    Return whether HeadObject's headers *before* and *after* prove that two objects have one body.

    Length and ETag agree, or length and any checksum that both show. Where none does, they may have one all the same.
    """
    if before.get("content-length") != after.get("content-length"):
        return False
    e_tags = {headers.get("etag", "").strip('"') for headers in (before, after)}
    if len(e_tags) == 1 and e_tags != {""}:
        return True
    names = {name for name in before if name.startswith("x-amz-checksum-")} - {"x-amz-checksum-type"}
    return any(before[name] == after.get(name) for name in names)


def has_same_metadata(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Return whether HeadObject's headers *before* and *after* show the same user metadata and content headers."""
    kept = (name for name in _KEPT_BY_COPIES if name != "content-length")
    return _metadata(before) == _metadata(after) and all(before.get(name) == after.get(name) for name in kept)


def is_md5(e_tag: str, headers: Mapping[str, str]) -> bool:
    """Return whether *e_tag* is the MD5 of the body: no multipart upload, KMS or customer's key."""
    is_under_key = headers.get(_SSE, "AES256") != "AES256" or f"{_SSE}-customer-algorithm" in headers
    return len(e_tag) == 32 and "-" not in e_tag and not is_under_key


def changed_message(was: str | None, now: str) -> str:
    """Return the message of an object that somebody else wrote: ETag *now*, expected *was*."""
    return f"the object has changed (ETag {now}, was {was}); kept"


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("x-amz-meta-")}
