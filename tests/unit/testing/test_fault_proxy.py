"""What clients of the fault proxy see, and what the server behind it is asked to do."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from airflow_s3batch import testing
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.testing import (
    AccessDenied,
    CutAnswer,
    CutHandshake,
    Delay,
    ErrorAnswer,
    ErrorIn200,
    ExpiredToken,
    Fault,
    FaultProxy,
    HalfOpen,
    InternalError,
    KeyErrors,
    NoAnswer,
    PermanentRedirect,
    RefusedConnection,
    RequestTimeTooSkewed,
    ResetAfter,
    ResetBefore,
    SentTwice,
    Server,
    SlowDown,
    TooManyRequests,
    Trickle,
    every,
    is_api,
    is_below,
    is_key,
    is_signed_by,
    is_try,
)
from airflow_s3batch.testing.fault_requests import ProxiedRequest
from airflow_s3batch.testing.http_wire import Message

BODY = b"0123456789"


class Executed(NamedTuple):
    """A request that reached the server."""

    method: str
    target: str
    host: str
    body: bytes


class Echo:
    """A server that answers everything with `BODY`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.executed: list[Executed] = []
        echo = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                echo.executed.append(Executed(self.command, self.path, self.headers["Host"], body))
                self.send_response(204 if self.command == "DELETE" else 200)
                if self.path.startswith("/chunked"):
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    self.wfile.write(b"5\r\n01234\r\n5;x=y\r\n56789\r\n0\r\n\r\n")
                    return
                if self.command != "DELETE":
                    self.send_header("Content-Length", str(len(BODY)))
                self.end_headers()
                if self.command not in ("HEAD", "DELETE"):
                    self.wfile.write(BODY)

            do_PUT = do_HEAD = do_DELETE = do_POST = do_GET  # noqa: N815 - the base class's names

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.server = Server(f"http://127.0.0.1:{self.http.server_address[1]}", "key", "secret", "us-east-1", 0, {})


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[FaultProxy]:
    with FaultProxy(echo.server) as running:
        yield running


def port_of(proxy: FaultProxy) -> int:
    return int(proxy.server.endpoint_url.rpartition(":")[2])


def connect(proxy: FaultProxy) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port_of(proxy), timeout=20)


def asked(connection: http.client.HTTPConnection, method: str, target: str, **more: Any) -> tuple[int, bytes]:
    connection.request(method, target, **more)
    reply = connection.getresponse()
    return reply.status, reply.read()


def test_without_an_injection_nothing_is_changed(echo: Echo, proxy: FaultProxy) -> None:
    """Path, Host and body arrive as they were sent, and one connection carries many requests."""
    connection = connect(proxy)
    target = "/bucket/a%20b%2F%C3%BC?tagging&versionId=x%3D"
    for _ in range(3):
        assert asked(connection, "PUT", target, body=b"\r\n\r\nbody") == (200, BODY)
    assert asked(connection, "HEAD", "/bucket/k") == (200, b"")
    assert asked(connection, "DELETE", "/bucket/k") == (204, b"")
    assert asked(connection, "GET", "/chunked") == (200, BODY)
    host = f"127.0.0.1:{port_of(proxy)}"
    assert echo.executed[:4] == [Executed("PUT", target, host, b"\r\n\r\nbody")] * 3 + [
        Executed("HEAD", "/bucket/k", host, b"")
    ]
    assert (proxy.connections, proxy.requests, proxy.injected) == (1, 6, Counter())


def test_a_client_that_waits_for_leave_to_send_its_body_gets_it(echo: Echo, proxy: FaultProxy) -> None:
    with socket.create_connection(("127.0.0.1", port_of(proxy)), timeout=20) as plain:
        plain.sendall(b"PUT /b/k HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert plain.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        plain.sendall(b"body")
        assert plain.recv(1000).startswith(b"HTTP/1.1 200")
    assert echo.executed == [Executed("PUT", "/b/k", "h", b"body")]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (SlowDown(), 503, b"SlowDown"),
        (TooManyRequests(), 429, b"TooManyRequests"),
        (InternalError(), 500, b"InternalError"),
        (AccessDenied(), 403, b"AccessDenied"),
        (ExpiredToken(), 400, b"ExpiredToken"),
        (PermanentRedirect(), 301, b"PermanentRedirect"),
        (ErrorIn200(), 200, b"InternalError"),
        (ErrorAnswer(418, "Teapot"), 418, b"Teapot"),
    ],
)
def test_errors_are_answered_without_asking_the_server(
    echo: Echo, proxy: FaultProxy, fault: ErrorAnswer, status: int, code: bytes
) -> None:
    proxy.inject(fault, count=2)
    connection = connect(proxy)
    found, body = asked(connection, "PUT", "/b/k")
    assert (found, b"<Code>" + code + b"</Code>" in body) == (status, True)
    assert asked(connection, "HEAD", "/b/k") == (status, b"")
    assert echo.executed == []
    assert asked(connection, "PUT", "/b/k") == (200, BODY)
    assert proxy.injected == Counter({fault.name: 2})


@pytest.mark.parametrize("fault", [InternalError(executed=True), ErrorIn200(executed=True)], ids=lambda f: f.name)
def test_errors_may_come_though_the_work_was_done(echo: Echo, proxy: FaultProxy, fault: ErrorAnswer) -> None:
    proxy.inject(fault, count=1)
    assert b"InternalError" in asked(connect(proxy), "PUT", "/b/k")[1]
    assert len(echo.executed) == 1


@pytest.mark.parametrize(("fault", "executed"), [(ResetBefore(), 0), (ResetAfter(), 1)], ids=["before", "after"])
def test_resets_come_before_or_after_the_request_was_executed(
    echo: Echo, proxy: FaultProxy, fault: Fault, executed: int
) -> None:
    proxy.inject(fault, count=1)
    with pytest.raises(ConnectionResetError):
        asked(connect(proxy), "PUT", "/b/k")
    assert len(echo.executed) == executed


@pytest.mark.parametrize("executed", [False, True])
def test_a_connection_stays_silent(echo: Echo, proxy: FaultProxy, executed: bool) -> None:
    """Also one that was used before; others are served."""
    connection = connect(proxy)
    asked(connection, "GET", "/b/other")
    proxy.inject(NoAnswer(executed), when=is_key("k"))
    assert connection.sock is not None
    connection.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        asked(connection, "GET", "/b/k")
    assert asked(connect(proxy), "GET", "/b/other") == (200, BODY)
    assert sum(request.target == "/b/k" for request in echo.executed) == executed


@pytest.mark.parametrize("fault", [CutAnswer(), CutAnswer(reset=True)], ids=["closed", "reset"])
def test_an_answer_is_cut_in_its_body(echo: Echo, proxy: FaultProxy, fault: Fault) -> None:
    proxy.inject(fault)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        asked(connect(proxy), "GET", "/b/k")
    assert len(echo.executed) == 1


def received(proxy: FaultProxy, request: bytes, *, times: int = 1) -> bytes:
    """Send *request* on a new connection and return all that comes until it ends, or *times* bodies have come."""
    with socket.create_connection(("127.0.0.1", port_of(proxy)), timeout=20) as plain:
        plain.sendall(request)
        found = b""
        while found.count(BODY) < times and (more := plain.recv(4096)):
            found += more
        return found


def test_an_answer_is_cut_in_its_head(echo: Echo, proxy: FaultProxy) -> None:
    proxy.inject(CutAnswer(in_head=True))
    found = received(proxy, b"GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 200")
    assert b"\r\n\r\n" not in found


def test_an_answer_is_sent_twice(echo: Echo, proxy: FaultProxy) -> None:
    proxy.inject(SentTwice())
    found = received(proxy, b"GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n", times=2)
    assert (found.count(b"HTTP/1.1 200"), found.count(BODY)) == (2, 2)
    assert len(echo.executed) == 1


@pytest.mark.parametrize("body_only", [False, True])
def test_an_answer_trickles(proxy: FaultProxy, body_only: bool) -> None:
    proxy.inject(Trickle(pause_s=0.0, body_only=body_only))
    assert asked(connect(proxy), "GET", "/b/k") == (200, BODY)


def test_delayed_answers_overtake_one_another(proxy: FaultProxy) -> None:
    """By times that depend on seed and path alone."""
    proxy.inject(Delay(0.0, 0.3), seed=3)
    order: list[int] = []

    def ask(number: int) -> None:
        assert asked(connect(proxy), "GET", f"/b/{number}") == (200, BODY)
        order.append(number)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(ask, range(12)))
    assert sorted(order) == list(range(12)) != order


def test_keys_of_a_bulk_delete_fail(echo: Echo, proxy: FaultProxy) -> None:
    """Executed, only the chosen ones are said to have failed; else none is deleted and all are."""
    body = b"<Delete><Object><Key>a&amp;1</Key></Object><Object><Key>b</Key><VersionId>v</VersionId></Object></Delete>"
    proxy.inject(KeyErrors("SlowDown", keys="^a", executed=True), count=1)
    _, told = asked(connect(proxy), "POST", "/b?delete", body=body)
    assert b"<Error><Key>a&amp;1</Key><Code>SlowDown</Code>" in told
    assert b"<Deleted><Key>b</Key><VersionId>v</VersionId></Deleted>" in told
    assert len(echo.executed) == 1
    proxy.inject(KeyErrors(keys="^a"))
    _, told = asked(connect(proxy), "POST", "/b?delete", body=body)
    assert told.count(b"<Code>InternalError</Code>") == 2
    assert len(echo.executed) == 1


def test_a_clock_that_is_wrong_refuses_what_was_signed_by_another(echo: Echo, proxy: FaultProxy) -> None:
    proxy.inject(RequestTimeTooSkewed(offset_s=3600))
    status, body = asked(connect(proxy), "GET", "/b/k", headers={"x-amz-date": "20200101T000000Z"})
    assert (status, b"<ServerTime>" in body) == (403, True)
    assert echo.executed == []
    assert asked(connect(proxy), "GET", "/b/k") == (200, BODY)


def test_connections_are_refused_or_deaf(proxy: FaultProxy) -> None:
    with proxy.inject(RefusedConnection()), pytest.raises(ConnectionResetError):
        asked(connect(proxy), "GET", "/b/k")
    with proxy.inject(HalfOpen()):
        connection = connect(proxy)
        connection.timeout = 0.2
        with pytest.raises(TimeoutError):
            asked(connection, "GET", "/b/k")
    assert asked(connect(proxy), "GET", "/b/k") == (200, BODY)
    assert proxy.injected == Counter({"RefusedConnection": 1, "HalfOpen": 1})


def test_tls_is_spoken_and_its_handshake_cut(echo: Echo) -> None:
    with FaultProxy(echo.server, tls=True) as proxy:
        trusting = ssl.create_default_context(cafile=proxy.ca_bundle)

        def connect_tls() -> http.client.HTTPConnection:
            return http.client.HTTPSConnection("127.0.0.1", port_of(proxy), timeout=20, context=trusting)

        connection = connect_tls()
        assert asked(connection, "GET", "/b/1") == asked(connection, "GET", "/b/2") == (200, BODY)
        assert proxy.server.endpoint_url.startswith("https://")
        with proxy.inject(CutHandshake()), pytest.raises((ssl.SSLError, ConnectionResetError)):
            asked(connect_tls(), "GET", "/b/k")
        with proxy.inject(ResetAfter()), pytest.raises((ssl.SSLError, ConnectionResetError, ssl.SSLEOFError)):
            asked(connect_tls(), "GET", "/b/k")
        with pytest.raises(ssl.SSLCertVerificationError):
            asked(http.client.HTTPSConnection("127.0.0.1", port_of(proxy)), "GET", "/b/k")


def struck(echo: Echo, *, seed: int, order: int) -> set[int]:
    with FaultProxy(echo.server) as proxy:
        proxy.inject(SlowDown(), share=0.3, seed=seed)
        connection = connect(proxy)
        return {n for n in range(60)[::order] if asked(connection, "PUT", f"/b/{n}")[0] == 503}


def test_a_share_depends_on_the_seed_and_not_on_the_order_of_arrival(echo: Echo) -> None:
    found = struck(echo, seed=1, order=1)
    assert 8 <= len(found) <= 30
    assert struck(echo, seed=1, order=-1) == found
    assert struck(echo, seed=2, order=1) != found


def test_injections_are_turned_off_and_on_in_mid_run(proxy: FaultProxy) -> None:
    connection = connect(proxy)
    storm = proxy.inject(SlowDown(), count=3)
    statuses = [asked(connection, "GET", "/b/k")[0]]
    storm.off()
    statuses.append(asked(connection, "GET", "/b/k")[0])
    storm.on()
    statuses.extend(asked(connection, "GET", "/b/k")[0] for _ in range(3))
    assert statuses == [503, 200, 503, 503, 200]
    assert (storm.happened, storm.is_on) == (3, False)
    proxy.inject(InternalError(), for_s=0.0)
    assert asked(connection, "GET", "/b/k")[0] == 200
    proxy.inject(InternalError())
    proxy.calm()
    assert asked(connection, "GET", "/b/k")[0] == 200


def test_the_first_injection_that_strikes_wins(proxy: FaultProxy) -> None:
    proxy.inject(SlowDown(), when=is_try(1))
    proxy.inject(InternalError(), when=every(is_key("k"), is_try(2)))
    connection = connect(proxy)
    assert [asked(connection, "GET", "/b/k")[0] for _ in range(3)] == [503, 500, 200]


def test_wrong_arguments_are_told_all_at_once(proxy: FaultProxy) -> None:
    with pytest.raises(ArgumentError, match=r"share=2 is not.*count=-1 is below 0.*takes no when="):
        proxy.inject(HalfOpen(), share=2, count=-1, when=is_try(1))


@pytest.mark.parametrize(
    ("line", "more", "api"),
    [
        ("PUT /b/k?tagging", "", "PutObjectTagging"),
        ("DELETE /b/k?tagging&versionId=1", "", "DeleteObjectTagging"),
        ("GET /b/k?acl=", "", "GetObjectAcl"),
        ("PUT /b/k", "", "PutObject"),
        ("PUT /b/k", "x-amz-copy-source: b/j\r\n", "CopyObject"),
        ("PUT /b/k?partNumber=1&uploadId=2", "X-Amz-Copy-Source: b/j\r\n", "UploadPartCopy"),
        ("POST /b/k?uploadId=2", "", "CompleteMultipartUpload"),
        ("POST /b/k?uploads", "", "CreateMultipartUpload"),
        ("POST /b?delete", "", "DeleteObjects"),
        ("GET /b?list-type=2&prefix=a", "", "ListObjectsV2"),
        ("GET /b?versioning", "", "GetBucket?versioning"),
        ("HEAD /b/k", "", "HeadObject"),
        ("DELETE /b/k", "", "DeleteObject"),
    ],
)
def test_requests_have_the_names_of_their_apis(line: str, more: str, api: str) -> None:
    request = ProxiedRequest(Message(f"{line} HTTP/1.1\r\nHost: h\r\n{more}\r\n".encode(), b""))
    assert request.api == api
    assert is_api(api, "other")(request)
    assert not is_api("other")(request)


def test_conditions_look_at_decoded_keys_and_at_who_signed() -> None:
    head = (
        b"PUT /b/a%20b/%C3%BC?x=1 HTTP/1.1\r\nauthorization: AWS4-HMAC-SHA256 "
        b"Credential=AKIA/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n"
    )
    request = ProxiedRequest(Message(head, b""))
    assert (request.bucket, request.key, request.query) == ("b", "a b/ü", {"x": "1"})
    assert is_below("b", "a b/")(request)
    assert not is_below("b", "b")(request)
    assert not is_below("c")(request)
    assert is_signed_by("AKIA")(request)
    assert not is_signed_by("AKIB")(request)


def test_all_names_are_served() -> None:
    assert all(getattr(testing, name).__module__.startswith("airflow_s3batch.testing") for name in testing.__all__)
