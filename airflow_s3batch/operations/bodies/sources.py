"""The source of a copy: how requests name it, and how it is looked at through its own connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import quote

from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations.requests import Call, Errand, Request, Response, Steps

Headers = tuple[tuple[str, str], ...]
T = TypeVar("T")

HEAD_SOURCE = Call("HeadObject", wants_headers=True, from_source=True)
HEAD_WITH_CHECKSUM = Call("HeadObject", {"ChecksumMode": "ENABLED"}, wants_headers=True, from_source=True)
SOURCE_TAGGING = Call("GetObjectTagging", from_source=True)
PAYER: Headers = (("x-amz-request-payer", "requester"),)


def copy_source(obj: S3Object) -> str:
    """Return the value of the copy source header for *obj*."""
    place = f"{obj.bucket}/object" if obj.bucket.startswith("arn:") else obj.bucket
    source = f"{place}/{encode_key(obj.key)}"
    return f"{source}?versionId={quote(obj.version_id, safe='-_.~')}" if obj.version_id is not None else source


def through_source(steps: Steps[T], calls: dict[Call, Call], headers: Headers = ()) -> Steps[T]:
    """
    Take *steps* with the connection of the source, with *headers* on each request.

    *calls* keeps the twin of each call between objects, for the engine prepares a call once.
    """
    response: Response | None = None
    while True:
        try:
            request = next(steps) if response is None else steps.send(response)
        except StopIteration as stop:
            result: T = stop.value
            return result
        response = yield request if isinstance(request, Errand) else _twin(request, calls, headers)


def _twin(request: Request, calls: dict[Call, Call], headers: Headers) -> Request:
    call = request.call
    if call not in calls:
        calls[call] = Call(
            call.api, call.params, wants_headers=call.wants_headers, is_filled=call.is_filled, from_source=True
        )
    return request._replace(call=calls[call], headers=(*request.headers, *headers))


def e_tag_in(headers: Mapping[str, str]) -> str:
    """Return the ETag among response *headers*, without quotes; empty if there is none."""
    return headers.get("etag", "").strip('"')
