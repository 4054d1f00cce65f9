"""Whether an object version has the retention and the legal hold that it was given."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.moments import iso_text, moment_of
from airflow_s3batch.operations.requests import Call, Request, Response, Steps
from airflow_s3batch.operations.verification import differs, gone

READ_RETENTION = frozenset({"s3:GetObjectRetention"})
READ_HOLD = frozenset({"s3:GetObjectLegalHold"})
_GET_RETENTION = Call("GetObjectRetention", wants_headers=True)
_GET_HOLD = Call("GetObjectLegalHold", wants_headers=True)
_NONE_SET = frozenset({"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "NoSuchRetention"})


def retention_shown(
    obj: S3Object, mode: str | None, untils: Collection[datetime], event: Mapping[str, str]
) -> Steps[Outcome | None]:
    """
    Look whether *obj* is retained in *mode* until one of *untils*, or not at all if *mode* is ``None`` and *event* too.

    *event* has what GetObjectRetention is to show of an event hold, by the names of its elements.
    """
    response = yield Request(_GET_RETENTION, obj.bucket, obj.key, obj.version_id)
    if not response.is_success and not _says_none(response):
        return gone(response)
    shown = {name: _element(response.body, name) for name in ("Mode", "RetainUntilDate", *event)}
    if mode is None and not event:
        return differs("RetentionDiffers", f"retained: {_told(shown)}") if shown["Mode"] else None
    until = _moment(shown["RetainUntilDate"])
    is_right = mode is None or (shown["Mode"] == mode and until in {each.replace(microsecond=0) for each in untils})
    if is_right and all(shown[name] == value for name, value in event.items()):
        return None
    wanted = [str(mode or ""), *(iso_text(each) for each in sorted(untils)), *event.values()]
    return differs("RetentionDiffers", f"retained: {_told(shown)}; should be: {' '.join(filter(None, wanted))}")


def hold_shown(obj: S3Object, status: str) -> Steps[Outcome | None]:
    """Look whether the legal hold of *obj* is *status*, ``ON`` or ``OFF``; one that was never put is ``OFF``."""
    response = yield Request(_GET_HOLD, obj.bucket, obj.key, obj.version_id)
    if not response.is_success and not _says_none(response):
        return gone(response)
    shown = _element(response.body, "Status") if response.is_success else ""
    return None if (shown or "OFF") == status else differs("LegalHoldDiffers", f"it is {shown or 'OFF'}, not {status}")


def _says_none(response: Response) -> bool:
    return response.error_code in _NONE_SET


def _element(body: bytes, name: str) -> str:
    found = re.search(rb"<" + name.encode() + rb">\s*([^<]*?)\s*</", body)
    return found[1].decode("utf-8", "replace") if found else ""


def _told(shown: Mapping[str, str]) -> str:
    return " ".join(filter(None, shown.values())) or "not at all"


def _moment(text: str) -> datetime | None:
    try:
        return moment_of(text).replace(microsecond=0)
    except ValueError:
        return None
