"""What an answer means."""

from __future__ import annotations

import pytest

from airflow_s3batch.core.verdicts import Verdict
from airflow_s3batch.engine.wire.answers import explained, judged, server_time
from airflow_s3batch.engine.wire.transport import Answer
from airflow_s3batch.operations.requests import Response


def answered(
    status: int, body: bytes = b"", api: str = "PutObjectTagging", **headers: str
) -> tuple[str, Verdict | None]:
    """Return error code and verdict of an answer."""
    response, verdict = judged(Answer(None, status, headers, body, 0, ""), api, is_retried=False)
    return response.error_code, verdict


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"<html>busy</html>",
        b'<Error xmlns="x"><Message>no code</Message></Error>',
        b"<Error><Code>InternalError</Code></Error>",
        b"<CopyObj",
    ],
)
def test_a_copy_is_done_only_if_the_body_says_so(body: bytes) -> None:
    """200 is sent before the copy is made."""
    assert answered(200, body, "CopyObject") == ("InternalError", Verdict.RETRY)


def test_a_copy_that_is_refused_late_keeps_its_code() -> None:
    """In a 200."""
    body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    assert answered(200, body, "CopyObject") == ("AccessDenied", Verdict.FAIL)
    assert answered(200, b'<?xml version="1.0"?><CopyObjectResult xmlns="x"/>', "CopyObject") == ("", None)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (403, b"<Error><Code>AccessDenied</Code></Error>", ("AccessDenied", Verdict.FAIL)),
        (404, b"<Error><Code>NoSuchVersion</Code></Error>", ("NoSuchVersion", Verdict.FAIL)),
        (404, b"404 page not found", ("UnexplainedNotFound", Verdict.RETRY)),
        (404, b"", ("UnexplainedNotFound", Verdict.RETRY)),
        (403, b"<html>Forbidden</html>", ("AccessDenied", Verdict.FAIL)),
        (418, b"", ("Http418", Verdict.FAIL)),
        (503, b"<Error><Code>Foo, bar\nbaz</Code></Error>", ("ServiceUnavailable", Verdict.THROTTLE)),
        (400, b"<Error><Code>" + b"x" * 200 + b"</Code></Error>", ("BadRequest", Verdict.FAIL)),
    ],
)
def test_codes_are_taken_from_the_body_if_they_are_codes(
    status: int, body: bytes, expected: tuple[str, Verdict]
) -> None:
    """Else the status names the failure: the code goes into a report that others read."""
    assert answered(status, body) == expected


@pytest.mark.parametrize(
    ("header", "body", "expected"),
    [
        ("TooManyRequestsException", b'{"Type":"User","message":"Rate\\n exceeded"}', "Rate exceeded (RequestId r1)"),
        ("TooManyRequestsException:http://internal.amazon.com/coral/", b'{"Message":"slow"}', "slow (RequestId r1)"),
        ("com.amazon.lambda#TooManyRequestsException", b"no json", "no json (RequestId r1)"),
        ("TooManyRequestsException", b"[]", "[] (RequestId r1)"),
    ],
)
def test_errors_of_lambda_are_told_by_a_header_and_json(header: str, body: bytes, expected: str) -> None:
    """In the three spellings of the protocol."""
    headers = {"x-amzn-errortype": header, "x-amzn-requestid": "r1"}
    response, verdict = judged(Answer(None, 429, headers, body, 0, ""), "Invoke", is_retried=False)
    assert (response.error_code, verdict) == ("TooManyRequestsException", Verdict.THROTTLE)
    assert response.message == expected


def test_what_a_function_returns_is_never_taken_for_an_error_of_the_service() -> None:
    for body in (b"<Error><Code>SlowDown</Code></Error>", b"<html>", b""):
        assert answered(200, body, "Invoke") == ("", None)
    assert answered(502, b"<html>bad gateway</html>", "Invoke") == ("BadGateway", Verdict.RETRY)


def test_messages_are_one_line_and_name_the_request() -> None:
    """For the ResultMessage column."""
    body = b"<Error><Code>AccessDenied</Code><Message>no\n way &amp; never</Message><RequestId>R1</RequestId></Error>"
    response, _ = judged(Answer(None, 403, {}, body, 0, ""), "HeadObject", is_retried=True)
    assert response.message == "no way & never (RequestId R1)"
    assert response.is_retried


def test_no_answer_has_a_name() -> None:
    """The one of libcurl."""
    response, verdict = judged(Answer(None, 0, {}, b"", 28, "timed out"), "HeadObject", is_retried=False)
    assert (response.status, response.error_code, verdict) == (0, "OperationTimedOut", Verdict.RETRY)


def test_the_servers_time_is_read() -> None:
    """From the body, or the Date header."""
    body = b"<Error><Code>RequestTimeTooSkewed</Code><ServerTime>2026-11-22T10:00:00Z</ServerTime></Error>"
    response, verdict = judged(Answer(None, 403, {}, body, 0, ""), "HeadObject", is_retried=False)
    assert verdict is Verdict.SKEW
    assert server_time(response) == 1795341600
    dated, _ = judged(
        Answer(None, 403, {"date": "Sun, 22 Nov 2026 10:00:00 GMT"}, b"", 0, ""), "HeadObject", is_retried=False
    )
    assert server_time(dated) == 1795341600


def test_an_error_document_is_an_error_whatever_the_status() -> None:
    """Gateways put one into a 200; errors of single keys inside a DeleteResult are the operation's business."""
    body = b'<?xml version="1.0"?>\n<Error><Code>SlowDown</Code><Message>busy</Message></Error>'
    assert answered(200, body) == ("SlowDown", Verdict.THROTTLE)
    assert answered(200, body, "DeleteObjects") == ("SlowDown", Verdict.THROTTLE)
    assert answered(200, b"<DeleteResult><Error><Code>SlowDown</Code></Error></DeleteResult>", "DeleteObjects") == (
        "",
        None,
    )
    assert answered(200, body, "GetObject") == ("", None)


@pytest.mark.parametrize("page", [b"<html>please log in</html>", b" <!DOCTYPE html><html>busy</html>"])
def test_a_page_for_people_is_no_success(page: bytes) -> None:
    """Some proxy sent it; the store has not seen the request."""
    assert answered(200, page) == ("InternalError", Verdict.RETRY)
    assert answered(200, page, "GetObject") == ("", None)


@pytest.mark.parametrize(
    ("number", "message", "expected"),
    [
        (1, "Received HTTP/0.9 when not allowed", ("WeirdServerReply", Verdict.RETRY)),
        (1, 'Protocol "htp" not supported', ("UnsupportedProtocol", Verdict.ABORT)),
    ],
)
def test_garbage_for_an_answer_is_not_taken_for_a_wrong_url(
    number: int, message: str, expected: tuple[str, Verdict]
) -> None:
    """The one passes, the other stops the run; libcurl has one number for both."""
    response, verdict = judged(Answer(None, 0, {}, b"", number, message), "PutObjectTagging", is_retried=False)
    assert (response.error_code, verdict) == expected


HEAD_404 = Response(404, {"x-amz-delete-marker": "true"}, b"", "NoSuchKey", "HTTP 404 without an explanation")


def test_a_head_without_a_body_is_explained_by_a_get() -> None:
    """Which has one; the headers are the HEAD's."""
    get = Response(404, {}, b"", "NoSuchVersion", "gone")
    assert explained(HEAD_404, get, Verdict.FAIL, is_unsure=True) == (
        HEAD_404._replace(error_code="NoSuchVersion", message="gone"),
        Verdict.FAIL,
    )


@pytest.mark.parametrize("get", [Response(206, {}, b"x", "", ""), Response(416, {}, b"", "InvalidRange", "empty")])
def test_an_object_that_a_get_finds_is_not_gone(get: Response) -> None:
    """Then a proxy has answered the HEAD; where it was forbidden, it may have been for a wrong clock."""
    verdict = None if get.status == 206 else Verdict.FAIL
    response, again = explained(HEAD_404, get, verdict, is_unsure=False)
    assert (response.error_code, again) == ("UnexplainedNotFound", Verdict.RETRY)
    forbidden = Response(403, {}, b"", "AccessDenied", "no")
    assert explained(forbidden, get, verdict, is_unsure=True) == (forbidden, Verdict.RETRY)
    assert explained(forbidden, get, verdict, is_unsure=False) == (forbidden, Verdict.FAIL)


def test_what_the_get_says_counts_if_it_says_something_else() -> None:
    """Such as that the store is busy: then the HEAD is tried again."""
    get = Response(503, {}, b"", "SlowDown", "busy")
    assert explained(HEAD_404, get, Verdict.THROTTLE, is_unsure=True) == (get, Verdict.THROTTLE)
