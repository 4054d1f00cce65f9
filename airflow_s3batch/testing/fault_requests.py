"""Requests as faults see them, and the conditions that choose among them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from urllib.parse import unquote

from airflow_s3batch.testing.http_wire import Message

_OBJECT_SUBRESOURCES = {
    "tagging": "ObjectTagging",
    "acl": "ObjectAcl",
    "retention": "ObjectRetention",
    "legal-hold": "ObjectLegalHold",
}
_OTHERWISE = {("POST", "restore"): "RestoreObject", ("PUT", "encryption"): "UpdateObjectEncryption"}
"""APIs that are not named as the others are."""

_VERBS = {"GET": "Get", "PUT": "Put", "DELETE": "Delete", "HEAD": "Head", "POST": "Post"}


class ProxiedRequest:
    """
    A request that has come to the proxy with path-style addresses (``/bucket/key``).

    Attributes:
        message: the request as it was sent.
        method: ``GET``, ``PUT``, …
        target: path and query as they were sent.
        number: how often a request with this method, target and copy source has come so far, from 1.
    """

    def __init__(self, message: Message) -> None:
        self.message = message
        method, target, _ = message.head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        self.method = method
        self.target = target
        self.number = 1

    @cached_property
    def bucket(self) -> str:
        """The bucket's name, empty for requests on the service."""
        return unquote(self.target.partition("?")[0]).lstrip("/").partition("/")[0]

    @cached_property
    def key(self) -> str:
        """The raw key, empty for requests on a bucket."""
        return unquote(self.target.partition("?")[0]).lstrip("/").partition("/")[2]

    @cached_property
    def query(self) -> dict[str, str]:
        """Query parameters, by name; of those that come twice the last."""
        pairs = (part.partition("=") for part in self.target.partition("?")[2].split("&") if part)
        return {unquote(name): unquote(value) for name, _, value in pairs}

    @property
    def access_key(self) -> str:
        """The access key that it is signed with, empty if it isn't."""
        return self.message.header("authorization").partition("Credential=")[2].partition("/")[0]

    @cached_property
    def api(self) -> str:  # noqa: PLR0911 - one return for each kind of request
        """The name of the S3 API, as far as this package and its tests use it; else e.g. ``GetBucket?versioning``."""
        verb = _VERBS.get(self.method, self.method)
        if not self.key:
            if self.method == "POST" and "delete" in self.query:
                return "DeleteObjects"
            if self.method == "GET" and "list-type" in self.query:
                return "ListObjectsV2"
            return f"{verb}Bucket" + "".join(f"?{name}" for name in list(self.query)[:1])
        for name in self.query:
            if (self.method, name) in _OTHERWISE:
                return _OTHERWISE[self.method, name]
            if name in _OBJECT_SUBRESOURCES:
                return verb + _OBJECT_SUBRESOURCES[name]
        if self.method == "PUT" and self.message.header("x-amz-copy-source"):
            return "UploadPartCopy" if "uploadId" in self.query else "CopyObject"
        if "uploadId" in self.query:
            return {"PUT": "UploadPart", "POST": "CompleteMultipartUpload"}.get(self.method, "AbortMultipartUpload")
        return "CreateMultipartUpload" if "uploads" in self.query else f"{verb}Object"


When = Callable[[ProxiedRequest], bool]
"""A condition. It runs in the proxy's thread, and must be quick and not raise."""


def is_api(*names: str) -> When:
    """Return the condition that the request is one of these S3 APIs, e.g. ``is_api("PutObjectTagging")``."""
    wanted = frozenset(names)
    return lambda request: request.api in wanted


def is_below(bucket: str, prefix: str = "") -> When:
    """Return the condition that the request is on a key of *bucket* that starts with *prefix*."""
    return lambda request: bool(request.key) and request.bucket == bucket and request.key.startswith(prefix)


def is_key(*keys: str) -> When:
    """Return the condition that the request is on one of these keys, in any bucket."""
    wanted = frozenset(keys)
    return lambda request: request.key in wanted


def is_try(number: int) -> When:
    """Return the condition that the request comes for the *number*-th time, from 1: a client's first try is 1."""
    return lambda request: request.number == number


def is_signed_by(access_key: str) -> When:
    """Return the condition that the request is signed with *access_key*: for credentials that expire."""
    return lambda request: request.access_key == access_key


def every(*conditions: When) -> When:
    """Return the condition that all *conditions* hold."""
    return lambda request: all(condition(request) for condition in conditions)
