"""The CreateJob request of a round."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_s3batch.core.completion_report import FORMAT as REPORT_FORMAT
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.managed.settings import ManagedSettings
from airflow_s3batch.managed.settings_problems import (
    MOST_PREFIX_CHARACTERS,
    knows_member,
    settings_problems,
    shape_problems,
)
from airflow_s3batch.operations.base import Operation

CSV_FORMAT = "S3BatchOperations_CSV_20180820"
_MOST_ARN_CHARACTERS = 2000
_MARK_CHARACTERS = 16


class CsvManifest(NamedTuple):
    """
    A manifest in AWS's CSV form.

    Attributes:
        e_tag: as the store gave it, without quotes; AWS refuses a file that has another.
        has_versions: whether there is a VersionId column.
    """

    url: S3Url
    e_tag: str
    rows: int
    has_versions: bool


def round_token(*names: object) -> str:
    """Return CreateJob's ClientRequestToken, 64 hex digits, of what makes a round unique: *names* are JSON-ready."""
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()


def mark_of(token: str) -> str:
    """Return what stands in the description of the job with this *token*, by which it is found in a list of jobs."""
    return f"[s3batch {token[:_MARK_CHARACTERS]}]"


def create_job_request(
    operation: Operation, settings: ManagedSettings, *, token: str, manifest: CsvManifest | None, report: S3Url
) -> dict[str, Any]:
    """
    Return CreateJob's request, JSON-ready (times are ISO texts, which botocore takes).

    Args:
        operation: `Operation.managed_problems` has found nothing.
        settings: of the job.
        token: makes a repeat of the request harmless.
        manifest: the objects; ``None`` if *settings* have a manifest generator.
        report: folder below which AWS writes its report.

    Raises:
        ArgumentError: lists all that AWS would not accept.
    """
    found = settings_problems(settings)
    if (manifest is None) is (settings.manifest_generator is None):
        found.append("a job takes either a manifest or a manifest generator")
    if len(report.key) > MOST_PREFIX_CHARACTERS:
        found.append(
            f"the report's prefix has {len(report.key)} characters, AWS takes {MOST_PREFIX_CHARACTERS}; "
            f"shorten job_url or the ids of Dag and task: {report}"
        )
    if not found:
        request: dict[str, Any] = json.loads(
            json.dumps(_request(operation, settings, token, manifest, report), default=_iso)
        )
        found = shape_problems("CreateJobRequest", request)
    if found:
        raise ArgumentError.of(f"{type(operation).__name__} with engine='managed'", found)
    return request


def _request(
    operation: Operation, settings: ManagedSettings, token: str, manifest: CsvManifest | None, report: S3Url
) -> dict[str, Any]:
    partition = settings.role_arn.split(":")[1]
    tags = [{"Key": key, "Value": value} for key, value in settings.tags.items()]
    return {
        "AccountId": settings.account_id,
        "ConfirmationRequired": settings.confirmation_required,
        "Operation": operation.create_job_operation(),
        "Report": _report(settings, report, partition),
        "ClientRequestToken": token,
        **_objects(settings, manifest, partition),
        "Description": " ".join(filter(None, (settings.description, mark_of(token)))),
        "Priority": settings.priority,
        "RoleArn": settings.role_arn,
        **({"Tags": tags} if tags else {}),
    }


def _report(settings: ManagedSettings, report: S3Url, partition: str) -> dict[str, Any]:
    owner = settings.expected_bucket_owner
    if owner is True and not knows_member("JobReport", "ExpectedBucketOwner"):
        owner = False  # an older botocore, which has none of the operations that need it
    expected = {"ExpectedBucketOwner": settings.account_id if owner is True else str(owner)} if owner else {}
    return {
        "Bucket": f"arn:{partition}:s3:::{report.bucket}",
        "Format": REPORT_FORMAT,
        "Enabled": True,
        "Prefix": report.key,
        "ReportScope": settings.report_scope,
        **expected,
    }


def _objects(settings: ManagedSettings, manifest: CsvManifest | None, partition: str) -> Mapping[str, Any]:
    if manifest is None:
        return {"ManifestGenerator": {"S3JobManifestGenerator": settings.manifest_generator}}
    arn = f"arn:{partition}:s3:::{manifest.url.bucket}/{manifest.url.key}"
    if len(arn) > _MOST_ARN_CHARACTERS:
        raise ArgumentError(f"{manifest.url}: its ARN has more than {_MOST_ARN_CHARACTERS} characters; shorten job_url")
    fields = ["Bucket", "Key", *(["VersionId"] if manifest.has_versions else [])]
    return {
        "Manifest": {
            "Spec": {"Format": CSV_FORMAT, "Fields": fields},
            "Location": {"ObjectArn": arn, "ETag": manifest.e_tag},
        }
    }


def _iso(value: Any) -> str:
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in a request")
