"""
libcurl's multi interface behind a small port: put exchanges in, get answers out, from one thread.

`ReadTransport` can look at a store and has no way to change it: it knows two methods, and no bodies. `Transport` adds
the others. Curl handles are pooled and connections kept alive. Nothing is made before the constructor runs, as Airflow
forks.
"""

from __future__ import annotations

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
from airflow_s3batch.engine.wire.curl_handle import Handle, is_whole, parsed
from airflow_s3batch.engine.wire.drive import drive_for
from airflow_s3batch.engine.wire.prepared import Kind
from airflow_s3batch.version import __version__

_READS = {"HEAD": (pycurl.NOBODY, 1), "GET": (pycurl.HTTPGET, 1)}
_BODYLESS = frozenset({*_READS, "DELETE"})
_HANDLES_PER_CONNECTION = 8  # one for each kind of request that operations on a bucket make, and some
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class UnsentError(Exception):
    """A request was not sent: what it was given to has no way to send one of its kind."""


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


class ReadTransport:
    """
    Sends GETs and HEADs, many at a time. A context manager; belongs to the thread that made it.

    S3 has no GET that changes anything. What does, and Lambda's Invoke, is a PUT, POST or DELETE.

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
        self._proxies: dict[str, str] = {}
        self._idle: dict[Kind, list[Handle]] = {}
        self._busy: dict[pycurl.Curl, Handle] = {}
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

        Raises:
            UnsentError: this transport has no way to send it.
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
        curl.setopt(pycurl.URL, filled[0])
        curl.setopt(pycurl.HTTPHEADER, filled[1])
        if handle.body is not filled[2]:
            self._load_body(handle, filled[2])
        self._busy[curl] = handle
        self._multi.add_handle(curl)

    def _load_body(self, handle: Handle, body: bytes) -> None:
        handle.body = body  # and that is all: what reads has none to send

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
                late.append((curl, pycurl.E_OPERATION_TIMEDOUT, f"no answer within {handle.timeout_s:g} s"))
            elif age_s >= self._connect_timeout_s and not curl.getinfo(pycurl.PRETRANSFER_TIME):  # nothing was sent
                late.append((curl, pycurl.E_COULDNT_CONNECT, f"no connection within {self._connect_timeout_s:g} s"))
        for curl, number, message in late:
            yield self._answer(curl, number, message)

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
            if status and not is_whole(handle.header_lines):
                number, message, status = pycurl.E_PARTIAL_FILE, "the answer ended in the middle of its headers", 0
            headers = parsed(handle.header_lines)
            handle.header_lines.clear()
        tag, handle.tag = handle.tag, None
        handle.pool.append(handle)
        may_tell_of_failures = status >= 400 or handle.kind.method == "POST"  # DeleteObjects tells in a 200
        return Answer(tag, status, headers, body, number, message, may_tell_of_failures and handle.was_resent)

    def _method(self, name: str) -> tuple[int, int | str]:
        """Return the option that makes a request one with the method *name*."""
        if name not in _READS:
            raise UnsentError(name)
        return _READS[name]

    def _new_handle(self, kind: Kind, pool: list[Handle]) -> Handle:
        method = self._method(kind.method)
        self._limit_handles()
        handle = Handle(kind, pool)
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
        curl.setopt(*method)
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
        if origin not in self._proxies:
            configured = _setting(self._access, "proxies")
            proxies = configured if configured is not None else get_environ_proxies(origin)
            self._proxies[origin] = str(proxies.get(origin.partition(":")[0]) or "")
        return self._proxies[origin]


class Transport(ReadTransport):
    """Sends requests of any method, those that change something included."""

    def _method(self, name: str) -> tuple[int, int | str]:
        return _READS.get(name) or (pycurl.CUSTOMREQUEST, name)

    def _load_body(self, handle: Handle, body: bytes) -> None:
        handle.body = body
        if handle.kind.method not in _BODYLESS:
            handle.curl.setopt(pycurl.POSTFIELDS, body)


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
