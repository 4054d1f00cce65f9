"""
Reads manifests as S3 Batch Operations does while a job is Preparing.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/specify-batchjob-manifest.html
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import botocore.exceptions

from airflow_s3batch.testing.emulator.jobs import JobFailure
from airflow_s3batch.testing.emulator.rules import MANIFEST_CSV
from airflow_s3batch.testing.emulator.tasks import INVALID_CONTENT, Task

_FORBIDDEN = frozenset({"AccessDenied", "403", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


def tasks_of(client: Any, manifest: Mapping[str, Any]) -> Iterator[Task]:
    """
    Yield the tasks that CreateJob's *manifest* lists; *client* is boto3's for S3.

    Raises:
        JobFailure: it can't be read, or is not what CreateJob said.
    """
    body = _manifest_body(client, manifest["Location"])
    if manifest["Spec"]["Format"] == MANIFEST_CSV:
        yield from csv_tasks(body, manifest["Spec"]["Fields"])
    else:
        yield from inventory_tasks(client, body)


def csv_tasks(body: bytes, fields: Sequence[str]) -> Iterator[Task]:
    """
    Yield the tasks of the CSV manifest *body* with columns *fields*.

    Raises:
        JobFailure: a row has another number of columns, or only some name a version.
    """
    has_versions = None
    for number, row in enumerate(_rows(body), start=1):
        if len(row) != len(fields):
            raise _invalid(f"row {number} has {len(row)} columns, the schema {len(fields)}")
        values = dict(zip(fields, row, strict=True))
        version_id = values.get("VersionId", "")
        if has_versions not in (None, bool(version_id)):
            raise _invalid(f"row {number}: all rows name a VersionId, or none does")
        has_versions = bool(version_id)
        yield Task(values["Bucket"], values["Key"], version_id)


def inventory_tasks(client: Any, body: bytes) -> Iterator[Task]:
    """
    Yield the tasks of the inventory whose ``manifest.json`` is *body*.

    Raises:
        JobFailure: it is none, or not of CSV files, or a file is missing or damaged.
    """
    try:
        data = json.loads(body)
        fields = [field.strip() for field in data["fileSchema"].split(",")]
        file_format, bucket = data["fileFormat"], data["destinationBucket"].removeprefix("arn:aws:s3:::")
        files = [(entry["key"], entry["MD5checksum"]) for entry in data["files"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _invalid(f"not the manifest.json of an inventory ({error!r})") from None
    if file_format != "CSV":
        raise _invalid(f"fileFormat is {file_format}; only inventories in CSV can be used")
    if missing := [name for name in ("Bucket", "Key") if name not in fields]:
        raise JobFailure(INVALID_CONTENT, f"Required fields are missing in the schema: {', '.join(missing)}")
    for key, md5 in files:
        compressed = _read(client, {"Bucket": bucket, "Key": key})[0]
        if hashlib.md5(compressed, usedforsecurity=False).hexdigest() != md5:
            raise _invalid(f"{key} does not have the MD5checksum that manifest.json tells")
        yield from _inventory_rows(_unzipped(compressed, key), fields)


def _inventory_rows(body: bytes, fields: Sequence[str]) -> Iterator[Task]:
    for number, row in enumerate(_rows(body), start=1):
        if len(row) != len(fields):
            raise _invalid(f"row {number} has {len(row)} columns, fileSchema {len(fields)}")
        values = dict(zip(fields, row, strict=True))
        version_id = values.get("VersionId", "")
        yield Task(values["Bucket"], values["Key"], version_id, "VersionId" in fields and not version_id)


def _manifest_body(client: Any, location: Mapping[str, Any]) -> bytes:
    bucket, _, key = location["ObjectArn"].split(":", 5)[5].partition("/")
    place = {"Bucket": bucket, "Key": key}
    if version_id := location.get("ObjectVersionId"):
        place["VersionId"] = version_id
    body, e_tag = _read(client, place)
    if e_tag != location["ETag"].strip('"'):
        raise JobFailure("InvalidManifest", "The ETag of the manifest is not the one that the job was created with")
    return body


def _read(client: Any, place: Mapping[str, str]) -> tuple[bytes, str]:
    try:
        reply = client.get_object(**place)
        return reply["Body"].read(), reply["ETag"].strip('"')
    except botocore.exceptions.ClientError as error:
        code = error.response["Error"].get("Code", "")
        if code in _FORBIDDEN:
            raise JobFailure("ManifestReadAccessDenied", "Reading the manifest is forbidden: AccessDenied") from error
        raise JobFailure("ManifestNotReadable", f"Reading the manifest failed: {code}") from error
    except botocore.exceptions.BotoCoreError as error:
        raise JobFailure("ManifestNotReadable", f"Reading the manifest failed: {error}") from error


def _rows(body: bytes) -> Iterable[list[str]]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise _invalid("the file is not in UTF-8") from None
    try:
        yield from csv.reader(io.StringIO(text, newline=""), strict=True)
    except csv.Error as error:
        raise _invalid(f"the file is not CSV ({error})") from None


def _unzipped(compressed: bytes, key: str) -> bytes:
    try:
        return gzip.decompress(compressed)
    except (OSError, EOFError, zlib.error):
        raise _invalid(f"{key} is not compressed with gzip") from None


def _invalid(told: str) -> JobFailure:
    return JobFailure(INVALID_CONTENT, f"Invalid Manifest Content: {told}")
