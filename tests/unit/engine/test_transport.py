"""Requests in and answers out, as far as no server is needed."""

from __future__ import annotations

import gc
import socket
from typing import Any

import boto3
import pycurl
import pytest
from botocore.config import Config

from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.wire.prepared import Kind
from airflow_s3batch.engine.wire.transport import Answer, Transport

SESSION = boto3.session.Session("key", "secret", region_name="us-east-1")


def transport(config: Config | None = None, connect_timeout_s: float = 5.0) -> Transport:
    access = S3Access(SESSION, "http://127.0.0.1:9", config=config)
    return Transport(access, max_connections=2, request_timeout_s=5.0, connect_timeout_s=connect_timeout_s)


def answer_to(running: Transport, kind: Kind) -> Answer:
    running.start("", kind, (f"{kind.origin}/bucket/key", ["Expect:"], b""))
    while True:
        for answer in running.poll(0.1):
            return answer


def curl_handles() -> int:
    gc.collect()
    return sum(type(found) is pycurl.Curl for found in gc.get_objects())


def test_a_manifest_of_many_buckets_leaves_few_handles_behind() -> None:
    """Where a bucket is part of the host's name, each has handles of its own."""
    before = curl_handles()
    with transport() as running:
        for number in range(100):
            assert answer_to(running, Kind("PUT", f"http://127.0.0.{number + 1}:9", wants_headers=False)).curl_error
        assert 0 < curl_handles() - before <= 16


@pytest.mark.parametrize("proxies", [{}, {"http": None}])
def test_no_proxy_is_no_proxy(proxies: dict[str, Any]) -> None:
    """Botocore takes ``None`` for it, too."""
    with transport(Config(proxies=proxies)) as running:
        answer = answer_to(running, Kind("HEAD", "http://127.0.0.1:9", wants_headers=True))
    assert answer.curl_error == pycurl.E_COULDNT_CONNECT


def test_answers_that_come_while_sending_keep_no_other_connection_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a store that answers some at once would starve the rest until their deadline."""
    waits: list[float] = []
    early = [Answer("early", 200, {}, b"", 0, "")]
    rounds = iter([early, [], [], []])
    with transport() as running:
        monkeypatch.setattr(running._drive, "push", lambda: None)
        monkeypatch.setattr(running._drive, "wait", waits.append)
        monkeypatch.setattr(running, "_finished", lambda: list(next(rounds)))
        assert [answer.tag for answer in running.poll(7.0)] == ["early"]
        assert running.poll(7.0) == []
    assert waits == [0.0, 7.0]


def test_a_connection_that_does_not_come_about_has_taken_nothing() -> None:
    """Unlike a request without an answer, which may have been executed."""
    with socket.create_server(("127.0.0.1", 0)) as deaf, transport(connect_timeout_s=0.1) as running:
        origin = f"https://127.0.0.1:{deaf.getsockname()[1]}"  # the kernel takes the connection, nobody shakes hands
        answer = answer_to(running, Kind("PUT", origin, wants_headers=False))
    assert (answer.curl_error, answer.curl_message) == (pycurl.E_COULDNT_CONNECT, "no connection within 0.1 s")
