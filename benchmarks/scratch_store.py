"""The few objects that the null server really keeps: the preflight looks at what its scratch objects became of."""

from __future__ import annotations

import hashlib
import html
import re
from typing import NamedTuple
from urllib.parse import unquote

_OBJECT = re.compile(rb"<Object>(.*?)</Object>", re.DOTALL)
_KEY = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)
_ETAG = re.compile(rb"<ETag>(.*?)</ETag>", re.DOTALL)
_MISSING = b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"
_CHANGED = b"<Error><Code>PreconditionFailed</Code><Message>the ETag differs</Message></Error>"
_NO_TAGS = b"<Tagging><TagSet></TagSet></Tagging>"


class Reply(NamedTuple):
    """Status, ETag (without quotes, empty for none) and body of an answer."""

    status: int
    e_tag: str = ""
    body: bytes = b""


class ScratchStore:
    """Objects with bodies, tags and conditional deletes, by unquoted ``/bucket/key``."""

    def __init__(self) -> None:
        self._bodies: dict[str, bytes] = {}
        self._tags: dict[str, bytes] = {}

    def handle(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        """Answer one request; *target* as in the request line, header names in lower case."""
        path, _, rest = target.partition("?")
        query = rest.removesuffix("=")
        place = unquote(path)
        if method == "POST":
            return Reply(200, body=self._delete_many(place, body))
        if method == "PUT":
            return self._put(place, query, headers, body)
        if place not in self._bodies:
            return Reply(204) if method == "DELETE" else Reply(404, body=_MISSING)
        if method == "DELETE":
            return self._delete(place, headers.get("if-match", ""))
        if query == "tagging":
            return Reply(200, body=self._tags.get(place, _NO_TAGS))
        return Reply(200, _e_tag(self._bodies[place]), self._bodies[place])

    def _put(self, place: str, query: str, headers: dict[str, str], body: bytes) -> Reply:
        if query == "tagging":
            self._tags[place] = body
            return Reply(200)
        source = headers.get("x-amz-copy-source")
        if source is not None:
            body = self._bodies.get("/" + unquote(source).lstrip("/"), b"")
        self._bodies[place] = body
        return Reply(200, _e_tag(body), copy_result(_e_tag(body)) if source is not None else b"")

    def _delete(self, place: str, condition: str) -> Reply:
        if condition and condition.strip('"') != _e_tag(self._bodies[place]):
            return Reply(412, body=_CHANGED)
        del self._bodies[place]
        self._tags.pop(place, None)
        return Reply(204)

    def _delete_many(self, bucket: str, body: bytes) -> bytes:
        parts = [b"<DeleteResult>"]
        for entry in _OBJECT.findall(body):
            key, condition = _KEY.findall(entry)[0], _ETAG.findall(entry)
            place = f"{bucket.rstrip('/')}/{html.unescape(key.decode())}"
            wanted = html.unescape(condition[0].decode()) if condition else ""
            if place in self._bodies and self._delete(place, wanted).status == 412:
                parts.append(b"<Error><Key>%b</Key><Code>PreconditionFailed</Code></Error>" % key)
            else:
                parts.append(b"<Deleted><Key>%b</Key></Deleted>" % key)
        return b"".join([*parts, b"</DeleteResult>"])


def copy_result(e_tag: str) -> bytes:
    """Return the body of a successful CopyObject."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<CopyObjectResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;{e_tag}&quot;</ETag></CopyObjectResult>"
    ).encode()


def _e_tag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
