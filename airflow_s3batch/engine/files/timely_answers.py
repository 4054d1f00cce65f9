"""
Has boto3 give up on an answer that never becomes whole although bytes keep coming: its own limits are for silence.

A store or a proxy in trouble that sends a byte now and then would hold a commit, and the task with it, for hours.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from copy import copy
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError

_SLOWEST_BYTES_PER_S = 50_000
"""A part of 8 MiB takes 168 s over a line as slow as this."""

_REFUSED = 300
T = TypeVar("T")


class LateAnswerError(ReadTimeoutError):
    """An answer, or the body to send, was still under way when its time was over."""

    fmt = (
        'Read timeout: "{endpoint_url}" was too slow to answer in full; a larger read_timeout in botocore_config '
        "waits longer"
    )


def end_in_time(client: Any) -> None:
    """
    Have *client*, boto3's, wait no longer for a whole answer than its limits for connecting and reading in sum.

    On top comes a second for each 50,000 bytes to send or to receive. What is late fails as a read timeout, and is
    tried again like one.
    """
    endpoint = getattr(client, "_endpoint", None)  # botocore's own affair: a stub has none, nor may a later version
    if endpoint is None:
        return
    limits = client.meta.config.connect_timeout, client.meta.config.read_timeout
    if None not in limits:  # as botocore spells that it shall wait forever
        endpoint.http_session = _TimelySession(endpoint.http_session, sum(limits))


class _TimelySession:
    """botocore's HTTP session, as its endpoint uses it."""

    def __init__(self, session: Any, limit_s: float) -> None:
        self._session = session
        self._limit_s = limit_s

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Return the answer: whole, or with its body still to be read if *request* asks for that and is granted it."""
        lent, body = copy(request), _LentBody(request.body)
        if hasattr(request.body, "read"):
            lent.body = body  # type: ignore[assignment]  # of what files have, this is what is used

        def sent() -> AWSResponse:
            response: AWSResponse = self._session.send(lent)
            if response.status_code >= _REFUSED:
                _ = response.content  # else it would be read by whoever asks what was refused, however long that takes
            return response

        try:
            response = _in_time(sent, self._limit_s, _size(request.headers), request.url)
        finally:
            body.take_back()
        if request.stream_output:
            response.raw = _TimelyBody(response, self._limit_s)
        return response

    def close(self) -> None:
        """Close the connections that are idle."""
        self._session.close()


class _LentBody:
    """
    A body to send, until it is taken back.

    A try that was given up would else go on reading what the next one has wound back, and both would send a mixture.
    """

    def __init__(self, body: Any) -> None:
        self._body = body
        self._lock = threading.Lock()
        self._is_taken_back = False

    def read(self, *amount: int) -> bytes:
        """Return the next bytes."""
        with self._lock:
            if self._is_taken_back:
                raise OSError("this request was given up")
            return bytes(self._body.read(*amount))

    def take_back(self) -> None:
        """Have nobody read it from here any more."""
        with self._lock:
            self._is_taken_back = True


class _TimelyBody:
    """A body that is still to come, and comes in time: what its reader does between two pieces does not count."""

    def __init__(self, response: AWSResponse, limit_s: float) -> None:
        self._raw = response.raw
        self._url = response.url
        self._size = _size(response.headers)
        self._limit_s = limit_s
        self._asked = 0
        self._waited_s = 0.0

    def read(self, amt: int | None = None, **more: Any) -> bytes:
        """Return up to *amt* bytes, else all that are left."""
        self._asked += self._size if amt is None or amt < 0 else amt
        began = time.monotonic()
        try:
            return _in_time(
                lambda: bytes(self._raw.read(amt, **more)), self._limit_s - self._waited_s, self._asked, self._url
            )
        finally:
            self._waited_s += time.monotonic() - began

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


def _size(headers: Any) -> int:
    """Return how many bytes *headers* announce; of a body in chunks, which has its checksum behind it, by AWS's own."""
    told = headers.get("Content-Length") or headers.get("X-Amz-Decoded-Content-Length") or ""
    return int(told) if told.isdecimal() else 0


def _in_time(call: Callable[[], T], limit_s: float, size: int, url: str) -> T:
    """
    Return what *call* returns; leave it to itself if it takes longer than *size* bytes may.

    Raises:
        LateAnswerError: it does.
    """
    answers: SimpleQueue[Future[T]] = SimpleQueue()
    try:
        asks = _idle.pop()
    except IndexError:
        asks = SimpleQueue()
        threading.Thread(target=_help, args=(asks,), name="s3batch-boto3", daemon=True).start()
    asks.put((call, answers))
    try:
        answer = answers.get(timeout=max(0.0, limit_s + size / _SLOWEST_BYTES_PER_S))
    except Empty:
        raise LateAnswerError(endpoint_url=url) from None
    return answer.result()


_idle: list[SimpleQueue[Any]] = []
"""Of threads that have nothing to do: starting one for each request would cost a third of what boto3 takes for it."""

os.register_at_fork(after_in_child=_idle.clear)


def _help(asks: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[Future[Any]]]]) -> None:
    """Do what is asked for, one after the other, however long it takes."""
    while True:
        call, answers = asks.get()
        answer: Future[Any] = Future()
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - handed on to who waits
            answer.set_exception(error)
        _idle.append(asks)
        answers.put(answer)
        del call, answers, answer  # an idle thread holds nothing
