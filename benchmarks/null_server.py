"""
An S3 server that does nothing: it answers every request at once, or after a given time, as if it had succeeded.

What is left is what the client costs. It keeps no objects but those below ``.s3batch-scratch/``, on which a preflight
tries an operation. Run: ``python -m benchmarks.null_server [--latency-ms 50]``; the first line it prints is its port,
and it ends with its standard input, so that it never outlives who started it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import sys
import time
from functools import partial
from typing import Any

from benchmarks.null_listing import NullListing
from benchmarks.scratch_store import Reply, ScratchStore, copy_result

E_TAG = "9a0364b9e99bb480dd25e1f0284c8555"
_SCRATCH = b".s3batch-scratch/"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_DELETED_KEY = re.compile(rb"<Key>.*?</Key>", re.DOTALL)
_REASONS = {200: "OK", 204: "No Content", 404: "Not Found", 412: "Precondition Failed"}


def _answer(status: int, e_tag: str = "", body: bytes = b"", *, length: int | None = None) -> bytes:
    """Return an answer with about as many headers as S3's."""
    lines = [
        f"HTTP/1.1 {status} {_REASONS[status]}",
        "x-amz-id-2: 1uTkFnqb0Wk6kq2JZ5bDwq9oSQh3yuY3kS0E0a5mZl8yq1S5Gq1vT4nVb2m5kXh1c9yQ0n7s3aE=",
        "x-amz-request-id: 4WSE4CR8Y6T3K8ZB",
        "Date: Sun, 22 Nov 2026 12:00:00 GMT",
    ]
    if e_tag:
        lines.append(f'ETag: "{e_tag}"')
    if body:
        lines.append("Content-Type: application/xml")
    if status != 204:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    lines.append("Server: AmazonS3")
    return "\r\n".join([*lines, "", ""]).encode() + body


_EMPTY = _answer(200)
_GONE = _answer(204)
_PUT = _answer(200, E_TAG)
_COPIED = _answer(200, body=copy_result(E_TAG))
_HEAD = _answer(200, E_TAG, length=1024)
_NOT_FOUND = _answer(404, body=b"<Error><Code>NoSuchKey</Code><Message>nothing is kept here</Message></Error>")
_BUCKET_FACTS = _answer(200, body=b"<VersioningConfiguration></VersioningConfiguration>")


class Sight:
    """What the server has seen since it was last asked: how many requests on objects, when the first and last came."""

    def __init__(self) -> None:
        self.requests = 0
        self.first = self.last = 0.0
        self.scratch = ScratchStore()
        self.listing = NullListing()

    def note(self) -> None:
        """Count a request on an object of the job; the clock is the one that all processes share."""
        self.requests += 1
        self.last = time.monotonic()
        self.first = self.first or self.last

    def told(self) -> bytes:
        """Return and forget the counts, as JSON."""
        text = json.dumps({"requests": self.requests, "first": self.first, "last": self.last})
        self.requests, self.first, self.last = 0, 0.0, 0.0
        return _answer(200, body=text.encode())


class NullS3(asyncio.Protocol):
    """One connection: kept alive, requests answered in their order, pipelined or not."""

    def __init__(self, sight: Sight, latency_s: float) -> None:
        self._sight = sight
        self._latency_s = latency_s
        self._rest = b""
        self._transport: Any = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio's
        self._transport = transport

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's
        buffer = self._rest + data if self._rest else data
        start = 0
        while (end := buffer.find(b"\r\n\r\n", start)) >= 0:
            head = buffer[start:end]
            body_start = end + 4
            is_sent = head.startswith((b"PUT", b"POST"))
            length = _LENGTH.search(head) if is_sent else None
            start_of_next = body_start + (int(length[1]) if length else 0)
            if len(buffer) < start_of_next:
                break
            self._send(self._reply(head, buffer[body_start:start_of_next]))
            start = start_of_next
        self._rest = buffer[start:]

    def _send(self, reply: bytes) -> None:
        if self._latency_s:
            self._loop.call_later(self._latency_s, self._transport.write, reply)
        else:
            self._transport.write(reply)

    def _reply(self, head: bytes, body: bytes) -> bytes:
        if _SCRATCH in head or (body and _SCRATCH in body):
            return self._scratch(head, body)
        method, target, _ = head[: head.index(b"\r\n")].split(b" ")
        if method == b"GET":
            return self._get(target)
        self._sight.note()
        if method == b"PUT":
            return self._put(target, head)
        return _deleted(body) if method == b"POST" else _GONE if method == b"DELETE" else _HEAD

    def _put(self, target: bytes, head: bytes) -> bytes:
        if target.endswith((b"?tagging=", b"?tagging")):
            return _EMPTY
        return _COPIED if b"x-amz-copy-source:" in head else _PUT

    def _get(self, target: bytes) -> bytes:
        if target == b"/-/sight":
            return self._sight.told()
        if b"list-type=2" in target:
            return _answer(200, body=self._sight.listing.page(target.partition(b"?")[2].decode()))
        return _BUCKET_FACTS if target.endswith((b"?versioning", b"?versioning=")) else _NOT_FOUND

    def _scratch(self, head: bytes, body: bytes) -> bytes:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        reply: Reply = self._sight.scratch.handle(method, target, headers, body)
        if method == "HEAD":
            return _answer(reply.status, reply.e_tag, length=len(reply.body))
        return _answer(reply.status, reply.e_tag, reply.body)


def _deleted(body: bytes) -> bytes:
    if b"<Quiet>true</Quiet>" in body:
        return _answer(200, body=b"<DeleteResult></DeleteResult>")
    keys = b"".join(b"<Deleted>%b</Deleted>" % key for key in _DELETED_KEY.findall(body))
    return _answer(200, body=b'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">%b</DeleteResult>' % keys)


async def serve(latency_s: float) -> None:
    """Serve until standard input ends; print the port first."""
    sight, is_over = Sight(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), is_over.set)
    server = await loop.create_server(partial(NullS3, sight, latency_s), "127.0.0.1", 0, backlog=2_048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await is_over.wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=0.0, help="how long each answer takes")
    arguments = parser.parse_args()
    run: Any = asyncio.run
    with contextlib.suppress(ImportError):
        import uvloop

        run = uvloop.run
    with contextlib.suppress(KeyboardInterrupt):
        run(serve(arguments.latency_ms / 1000))


if __name__ == "__main__":
    main()
