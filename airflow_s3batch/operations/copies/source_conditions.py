"""Conditions that the source of a copy has to fulfil, object by object."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations.bodies.sources import Headers
from airflow_s3batch.operations.copies.target_keys import own_value
from airflow_s3batch.operations.moments import http_date

CONDITIONS = tuple(f"copy_source_if_{name}" for name in ("match", "none_match", "modified_since", "unmodified_since"))
"""The fields of copies that hold them."""


def condition_headers(copy: Any, obj: S3Object) -> Headers:
    """
    Return the headers of the conditions that *copy* has for *obj*.

    Raises:
        ArgumentError: a column that holds one is null, for a condition is never left out in silence.
        ManifestError: the manifest has no such column.
        ValueError: a column that should hold a time holds none.
    """
    found = []
    for name in CONDITIONS:
        declared = getattr(copy, name)
        value = own_value(declared, obj, copy.name)
        if value is None and declared is not None:
            raise ArgumentError(f"{copy.name}: {name}: column {declared.name!r} is null")
        if value is not None:
            text = http_date(value) if name.endswith("since") else '"{}"'.format(str(value).strip('"'))
            found.append((f"x-amz-{name.replace('_', '-')}", text))
    return tuple(found)


def unfulfilled(conditions: Headers, head: Mapping[str, str]) -> str:
    """
    Return which of *conditions* a source with HeadObject's headers *head* does not fulfil; empty if it does.

    As S3 judges them: where a condition by ETag is given, the one by time that goes with it does not count.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """
    wanted = {name.removeprefix("x-amz-copy-source-if-"): value for name, value in conditions}
    e_tag, written = head.get("etag", "").strip('"'), _moment(head.get("last-modified", ""))
    if "match" in wanted:
        if wanted["match"].strip('"') != e_tag:
            return f"its ETag is {e_tag}"
    elif written and "unmodified-since" in wanted and written > parsedate_to_datetime(wanted["unmodified-since"]):
        return f"it was written on {head['last-modified']}"
    if "none-match" in wanted:
        return f"its ETag is {e_tag}" if wanted["none-match"].strip('"') == e_tag else ""
    if written and "modified-since" in wanted and written <= parsedate_to_datetime(wanted["modified-since"]):
        return f"it was written on {head['last-modified']}"
    return ""


def _moment(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
