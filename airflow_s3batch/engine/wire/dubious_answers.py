"""
Answers that boto3 takes at their word although no store gives them, and what it is made to do: ask again.

A proxy that does not know where the store is, say while that restarts, answers 404; others answer 200 with an empty
body, or with a page of their own. Taken for the store's word, files would be missing that are there: a job would begin
anew on top of itself, and what must not be done twice would be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_s3batch.core.verdicts import EXPIRED_KEYS, Verdict, verdict_for
from airflow_s3batch.engine.wire.credentials import SessionCredentials

_TRIES = 3
_PAUSE_S = 0.3
_NOT_FOUND = 404
_BAD_REQUEST = "400"
"""What boto3 makes of a 400 to a HEAD, whose answer has no body: expired credentials, mostly."""

_OF_FILES = frozenset({"DeleteObject", "DeleteObjects", "GetObject", "ListObjectsV2", "PutObject"})
_IN_LISTINGS = frozenset({"CommonPrefixes", "Contents", "IsTruncated", "KeyCount", "MaxKeys", "Name"})


def ask_again(client: Any) -> None:
    """
    Have *client*, boto3's for S3, send again what was answered like that, or refused for expired credentials.

    Three times at most; refreshable credentials are refreshed before. The last answer is handed on as it is.
    """
    credentials = SessionCredentials(client._request_signer._credentials)  # noqa: SLF001 - as resolved

    def pause_s(response: Any, attempts: int, operation: Any, **_: Any) -> float | None:
        if response is None or attempts >= _TRIES:
            return None
        status, reply = response[0].status_code, response[1]
        code = reply.get("Error", {}).get("Code", "")
        is_stale = credentials.is_refreshable and code in (*EXPIRED_KEYS, _BAD_REQUEST)
        if is_stale or verdict_for(status, code) is Verdict.CREDENTIALS:
            credentials.renew()
        elif not _is_dubious(operation, status, reply):
            return None
        return _PAUSE_S * attempts

    client.meta.events.register("needs-retry.s3", pause_s)


def _is_dubious(operation: Any, status: int, reply: Mapping[str, Any]) -> bool:
    if status >= 300:
        return operation.name in _OF_FILES and is_unexplained(reply)
    return (operation.name == "ListObjectsV2" and not is_listing(reply)) or (
        operation.name == "PutObject" and not reply.get("ETag")
    )


def is_unexplained(reply: Mapping[str, Any]) -> bool:
    """Return whether *reply*, boto3's, is a 404 without a code: to anything but a HEAD none of the store's."""
    is_missing = reply.get("ResponseMetadata", {}).get("HTTPStatusCode") == _NOT_FOUND
    return is_missing and reply.get("Error", {}).get("Code", "") in ("", str(_NOT_FOUND))


def is_listing(reply: Mapping[str, Any]) -> bool:
    """Return whether *reply*, boto3's to ListObjectsV2, is a listing, and tells where the next page begins if any."""
    is_whole = not reply.get("IsTruncated") or bool(reply.get("NextContinuationToken"))
    return is_whole and not _IN_LISTINGS.isdisjoint(reply)
