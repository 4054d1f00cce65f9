"""
libcurl's multi interface behind a small port: put exchanges in, get answers out, from one thread.

Curl handles are pooled and connections kept alive. Nothing is made before the constructor runs, as Airflow forks.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import boto3
import certifi
import pycurl
from botocore.utils import get_environ_proxies

from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.drive import drive_for
from airflow_s3batch.engine.prepared import Kind
from airflow_s3batch.version import __version__

_BODYLESS = {"HEAD": (pycurl.NOBODY, 1), "GET": (pycurl.HTTPGET, 1), "DELETE": (pycurl.CUSTOMREQUEST, "DELETE")}
_HANDLES_PER_CONNECTION = 8  # one for each kind of request that operations on a bucket make, and some
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Answer(NamedTuple):
    """
    What came back.

    Attributes:
        tag: what `Transport.start` was given.
        status: HTTP status, 0 if there was no complete answer.
        curl_error: libcurl's error number, 0 if the transfer completed.
        was_resent: a request that may have failed and that libcurl had sent a second time by itself, as it does when
            a kept connection turns out to be dead; the first may have been executed.
    """

    tag: Any
    status: int
    headers: Mapping[str, str]
    body: bytes
    curl_error: int
    curl_message: str
    was_resent: bool = False


class _Handle:
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

    def __init__(self, kind: Kind, pool: list[_Handle]) -> None:
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
                takes = sink if sink is not None and _is_2xx(header_lines) else chunks.append
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
        self._request_timeout_s = request_timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._soonest_s = min(connect_timeout_s, request_timeout_s)
        self._clock = time.monotonic
        self._ca = _ca_bundle(access)
        self._idle: dict[Kind, list[_Handle]] = {}
        self._busy: dict[pycurl.Curl, _Handle] = {}
        self._handles = 0
        self._most_handles = _HANDLES_PER_CONNECTION * max_connections
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_connections * 2)
        self._drive = drive_for(self._multi, max_connections)

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
        self._drive.close()

    def __len__(self) -> int:
        """Return the number of requests in flight."""
        return len(self._busy)

    def wake_on(self, descriptor: int) -> None:
        """Have `poll` return, too, as long as *descriptor* can be read."""
        self._drive.wake_on(descriptor)

    def tags(self) -> list[Any]:
        """Return the tags of the requests in flight."""
        return [handle.tag for handle in self._busy.values()]

    def start(
        self,
        tag: Any,
        kind: Kind,
        filled: tuple[str, list[str], bytes],
        *,
        sink: Callable[[bytes], None] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        """
        Send one request of *kind*, *filled* from its template; its `Answer` carries *tag*.

        *sink* takes the body of a 2xx answer, in chunks; *timeout_s* is for a request that has a limit of its own.
        """
        pool = self._idle.get(kind)
        if pool is None:
            pool = self._idle[kind] = []
        handle = pool.pop() if pool else self._new_handle(kind, pool)
        curl = handle.curl
        handle.tag = tag
        handle.filled = filled
        handle.started = self._clock()
        handle.timeout_s = self._request_timeout_s if timeout_s is None else timeout_s
        self._soonest_s = min(self._soonest_s, handle.timeout_s)
        if sink is not None or handle.has_sink:
            handle.send_body_to(sink)
        url, headers, body = filled
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.HTTPHEADER, headers)
        if handle.body is not body:
            handle.body = body
            if kind.method not in _BODYLESS:
                curl.setopt(pycurl.POSTFIELDS, body)
        self._busy[curl] = handle
        self._multi.add_handle(curl)

    def poll(self, timeout_s: float) -> list[Answer]:
        """Move data for at most *timeout_s* (less if something happens); return the answers that are complete."""
        self._drive.push()
        answers = self._finished()  # a near store may have answered while we were sending; the others get their turn
        self._drive.wait(0.0 if answers else timeout_s)
        answers += self._finished()
        answers.extend(self._overdue())
        return answers

    def _finished(self) -> list[Answer]:
        answers: list[Answer] = []
        remaining = 1
        while remaining:
            remaining, done, failed = self._multi.info_read()
            answers += [self._answer(curl, 0, "") for curl in done]
            answers += [self._answer(curl, number, message) for curl, number, message in failed]
        return answers

    def _overdue(self) -> Iterator[Answer]:
        """
        Give up the requests that have reached their deadline; yield that as answers.

        libcurl's own deadlines cost it two timers per request. Here the oldest request is looked at, and others only if
        that one is late.
        """
        now = self._clock()
        late = []
        for curl, handle in self._busy.items():  # oldest first
            age_s = now - handle.started
            if age_s < self._soonest_s:
                break
            if age_s >= handle.timeout_s:
                late.append((curl, f"no answer within {handle.timeout_s:g} s"))
            elif age_s >= self._connect_timeout_s and not curl.getinfo(pycurl.PRETRANSFER_TIME):
                late.append((curl, f"no connection within {self._connect_timeout_s:g} s"))
        for curl, message in late:
            yield self._answer(curl, pycurl.E_OPERATION_TIMEDOUT, message)

    def _answer(self, curl: pycurl.Curl, number: int, message: str) -> Answer:
        handle = self._busy.pop(curl)
        self._multi.remove_handle(curl)
        status = 0 if number else curl.getinfo(pycurl.RESPONSE_CODE)
        body = b""
        if handle.chunks:
            body = b"".join(handle.chunks)
            handle.chunks.clear()
        headers = _NO_HEADERS
        if handle.header_lines:
            if status and not _is_whole(handle.header_lines):
                number, message, status = pycurl.E_PARTIAL_FILE, "the answer ended in the middle of its headers", 0
            headers = _parsed(handle.header_lines)
            handle.header_lines.clear()
        tag, handle.tag = handle.tag, None
        handle.pool.append(handle)
        may_tell_of_failures = status >= 400 or handle.kind.method == "POST"  # DeleteObjects tells in a 200
        return Answer(tag, status, headers, body, number, message, may_tell_of_failures and handle.was_resent)

    def _new_handle(self, kind: Kind, pool: list[_Handle]) -> _Handle:
        self._limit_handles()
        handle = _Handle(kind, pool)
        curl = handle.curl
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PATH_AS_IS, 1)
        curl.setopt(pycurl.TCP_KEEPALIVE, 1)  # a Lambda function may be silent for longer than gateways bear
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.USERAGENT, f"airflow-s3batch/{__version__}")
        handle.send_body_to(None)
        if kind.wants_headers:
            curl.setopt(pycurl.HEADERFUNCTION, handle.header_lines.append)
        curl.setopt(pycurl.PROXY, self._proxy(kind.origin))
        self._set_tls(curl)
        if kind.is_once:  # on a kept connection that turns out to be dead libcurl sends the request again by itself
            curl.setopt(pycurl.FRESH_CONNECT, 1)
            curl.setopt(pycurl.FORBID_REUSE, 1)
        if kind.method in _BODYLESS:
            curl.setopt(*_BODYLESS[kind.method])
        else:
            curl.setopt(pycurl.CUSTOMREQUEST, kind.method)
        return handle

    def _limit_handles(self) -> None:
        """Close idle handles if they are many: a manifest may have thousands of buckets, each with kinds of its own."""
        self._handles += 1
        if self._handles <= self._most_handles:
            return
        for pool in self._idle.values():
            for handle in pool:
                handle.curl.close()
            pool.clear()
        self._handles = len(self._busy) + 1

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
        return str(proxies.get(origin.partition(":")[0]) or "")


def _is_2xx(lines: list[bytes]) -> bool:
    """Return whether the last status line says so."""
    status = next((line for line in reversed(lines) if line.startswith(b"HTTP/")), b"")
    return status.partition(b" ")[2].startswith(b"2")


def _is_whole(lines: list[bytes]) -> bool:
    """Return whether the last answer's headers end in an empty line; libcurl does not mind where they are cut."""
    last = itertools.takewhile(lambda line: not line.startswith(b"HTTP/"), reversed(lines))
    return any(not line.strip() for line in last)


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
