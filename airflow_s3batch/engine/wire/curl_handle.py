"""A pooled curl handle, and what libcurl tells of an answer's headers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pycurl

if TYPE_CHECKING:
    from airflow_s3batch.engine.wire.prepared import Kind


class Handle:
    """A pooled curl handle, set up for one kind of request."""

    __slots__ = (
        "body",
        "chunks",
        "curl",
        "filled",
        "has_sink",
        "header_lines",
        "kind",
        "pool",
        "started",
        "tag",
        "timeout_s",
    )

    def __init__(self, kind: Kind, pool: list[Handle]) -> None:
        """*pool* is where the handle waits when it is idle."""
        self.curl = pycurl.Curl()
        self.kind = kind
        self.pool = pool
        self.chunks: list[bytes] = []
        self.header_lines: list[bytes] = []
        self.filled: tuple[str, list[str], bytes] = ("", [], b"")
        self.body: bytes | None = None
        self.tag: Any = None
        self.started = 0.0
        self.timeout_s = 0.0
        self.has_sink = False

    def send_body_to(self, sink: Callable[[bytes], None] | None) -> None:
        """Have *sink* take what comes of the body of a 2xx answer; ``None`` keeps all of it."""
        chunks, header_lines = self.chunks, self.header_lines
        takes: Callable[[bytes], None] | None = None

        def write(chunk: bytes) -> None:
            nonlocal takes
            if takes is None:
                takes = sink if sink is not None and is_2xx(header_lines) else chunks.append
            takes(chunk)

        self.has_sink = sink is not None
        if self.has_sink:  # the status line is among the headers; libcurl can't be asked while it calls
            self.curl.setopt(pycurl.HEADERFUNCTION, header_lines.append)
        self.curl.setopt(pycurl.WRITEFUNCTION, write if self.has_sink else chunks.append)

    @property
    def was_resent(self) -> bool:
        """Whether libcurl sent the request twice: its size, body included, is twice that of all we know of it."""
        url, headers, body = self.filled
        request_bytes = len(url) + sum(map(len, headers)) + len(body)
        return bool(self.curl.getinfo(pycurl.REQUEST_SIZE) > 2 * request_bytes)


def is_2xx(lines: list[bytes]) -> bool:
    """Return whether the last status line says so."""
    status = next((line for line in reversed(lines) if line.startswith(b"HTTP/")), b"")
    return status.partition(b" ")[2].startswith(b"2")


def is_whole(lines: list[bytes]) -> bool:
    """Return whether the last answer's headers end in an empty line; libcurl does not mind where they are cut."""
    last = itertools.takewhile(lambda line: not line.startswith(b"HTTP/"), reversed(lines))
    return any(not line.strip() for line in last)


def parsed(lines: list[bytes]) -> dict[str, str]:
    """Return the last answer's headers, names in lower case."""
    headers: dict[str, str] = {}
    for line in lines:
        if line.startswith(b"HTTP/"):  # a 100 Continue or a proxy's answer came first
            headers.clear()
            continue
        name, separator, value = line.decode("latin-1").partition(":")
        if separator:
            headers[name.strip().lower()] = value.strip()
    return headers
