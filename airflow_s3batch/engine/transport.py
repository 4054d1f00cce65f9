"""
libcurl's multi interface behind a small port: put exchanges in, get answers out, from one thread.

Curl handles are pooled and connections kept alive; readiness comes from epoll (or poll) through ``socket_action``, so
there is no limit of 1,024 descriptors. Nothing is made before the constructor runs, as Airflow forks.
"""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import boto3
import certifi
import pycurl
from botocore.utils import get_environ_proxies

from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.prepared import Kind, Template
from airflow_s3batch.version import __version__

_BODYLESS = {"HEAD": (pycurl.NOBODY, 1), "GET": (pycurl.HTTPGET, 1), "DELETE": (pycurl.CUSTOMREQUEST, "DELETE")}


class Answer(NamedTuple):
    """
    What came back.

    Attributes:
        tag: what `Transport.start` was given.
        status: HTTP status, 0 if there was no complete answer.
        curl_error: libcurl's error number, 0 if the transfer completed.
        was_resent: a failed request that libcurl had sent a second time by itself, as it does when a kept connection
            turns out to be dead; the first may have been executed.
    """

    tag: Any
    status: int
    headers: dict[str, str]
    body: bytes
    curl_error: int
    curl_message: str
    was_resent: bool = False


class _Handle:
    """A pooled curl handle, set up for one kind of request."""

    __slots__ = ("body", "chunks", "curl", "header_lines", "kind", "request_bytes", "tag")

    def __init__(self, kind: Kind) -> None:
        self.curl = pycurl.Curl()
        self.kind = kind
        self.chunks: list[bytes] = []
        self.header_lines: list[bytes] = []
        self.body: bytes | None = None
        self.request_bytes = 0
        self.tag: Any = None


class Transport:
    """
    Sends requests, many at a time. A context manager; belongs to the thread that made it.

    Args:
        access: proxies, certificates and verification are taken from its botocore settings.
        max_connections: connections kept open; at least the number of requests in flight.
    """

    def __init__(
        self, access: S3Access, *, max_connections: int, request_timeout_s: float, connect_timeout_s: float
    ) -> None:
        self._access = access
        self._timeout_ms = int(request_timeout_s * 1000)
        self._connect_timeout_ms = int(connect_timeout_s * 1000)
        self._ca = _ca_bundle(access)
        self._idle: dict[Kind, list[_Handle]] = {}
        self._busy: dict[pycurl.Curl, _Handle] = {}
        self._poller = _Poller()
        self._due_ms = -1
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_connections * 2)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in list(self._busy.values()):
            self._multi.remove_handle(handle.curl)
            handle.curl.close()
        for pool in self._idle.values():
            for handle in pool:
                handle.curl.close()
        self._busy.clear()
        self._idle.clear()
        self._multi.close()
        self._poller.close()

    def __len__(self) -> int:
        """Return the number of requests in flight."""
        return len(self._busy)

    def start(self, tag: Any, template: Template, filled: tuple[str, list[str], bytes]) -> None:
        """Send one request; its `Answer` carries *tag*."""
        url, headers, body = filled
        pool = self._idle.get(template.kind)
        handle = pool.pop() if pool else self._new_handle(template.kind)
        curl = handle.curl
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.HTTPHEADER, headers)
        if handle.body is not body:
            handle.body = body
            if template.kind.method not in _BODYLESS:
                curl.setopt(pycurl.POSTFIELDS, body)
        handle.tag = tag
        handle.request_bytes = len(url) + sum(map(len, headers))
        self._busy[curl] = handle
        self._multi.add_handle(curl)

    def poll(self, timeout_s: float) -> Iterator[Answer]:
        """Move data for at most *timeout_s* (less if something happens); yield the answers that are complete."""
        if self._due_ms == 0:
            self._due_ms = -1
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            timeout_s = 0.0
        elif self._due_ms > 0:
            timeout_s = min(timeout_s, self._due_ms / 1000)
        events = self._poller.poll(timeout_s)
        for descriptor, readiness in events:
            self._multi.socket_action(descriptor, readiness)
        if not events and self._due_ms != 0:
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        yield from self._finished()

    def _finished(self) -> Iterator[Answer]:
        while True:
            remaining, done, failed = self._multi.info_read()
            for curl in done:
                yield self._answer(curl, 0, "")
            for curl, number, message in failed:
                yield self._answer(curl, number, message)
            if not remaining:
                return

    def _answer(self, curl: pycurl.Curl, number: int, message: str) -> Answer:
        handle = self._busy.pop(curl)
        self._multi.remove_handle(curl)
        status = 0 if number else curl.getinfo(pycurl.RESPONSE_CODE)
        body = b"".join(handle.chunks)
        # twice the size can only be two requests; with a body the size says nothing
        was_resent = status >= 400 and not handle.body and curl.getinfo(pycurl.REQUEST_SIZE) > 2 * handle.request_bytes
        headers = _parsed(handle.header_lines) if handle.kind.wants_headers else {}
        handle.chunks.clear()
        handle.header_lines.clear()
        tag, handle.tag = handle.tag, None
        self._idle.setdefault(handle.kind, []).append(handle)
        return Answer(tag, status, headers, body, number, message, was_resent)

    def _new_handle(self, kind: Kind) -> _Handle:
        handle = _Handle(kind)
        curl = handle.curl
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PATH_AS_IS, 1)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.USERAGENT, f"airflow-s3batch/{__version__}")
        curl.setopt(pycurl.TIMEOUT_MS, self._timeout_ms)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, self._connect_timeout_ms)
        curl.setopt(pycurl.WRITEFUNCTION, handle.chunks.append)
        if kind.wants_headers:
            curl.setopt(pycurl.HEADERFUNCTION, handle.header_lines.append)
        curl.setopt(pycurl.PROXY, self._proxy(kind.origin))
        self._set_tls(curl)
        if kind.method in _BODYLESS:
            curl.setopt(*_BODYLESS[kind.method])
        else:
            curl.setopt(pycurl.CUSTOMREQUEST, kind.method)
        return handle

    def _set_tls(self, curl: pycurl.Curl) -> None:
        if self._ca is None:
            curl.setopt(pycurl.SSL_VERIFYPEER, 0)
            curl.setopt(pycurl.SSL_VERIFYHOST, 0)
        else:
            curl.setopt(pycurl.CAPATH if os.path.isdir(self._ca) else pycurl.CAINFO, self._ca)  # noqa: PTH112 - as botocore
        certificate = _setting(self._access, "client_cert")
        if certificate:
            pair = (certificate, None) if isinstance(certificate, str) else certificate
            curl.setopt(pycurl.SSLCERT, pair[0])
            if pair[1]:
                curl.setopt(pycurl.SSLKEY, pair[1])

    def _proxy(self, origin: str) -> str:
        configured = _setting(self._access, "proxies")
        proxies = configured if configured is not None else get_environ_proxies(origin)
        return str(proxies.get(origin.partition(":")[0], ""))

    def _on_socket(self, what: int, descriptor: int, *_: object) -> None:
        self._poller.want(descriptor, what)

    def _on_timer(self, timeout_ms: int) -> None:
        self._due_ms = timeout_ms


class _Poller:
    """epoll where there is one, else poll: which descriptors are ready, in libcurl's terms."""

    def __init__(self) -> None:
        self._is_epoll = hasattr(select, "epoll")
        self._poll: Any = select.epoll() if self._is_epoll else select.poll()
        self._known: set[int] = set()
        self._in, self._out = (select.EPOLLIN, select.EPOLLOUT) if self._is_epoll else (select.POLLIN, select.POLLOUT)

    def want(self, descriptor: int, what: int) -> None:
        """Watch *descriptor* as libcurl asks."""
        if what == pycurl.POLL_REMOVE:
            self._known.discard(descriptor)
            with contextlib.suppress(OSError, KeyError):  # closed already
                self._poll.unregister(descriptor)
            return
        mask = (self._in if what & pycurl.POLL_IN else 0) | (self._out if what & pycurl.POLL_OUT else 0)
        if descriptor in self._known:
            with contextlib.suppress(OSError):
                self._poll.modify(descriptor, mask)
                return
        self._known.add(descriptor)
        self._poll.register(descriptor, mask)

    def poll(self, timeout_s: float) -> list[tuple[int, int]]:
        """Return ``(descriptor, CSELECT bits)``, waiting at most *timeout_s*."""
        ready = self._poll.poll(timeout_s if self._is_epoll else timeout_s * 1000)
        return [(descriptor, self._bits(mask)) for descriptor, mask in ready]

    def _bits(self, mask: int) -> int:
        bits = (pycurl.CSELECT_IN if mask & self._in else 0) | (pycurl.CSELECT_OUT if mask & self._out else 0)
        return bits if not mask & ~(self._in | self._out) else bits | pycurl.CSELECT_IN | pycurl.CSELECT_ERR

    def close(self) -> None:
        """Give the descriptor back."""
        if self._is_epoll:
            self._poll.close()


def _parsed(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        if line.startswith(b"HTTP/"):  # a 100 Continue or a proxy's answer came first
            headers.clear()
            continue
        name, separator, value = line.decode("latin-1").partition(":")
        if separator:
            headers[name.strip().lower()] = value.strip()
    return headers


def _setting(access: S3Access, name: str) -> Any:
    return getattr(access.config, name, None)  # botocore sets its options dynamically


def _ca_bundle(access: S3Access) -> str | None:
    """Return the CA bundle in botocore's order of precedence; ``None`` turns verification off."""
    verify = access.verify
    if verify is None:
        session = access.session or boto3.session.Session()
        verify = session._session.get_config_variable("ca_bundle")  # noqa: SLF001 - botocore has no public way
        verify = verify or os.environ.get("REQUESTS_CA_BUNDLE")
    if verify is False:
        return None
    return verify if isinstance(verify, str) and verify else certifi.where()
