"""
A small S3 in memory whose conditions are atomic, as AWS's are, and that can be interrupted at any request.

The local servers check a condition and then act, so that two writers at the same moment may both win. What is to be
shown about conditions under concurrency needs a store where that can't be.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

from loopback import QuietHandler, serving

from airflow_s3batch.testing import Server

SSE = "x-amz-server-side-encryption"
_KEPT = re.compile(r"x-amz-meta-.*|content-type|cache-control|x-amz-storage-class")
_ENCRYPTION = (SSE, f"{SSE}-aws-kms-key-id")


class Version(NamedTuple):
    """One version of an object; a delete marker has no body."""

    version_id: str
    body: bytes | None
    headers: dict[str, str]


class Asked(NamedTuple):
    """
    A request on an object of the test, or a DeleteObjects request (whose key is empty).

    Attributes:
        number: how often this method was sent for this key so far, from 1.
    """

    method: str
    key: str
    is_copy: bool
    number: int


Answer = tuple[int, bytes, dict[str, str]]


@dataclass
class StrictS3:
    """
    The server's state.

    Attributes:
        versioning: ``""``, ``Enabled`` or ``Suspended``, of all buckets.
        default_sse: what is written without an encryption gets this one; AWS's own is ``AES256``.
        ignores: conditions that it does not check: ``source``, ``target`` and ``absence`` (of copies), ``delete``,
            ``bulk``.
        before: called before a request is acted on; may `put`.
        loses_answer: whether to close the connection rather than to answer, called once the request was acted on.
        versions: by ``bucket/key``, the current one last.
    """

    versioning: str = ""
    default_sse: str = ""
    ignores: frozenset[str] = frozenset()
    before: Callable[[Asked], None] = lambda _: None
    loses_answer: Callable[[Asked], bool] = lambda _: False
    endpoint_url: str = ""
    versions: dict[str, list[Version]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def server(self) -> Server:
        """The server as tests of real ones see it."""
        return Server(self.endpoint_url, "strict", "strict-secret", "us-east-1", 0, {})

    def put(self, place: str, body: bytes, headers: dict[str, str] | None = None) -> Version:
        """Write an object as somebody else would, and return it."""
        with self.lock:
            return self._store(place, body, dict(headers or {}))

    def put_unencrypted(self, place: str, body: bytes) -> Version:
        """Write an object as buckets hold them from the time before they encrypted everything."""
        with self.lock:
            default, self.default_sse = self.default_sse, ""
            try:
                return self._store(place, body, {})
            finally:
                self.default_sse = default

    def current(self, place: str) -> Version | None:
        """Return the current version of an object; ``None`` if there is none, or a delete marker."""
        found = self.versions.get(place)
        return found[-1] if found and found[-1].body is not None else None

    def _store(self, place: str, body: bytes | None, headers: dict[str, str]) -> Version:
        if body is not None:
            if self.default_sse:
                headers.setdefault(SSE, self.default_sse)
            digest = hashlib.md5(body).hexdigest()
            if headers.get(SSE, "AES256") != "AES256":  # an ETag under KMS is no MD5, and new with each write
                digest = hashlib.md5(f"{digest} {next(self.numbers)}".encode()).hexdigest()
            headers["etag"] = f'"{digest}"'
            headers["last-modified"] = formatdate(usegmt=True)
        version_id = f"v{next(self.numbers):08d}" if self.versioning == "Enabled" else "null"
        kept = [version for version in self.versions.get(place, []) if version.version_id != version_id]
        version = Version(version_id, body, headers)
        self.versions[place] = [*kept, version]
        return version

    def act(self, method: str, place: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Answer:
        """Do one request, alone."""
        bucket, _, key = place.partition("/")
        with self.lock:
            if not key:
                return self._on_bucket(method, bucket, query, body)
            if {"acl", "tagging"} & set(query):
                return _error(501, "NotImplemented")
            if method == "PUT":
                return self._put(place, headers, body)
            if method == "DELETE":
                return self._delete(place, query.get("versionId"), headers.get("if-match"), "delete")
            return self._shown(place, query.get("versionId"))

    def _on_bucket(self, method: str, bucket: str, query: dict[str, str], body: bytes) -> Answer:
        if "versioning" in query:
            status = f"<Status>{self.versioning}</Status>" if self.versioning else ""
            return 200, f"<VersioningConfiguration>{status}</VersioningConfiguration>".encode(), {}
        if "ownershipControls" in query:
            rule = "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>"
            return 200, f"<OwnershipControls>{rule}</OwnershipControls>".encode(), {}
        if method == "POST" and "delete" in query:
            return self._bulk_delete(bucket, body.decode())
        return (200, b"", {}) if method == "PUT" else (200, b"<ListVersionsResult/>", {})

    def _bulk_delete(self, bucket: str, text: str) -> Answer:
        told = []
        for entry in re.findall("<Object>(.*?)</Object>", text, re.DOTALL):
            fields = {name: unescape(value, {"&quot;": '"'}) for name, value in re.findall(r"<(\w+)>(.*?)</\1>", entry)}
            key = fields["Key"]
            answer = self._delete(f"{bucket}/{key}", fields.get("VersionId"), fields.get("ETag"), "bulk")
            code = re.search(b"<Code>(.*)</Code>", answer[1])
            place = f"<Key>{escape(key)}</Key>"
            told.append(
                f"<Error>{place}<Code>{code[1].decode()}</Code></Error>" if code else f"<Deleted>{place}</Deleted>"
            )
        return 200, f"<DeleteResult>{''.join(told)}</DeleteResult>".encode(), {}

    def _put(self, place: str, headers: dict[str, str], body: bytes) -> Answer:
        source_place = unquote(headers.get("x-amz-copy-source", ""))
        if refusal := self._refusal(self.current(place), headers, is_copy=bool(source_place)):
            return refusal
        kept = {name: value for name, value in headers.items() if _KEPT.fullmatch(name) or name in _ENCRYPTION}
        if not source_place:
            version = self._store(place, body, kept)
            return 200, b"", self._headers(version)
        source = self.current(source_place)
        if source is None or source.body is None:
            return _error(404, "NoSuchKey")
        condition = headers.get("x-amz-copy-source-if-match", source.headers["etag"])
        if condition != source.headers["etag"] and "source" not in self.ignores:
            return _error(412, "PreconditionFailed")
        if headers.get("x-amz-metadata-directive") != "REPLACE":
            kept = {name: value for name, value in source.headers.items() if _KEPT.fullmatch(name)} | kept
        version = self._store(place, source.body, kept)
        return 200, f"<CopyObjectResult><ETag>{version.headers['etag']}</ETag></CopyObjectResult>".encode(), {}

    def _refusal(self, current: Version | None, headers: dict[str, str], *, is_copy: bool) -> Answer | None:
        """Return the answer to a PUT whose conditions on what it would replace don't hold."""
        wanted = headers.get("if-match")
        if wanted and not (is_copy and "target" in self.ignores):
            if current is None:
                return _error(404, "NoSuchKey")
            if current.headers["etag"] != wanted:
                return _error(412, "PreconditionFailed")
        if headers.get("if-none-match") == "*" and current is not None and "absence" not in self.ignores:
            return _error(412, "PreconditionFailed")
        return None

    def _delete(self, place: str, version_id: str | None, condition: str | None, kind: str) -> Answer:
        if condition is not None and kind not in self.ignores:
            current = self.current(place)
            if current is None:
                return _error(404, "NoSuchKey")
            if current.headers["etag"] != condition:
                return _error(412, "PreconditionFailed")
        if version_id is None and self.versioning:
            self._store(place, None, {})
        else:
            versions = self.versions.get(place, [])
            named = version_id or "null"
            self.versions[place] = [version for version in versions if version.version_id != named]
        return 204, b"", {}

    def _shown(self, place: str, version_id: str | None) -> Answer:
        found = self.versions.get(place, [])
        version = next((v for v in reversed(found) if version_id in (None, v.version_id)), None)
        if version is None:
            return _error(404, "NoSuchKey")
        if version.body is None:
            status, code = (404, "NoSuchKey") if version_id is None else (405, "MethodNotAllowed")
            return status, _error(status, code)[1], {"x-amz-delete-marker": "true"}
        return 200, version.body, self._headers(version)

    def _headers(self, version: Version) -> dict[str, str]:
        return version.headers | ({"x-amz-version-id": version.version_id} if self.versioning else {})


def _error(status: int, code: str) -> Answer:
    return status, f"<Error><Code>{code}</Code><Message>as strict as AWS</Message></Error>".encode(), {}


@contextlib.contextmanager
def strict_s3() -> Iterator[Callable[[], StrictS3]]:
    """Run the server on a free loopback port; what is yielded empties it, and returns its new state."""

    class Handler(_Handler):
        s3 = StrictS3()

    with serving(Handler) as url:

        def emptied() -> StrictS3:
            Handler.s3 = StrictS3(endpoint_url=url)
            return Handler.s3

        yield emptied


class _Handler(QuietHandler):
    s3: StrictS3

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urlsplit(self.path)
        place = unquote(parts.path[1:])
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = self._asked(place, "x-amz-copy-source" in headers, body)
        if asked is not None:
            self.s3.before(asked)
        answer = self.s3.act(self.command, place, query, headers, body)
        if asked is not None and self.s3.loses_answer(asked):
            self.close_connection = True
            return
        self._answer(*answer)

    do_PUT = do_HEAD = do_DELETE = do_POST = do_GET  # noqa: N815 - the base class's names

    def _asked(self, place: str, is_copy: bool, body: bytes) -> Asked | None:
        """Note the request; ``None`` if it is the preflight's or asks about the bucket."""
        _, _, key = place.partition("/")
        if "scratch" in place or b"scratch" in body or (not key and self.command != "POST"):
            return None
        with self.s3.lock:
            number = 1 + sum((asked.method, asked.key) == (self.command, key) for asked in self.s3.asked)
            asked = Asked(self.command, key, is_copy, number)
            self.s3.asked.append(asked)
        return asked

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
