"""
A reader of completion reports written after AWS's documentation alone; it knows nothing of this package's code.

Columns are found as users of AWS's reports find them: by the position in which AWS really writes them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote_plus


class Row(NamedTuple):
    bucket: str
    key: str
    version_id: str
    task_status: str
    http_status_code: str
    error_code: str
    result_message: str


def read(get: Callable[[str, str], bytes], bucket: str, manifest_key: str) -> list[Row]:
    """Return all rows of the report whose manifest *get* finds in *bucket*; every claim of the manifest is checked."""
    document = json.loads(get(bucket, manifest_key))
    assert set(document) == {"Format", "ReportCreationDate", "Results", "ReportSchema"}
    assert document["Format"] == "Report_CSV_20180820"
    assert document["ReportSchema"] == "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"
    rows = []
    for result in document["Results"]:
        assert set(result) == {"TaskExecutionStatus", "Bucket", "MD5Checksum", "Key"}
        body = get(result["Bucket"], result["Key"])
        assert hashlib.md5(body).hexdigest() == result["MD5Checksum"]
        for fields in csv.reader(io.StringIO(body.decode("utf-8"), newline="")):
            row = Row(*fields)
            assert row.task_status == result["TaskExecutionStatus"]
            rows.append(row._replace(key=unquote_plus(row.key)))
    return rows
