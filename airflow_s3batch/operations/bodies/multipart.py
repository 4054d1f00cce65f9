"""
Copy an object of any size in parts.

One part after the other, of as many objects at the same time as requests may be in flight. A copy that fails is
aborted. One that is cut off (the process dies) leaves its upload behind: S3 keeps, and charges, the parts until they
are aborted, and an upload carries no mark by which a later attempt could tell ours from somebody else's. So none is
ever looked for; give target buckets a lifecycle rule with ``AbortIncompleteMultipartUpload``, which S3 recommends for
every bucket.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/CopyingObjectsMPUapi.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from html import unescape
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlencode

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations.bodies.sameness import is_md5
from airflow_s3batch.operations.bodies.sources import Headers, copy_source, e_tag_in
from airflow_s3batch.operations.copies.traces import is_made_since
from airflow_s3batch.operations.probing import HEAD
from airflow_s3batch.operations.requests import Call, Request, Response, Steps

LEAST_PART_BYTES = 5 * 1024**2
MOST_PARTS = 10_000
WANTED_PART_BYTES = 512 * 1024**2
"""Copied within seconds; a part that has to be sent again costs little."""

PART_REQUESTS = ("CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload")
"""Of a copy in parts, as operations tell them."""

LONG_S = 900.0
"""Time limit for a request that copies much, or puts many parts together."""

_MIB = 1024**2
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_PUT_TAGGING = Call("PutObjectTagging", {"Tagging": {"TagSet": [{"Key": "-", "Value": "-"}]}}, is_filled=True)
_CHECKSUMS = re.compile(rb"<(Checksum(?!Type|Algorithm)[A-Z0-9]+)>([^<]*)</")
_CHECKSUM_HEADER = re.compile(r"x-amz-checksum-(?!type$|algorithm$|mode$)([a-z0-9]+)")
_OF_PARTS = frozenset({"CRC32", "CRC32C", "CRC64NVME"})
"""Algorithms with which S3 makes the checksum of the whole object from those of its parts."""

_CREATE_PARAMS = frozenset(
    {
        "ACL",
        "CacheControl",
        "ChecksumAlgorithm",
        "ContentDisposition",
        "ContentEncoding",
        "ContentLanguage",
        "ContentType",
        "Expires",
        "GrantFullControl",
        "GrantRead",
        "GrantReadACP",
        "GrantWriteACP",
        "Metadata",
        "ServerSideEncryption",
        "StorageClass",
        "WebsiteRedirectLocation",
        "SSEKMSKeyId",
        "BucketKeyEnabled",
        "RequestPayer",
        "ObjectLockMode",
        "ObjectLockRetainUntilDate",
        "ObjectLockLegalHoldStatus",
    }
)


class MultipartCalls(NamedTuple):
    """The calls of one operation's copies in parts."""

    create: Call
    part: Call
    complete: Call
    abort: Call

    @classmethod
    def of(cls, copy_params: Mapping[str, Any]) -> MultipartCalls:
        """Return the calls that make what CopyObject makes with *copy_params*."""
        payer = {name: value for name, value in copy_params.items() if name == "RequestPayer"}
        upload = {**payer, "UploadId": "-"}
        parts = {"Parts": [{"ETag": "-", "PartNumber": 1}]}
        return cls(
            Call(
                "CreateMultipartUpload",
                {k: v for k, v in copy_params.items() if k in _CREATE_PARAMS},
                wants_headers=True,
            ),
            Call("UploadPartCopy", {**upload, "PartNumber": 1}, timeout_s=LONG_S),
            Call("CompleteMultipartUpload", {**upload, "MultipartUpload": parts}, wants_headers=True, timeout_s=LONG_S),
            Call("AbortMultipartUpload", upload),
        )

    def for_trial(self) -> MultipartCalls:
        """Return the same calls for a preflight, for not all stores know them."""
        return MultipartCalls(*(call.for_trial() for call in self))


class PartsCopy(NamedTuple):
    """
    What is copied where.

    Attributes:
        source: pinned to a version where it has one.
        head: HeadObject's headers of *source*, the checksum included.
        tags: of the copy.
        tags_after: the store forgets the tags that an upload is begun with, so they are put on the finished object.
        complete_headers: conditions on what the copy replaces.
        wanted_bytes: the parts' size, as far as S3's limits allow.
        is_verified: the last request carries the checksum of the whole source for the store to compare. Only AWS is
            known to do so: MiniStack takes it for the one of the request's body.
        look_again: a HEAD of *source* that is sent once all parts are copied: stores may copy parts whatever the
            condition says that they carry.
    """

    source: S3Object
    head: Mapping[str, str]
    bucket: str
    key: str
    create_headers: Headers = ()
    tags: Mapping[str, str] = MappingProxyType({})
    tags_after: bool = False
    complete_headers: Headers = ()
    wanted_bytes: int = WANTED_PART_BYTES
    is_verified: bool = False
    look_again: Request | None = None


def part_size(size: int, wanted: int) -> int:
    """Return the bytes of each part but the last of an object of *size* bytes, in whole MiB."""
    least = max(min(wanted, WANTED_PART_BYTES), LEAST_PART_BYTES, -(-size // MOST_PARTS))
    return -(-least // _MIB) * _MIB


def part_ranges(size: int, part_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last byte of each part."""
    for first in range(0, size, part_bytes):
        yield first, min(first + part_bytes, size) - 1


def copy_in_parts(copy: PartsCopy, calls: MultipartCalls) -> Steps[Response]:
    """Copy; return the response that decides: the last one, or the first that is a failure."""
    tagging = (("x-amz-tagging", urlencode(copy.tags)),) if copy.tags and not copy.tags_after else ()
    created = yield Request(calls.create, copy.bucket, copy.key, None, (*copy.create_headers, *tagging))
    if not created.is_success:
        return created
    upload_id = _element(created.body, b"UploadId")
    if not upload_id:
        return created._replace(error_code="InvalidResponse", message="the store tells no upload id")
    upload = (("uploadId", upload_id),)
    parts = yield from _copied_parts(copy, calls.part, upload)
    if isinstance(parts, list):
        body = complete_xml(parts)
        checksum = _whole_checksum(copy.head, calls.create) if copy.is_verified else ()
        headers = (*copy.complete_headers, *checksum)
        last = yield Request(calls.complete, copy.bucket, copy.key, None, headers, body, query=upload)
        made = last if last.is_success else None
        if made is None and last.is_retried:
            made = yield from _made_unheard(copy, parts, created)
        if made is not None:
            return (yield from _tagged(copy, made)) if copy.tags and copy.tags_after else made
    else:
        last = parts
    yield Request(calls.abort, copy.bucket, copy.key, query=upload)
    return last


def _copied_parts(copy: PartsCopy, call: Call, upload: Headers) -> Steps[list[dict[str, str]] | Response]:
    """Return what CompleteMultipartUpload has to name of each part, or the failure."""
    size = int(copy.head["content-length"])
    fixed = (("x-amz-copy-source", copy_source(copy.source)), ("x-amz-copy-source-if-match", copy.head["etag"]))
    parts: list[dict[str, str]] = []
    for number, (first, last) in enumerate(part_ranges(size, part_size(size, copy.wanted_bytes)), 1):
        headers = (*fixed, ("x-amz-copy-source-range", f"bytes={first}-{last}"))
        query = (("partNumber", str(number)), *upload)
        response = yield Request(call, copy.bucket, copy.key, None, headers, query=query)
        if not response.is_success:
            return response
        told = {name.decode(): unescape(value.decode()) for name, value in _CHECKSUMS.findall(response.body)}
        parts.append({"PartNumber": str(number), "ETag": _element(response.body, b"ETag"), **told})
    if copy.look_again is not None:
        again = yield copy.look_again
        if not again.is_success:
            return again
        if e_tag_in(again.headers) != e_tag_in(copy.head):
            why = f"the object has changed while it was copied (ETag {e_tag_in(again.headers)})"
            return again._replace(status=412, error_code="PreconditionFailed", message=why)
    return parts


def complete_xml(parts: list[dict[str, str]]) -> bytes:
    """Return the body of CompleteMultipartUpload."""
    told = "".join(
        f"<Part>{''.join(f'<{name}>{_escaped(value)}</{name}>' for name, value in part.items())}</Part>"
        for part in parts
    )
    return f'<CompleteMultipartUpload xmlns="{_NAMESPACE}">{told}</CompleteMultipartUpload>'.encode()


def _tagged(copy: PartsCopy, made: Response) -> Steps[Response]:
    """Put the tags on what *made* tells of; return it, or the failure."""
    tags = "".join(f"<Tag><Key>{_escaped(k)}</Key><Value>{_escaped(v)}</Value></Tag>" for k, v in copy.tags.items())
    body = f'<Tagging xmlns="{_NAMESPACE}"><TagSet>{tags}</TagSet></Tagging>'.encode()
    version_id = made.headers.get("x-amz-version-id")
    response = yield Request(_PUT_TAGGING, copy.bucket, copy.key, version_id, body=body)
    why = f"copied, but without its tags, put them back by hand ({urlencode(copy.tags)}): {response.message}"
    return made if response.is_success else response._replace(message=why)


def _made_unheard(copy: PartsCopy, parts: list[dict[str, str]], created: Response) -> Steps[Response | None]:
    """
    Return what shows that a completion whose answer was lost has made the copy; ``None`` if it has not.

    What stood at the target before the upload was *created*, or is of other parts, is not taken for the copy.
    """
    head = yield Request(HEAD, copy.bucket, copy.key)
    if not head.is_success or not is_made_since(created, head):
        return None
    is_same_size = head.headers.get("content-length") == copy.head["content-length"]
    is_new = (copy.bucket, copy.key) != copy.source[:2] or head.headers.get("etag") != copy.head["etag"]
    return head if is_same_size and is_new and _is_of(parts, head.headers) else None


def _is_of(parts: list[dict[str, str]], head: Mapping[str, str]) -> bool:
    """Return whether an object with HeadObject's headers *head* is put together of *parts*, as far as ETags tell."""
    shown, e_tags = e_tag_in(head), [part["ETag"].strip('"') for part in parts]
    if not all(is_md5(e_tag, head) for e_tag in e_tags):
        return shown.endswith(f"-{len(parts)}")
    digest = hashlib.md5(bytes.fromhex("".join(e_tags)), usedforsecurity=False).hexdigest()
    return shown == f"{digest}-{len(parts)}"


def checksum_headers(head: Mapping[str, str], algorithm: str | None) -> Headers:
    """
    Return what CreateMultipartUpload is told of checksums: the *algorithm*, or else that of *head*, and its type.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    shown, _ = shown_checksum(head)
    wanted = algorithm or shown
    if not wanted:
        return ()
    found = (("x-amz-checksum-algorithm", wanted),)
    kind = head.get("x-amz-checksum-type", "") if wanted == shown else ""
    if wanted == "CRC64NVME" or (kind == "FULL_OBJECT" and wanted in _OF_PARTS):
        return (*found, ("x-amz-checksum-type", "FULL_OBJECT"))
    return (*found, ("x-amz-checksum-type", "COMPOSITE")) if kind == "COMPOSITE" else found


def shown_checksum(head: Mapping[str, str]) -> tuple[str, str]:
    """Return algorithm and value of the checksum that HeadObject's headers *head* show; empty texts if none."""
    for name, value in head.items():
        if match := _CHECKSUM_HEADER.fullmatch(name):
            return match[1].upper(), value
    return "", ""


def _whole_checksum(head: Mapping[str, str], create: Call) -> Headers:
    """Return the source's checksum for S3 to compare, where it is one of the whole object and the copy keeps it."""
    algorithm, value = shown_checksum(head)
    is_kept = create.params.get("ChecksumAlgorithm", algorithm) == algorithm
    if head.get("x-amz-checksum-type") != "FULL_OBJECT" or algorithm not in _OF_PARTS or not is_kept:
        return ()
    return ((f"x-amz-checksum-{algorithm.lower()}", value), ("x-amz-checksum-type", "FULL_OBJECT"))


def e_tag_made(response: Response) -> str:
    """Return the ETag of what a copy made, without quotes, from the answer to it; empty if it tells none."""
    return _element(response.body, b"ETag").strip('"') or e_tag_in(response.headers)


def _element(body: bytes, name: bytes) -> str:
    found = re.search(b"<" + name + b">(.*?)</" + name + b">", body, re.DOTALL)
    return unescape(found.group(1).decode("utf-8", "replace")).strip() if found else ""


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
