"""From what libcurl returned to a `Response` with a name for the failure, and the verdict on it."""

from __future__ import annotations

import json
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from html import unescape

from airflow_s3batch.core.verdicts import Verdict, code_of_status, transport_failure, verdict_for
from airflow_s3batch.engine.wire.transport import Answer
from airflow_s3batch.operations.requests import Call, Response

RESULTS_IN_200 = {
    "CopyObject": b"CopyObjectResult",
    "UploadPartCopy": b"CopyPartResult",
    "CompleteMultipartUpload": b"CompleteMultipartUploadResult",
}
"""APIs that answer 200 at once and tell of a failure in the body: only this element in it means success."""

_EXPLAINED = frozenset({400, 403, 404})

_BODY_IS_CONTENT = frozenset({"GetObject", "Invoke"})
_MESSAGE_CHARACTERS = 500
_IS_ERROR = re.compile(rb"\s*(<\?xml[^>]*>\s*)?<Error[\s>]|\s*<(!doctype )?html", re.IGNORECASE).match
_CODE = re.compile(r"[\w.:-]{1,100}", re.ASCII).fullmatch


def judged(answer: Answer, api: str, *, is_retried: bool) -> tuple[Response, Verdict | None]:
    """
    Return the response, and what to do about it: ``None`` if the request succeeded.

    *is_retried*: an earlier try of the same request may have been executed.
    """
    if answer.curl_error:
        code, verdict = transport_failure(answer.curl_error, answer.curl_message)
        return Response(0, {}, b"", code, _one_line(answer.curl_message) or code, is_retried), verdict
    status, body = answer.status, answer.body
    is_ok = 200 <= status < 300
    if (
        is_ok
        and RESULTS_IN_200.get(api, b"") in body
        and not (body and _IS_ERROR(body) and api not in _BODY_IS_CONTENT)
    ):
        return Response(status, answer.headers, body, "", "", is_retried), None
    if "x-amzn-errortype" in answer.headers:
        code, message = _json_error(answer)
    else:
        code, message = _element(body, b"Code"), _element(body, b"Message")
    if not _CODE(code):
        code = "InternalError" if is_ok else code_of_status(status, has_body=api != "HeadObject")
    message = message or f"HTTP {status} without an explanation"
    if request_id := _element(body, b"RequestId"):
        message = f"{message} (RequestId {request_id})"
    verdict = verdict_for(status, code)
    return Response(status, answer.headers, body, code, _one_line(message), is_retried), verdict


def needs_explanation(call: Call, status: int) -> bool:
    """Return whether a GET has to be asked why a HEAD, which has no body, was refused with *status*."""
    is_expected = call.may_be_absent and status == 404
    return call.api == "HeadObject" and status in _EXPLAINED and not is_expected


def explained(head: Response, get: Response, verdict: Verdict | None, *, is_unsure: bool) -> tuple[Response, Verdict]:
    """
    Return what the refusal of *head*, which has no body, means after *get* was asked for the same object.

    *verdict* is the one on *get*. Where a GET is allowed and the HEAD was not, clock or credentials may have been set
    right between the two, for another object's sake: while *is_unsure*, the HEAD is worth another try.
    """
    if verdict is None or get.status == 416:  # there is an object, maybe an empty one
        if head.status == 404:
            code = code_of_status(404, has_body=True)
            return head._replace(error_code=code, message="HTTP 404 to a HEAD, but a GET finds it"), Verdict.RETRY
        return head, Verdict.RETRY if is_unsure else Verdict.FAIL
    if get.status == head.status and verdict is Verdict.FAIL:
        return head._replace(error_code=get.error_code, message=get.message), verdict
    return get, verdict


def names_its_error(response: Response) -> bool:
    """Return whether *response* has an error of the store's own; a bare status may be a gateway's."""
    return "x-amzn-errortype" in response.headers or b"<Code>" in response.body


def server_time(response: Response) -> float | None:
    """Return the server's Unix time as a RequestTimeTooSkewed body or a Date header tells it."""
    if text := _element(response.body, b"ServerTime"):
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError:
            return None
    if date := response.headers.get("date"):
        try:
            return parsedate_to_datetime(date).timestamp()
        except (TypeError, ValueError):
            return None
    return None


def _json_error(answer: Answer) -> tuple[str, str]:
    """
    Return code and message of an error of Lambda, whose body is JSON.

    Source:
        https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html (operation error serialization)
    """
    code = answer.headers["x-amzn-errortype"].partition(":")[0].rpartition("#")[2]
    try:
        body = json.loads(answer.body)
        message = str(body.get("message") or body.get("Message") or "")
    except (ValueError, AttributeError):
        message = answer.body.decode("utf-8", "replace")
    if request_id := answer.headers.get("x-amzn-requestid"):
        message = f"{message} (RequestId {request_id})"
    return code, message


def _element(body: bytes, name: bytes) -> str:
    found = re.search(b"<" + name + b">(.*?)</" + name + b">", body, re.DOTALL)
    return unescape(found.group(1).decode("utf-8", "replace")).strip() if found else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_MESSAGE_CHARACTERS]
