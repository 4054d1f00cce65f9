"""A small S3 in memory that misbehaves on demand: what real servers do not do when a test wants it."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from loopback import QuietHandler, serving

SCRATCH = ".s3batch-scratch/"


class Seen(NamedTuple):
    """
    A request on an object of the test (the preflight's scratch objects are left in peace).

    Attributes:
        number: how often this method was sent for this key so far, from 1.
        amz_date: the time it was signed with.
    """

    method: str
    key: str
    query: str
    number: int
    amz_date: str


class Reply(NamedTuple):
    """What to answer instead of doing what was asked."""

    status: int
    body: bytes = b""


class Reset:
    """Close the connection with a TCP reset, without an answer."""


class Silence:
    """Answer nothing until the server is closed."""


Fault = Reply | Reset | Silence | None


def error(status: int, code: str, more: str = "") -> Reply:
    """Return S3's error document."""
    return Reply(status, f"<Error><Code>{code}</Code><Message>as scripted</Message>{more}</Error>".encode())


@dataclass
class ScriptedS3:
    """
    The server's state.

    Attributes:
        fault: called for each request on an object; ``None`` lets it happen.
        objects: body by ``bucket/key``; *tags* likewise the XML.
        seen: the requests on objects, in the order of arrival.
        most_in_flight: the largest number of them at the same time.
    """

    endpoint_url: str = ""
    fault: Callable[[Seen], Fault] = lambda _: None
    objects: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, bytes] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    closed: threading.Event = field(default_factory=threading.Event)

    def sent(self) -> Counter[str]:
        """Return how many requests were sent for each key."""
        return Counter(seen.key for seen in self.seen)


@contextlib.contextmanager
def scripted_s3() -> Iterator[ScriptedS3]:
    """Run the server on a free loopback port."""
    state = ScriptedS3()

    class Handler(_Handler):
        s3 = state

    with serving(Handler) as state.endpoint_url:
        try:
            yield state
        finally:
            state.closed.set()


class _Handler(QuietHandler):
    s3: ScriptedS3

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        self._serve()

    do_PUT = do_HEAD = do_DELETE = do_GET  # noqa: N815 - the base class's names

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urlsplit(self.path)
        place = unquote(parts.path[1:])
        key = place.partition("/")[2]
        if not key or key.startswith(SCRATCH):
            self._answer(*self._done(place, parts.query, body))
            return
        with self.s3.lock:
            number = 1 + sum(1 for seen in self.s3.seen if (seen.method, seen.key) == (self.command, key))
            seen = Seen(self.command, key, parts.query, number, self.headers.get("x-amz-date", ""))
            self.s3.seen.append(seen)
            self.s3.in_flight += 1
            self.s3.most_in_flight = max(self.s3.most_in_flight, self.s3.in_flight)
        try:
            self._act(self.s3.fault(seen), place, parts.query, body)
        finally:
            with self.s3.lock:
                self.s3.in_flight -= 1

    def _act(self, fault: Fault, place: str, query: str, body: bytes) -> None:
        if isinstance(fault, Reset):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        elif isinstance(fault, Silence):
            self.s3.closed.wait(60)
            self.close_connection = True
        elif fault is not None:
            self._answer(fault.status, fault.body, {})
        else:
            self._answer(*self._done(place, query, body))

    def _done(  # noqa: PLR0911 - one return for each request that it knows
        self, place: str, query: str, body: bytes
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Do what a sane S3 does; return status, body and headers."""
        if query.startswith("versioning"):
            return 200, b"<VersioningConfiguration/>", {}
        if query.startswith("ownershipControls"):
            return 404, error(404, "OwnershipControlsNotFoundError").body, {}
        if query.startswith("tagging"):
            return self._tagging(place, body)
        if self.command == "PUT":
            source = unquote(self.headers.get("x-amz-copy-source", ""))
            self.s3.objects[place] = self.s3.objects.get(source, b"") if source else body
            return 200, b"<CopyObjectResult/>" if source else b"", {"ETag": _e_tag(self.s3.objects[place])}
        if self.command == "DELETE":
            self.s3.objects.pop(place, None)
            return 204, b"", {}
        if place not in self.s3.objects:
            return 404, error(404, "NoSuchKey").body, {}
        return 200, self.s3.objects[place], {"ETag": _e_tag(self.s3.objects[place])}

    def _tagging(self, place: str, body: bytes) -> tuple[int, bytes, Mapping[str, str]]:
        if self.command == "PUT":
            self.s3.tags[place] = body
        return 200, self.s3.tags.get(place, b"<Tagging/>") if self.command == "GET" else b"", {}

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _e_tag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'
