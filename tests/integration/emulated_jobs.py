"""Whole jobs of the emulator on a real server, as AWS's own service would run them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from typing import Any, NamedTuple

from airflow_s3batch.core.completion_report import ReportRow, parse_rows
from airflow_s3batch.core.keys import decode_key, encode_key
from airflow_s3batch.testing import S3BatchEmulator, Server

FIELDS = ("Bucket", "Key")
WITH_VERSIONS = (*FIELDS, "VersionId")


class Ended(NamedTuple):
    """A job that has ended: what DescribeJob says, and the rows of its report by key."""

    job: dict[str, Any]
    rows: dict[str, ReportRow]

    @property
    def counts(self) -> tuple[int, int, int]:
        """All, succeeded and failed tasks."""
        summary = self.job["ProgressSummary"]
        names = ("TotalNumberOfTasks", "NumberOfTasksSucceeded", "NumberOfTasksFailed")
        total, succeeded, failed = (summary[name] for name in names)
        return total, succeeded, failed


class EmulatedJobs:
    """Creates jobs with boto3 and reads their reports; manifests and reports lie in the bucket *ops*."""

    def __init__(self, server: Server, emulator: S3BatchEmulator, ops: str) -> None:
        self.server = server
        self.emulator = emulator
        self.ops = ops
        self.s3 = server.client()
        self.control = emulator.client()
        self._manifests = 0

    def put(self, bucket: str, keys: Iterable[str], **arguments: Any) -> dict[str, str]:
        """Store an object under each key; return their version ids, empty without versions."""
        return {
            key: self.s3.put_object(Bucket=bucket, Key=key, Body=b"body", **arguments).get("VersionId", "")
            for key in keys
        }

    def manifest(self, lines: Iterable[str], fields: tuple[str, ...] = FIELDS) -> dict[str, Any]:
        """Store a CSV manifest of *lines* and return CreateJob's ``Manifest`` of it."""
        self._manifests += 1
        key = f"manifests/{self._manifests}.csv"
        reply = self.s3.put_object(Bucket=self.ops, Key=key, Body="".join(f"{line}\n" for line in lines).encode())
        return {
            "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": list(fields)},
            "Location": {"ObjectArn": f"arn:aws:s3:::{self.ops}/{key}", "ETag": reply["ETag"]},
        }

    def create(self, bucket: str, keys: Iterable[str], operation: dict[str, Any], **changes: Any) -> str:
        """Create a job on *keys* of *bucket* (names with a tab in them are ``key<tab>version id``)."""
        if "Manifest" not in changes and "ManifestGenerator" not in changes:
            rows = [key.split("\t") for key in keys]
            fields = FIELDS if len(rows[0]) == 1 else WITH_VERSIONS
            changes["Manifest"] = self.manifest(
                (",".join([bucket, encode_key(key), *version]) for key, *version in rows), fields
            )
        request = {
            "AccountId": self.emulator.account_id,
            "ConfirmationRequired": False,
            "Operation": operation,
            "Priority": 1,
            "RoleArn": f"arn:aws:iam::{self.emulator.account_id}:role/batch",
            "Report": {
                "Enabled": True,
                "Bucket": f"arn:aws:s3:::{self.ops}",
                "Format": "Report_CSV_20180820",
                "ReportScope": "AllTasks",
                "Prefix": "reports",
                "ExpectedBucketOwner": self.emulator.account_id,
            },
        } | changes
        request = {name: value for name, value in request.items() if value is not None}
        return str(self.control.create_job(**request)["JobId"])

    def run(self, bucket: str, keys: Iterable[str], operation: dict[str, Any], **changes: Any) -> Ended:
        """Create a job and wait for its end."""
        job_id = self.create(bucket, keys, operation, **changes)
        self.emulator.wait(job_id)
        job = self.control.describe_job(AccountId=self.emulator.account_id, JobId=job_id)["Job"]
        return Ended(job, self.rows(job_id))

    def rows(self, job_id: str) -> dict[str, ReportRow]:
        """Return the rows of a report by key and version; none without a report."""
        place = f"reports/job-{job_id}/manifest.json"
        if not self.s3.list_objects_v2(Bucket=self.ops, Prefix=place).get("Contents"):
            return {}
        manifest = json.loads(self._read(place))
        found = {}
        for entry in manifest["Results"]:
            for row in parse_rows(self._read(entry["Key"]).decode(), place=entry["Key"]):
                assert row.task_status == entry["TaskExecutionStatus"]
                found["\t".join([decode_key(row.key), *filter(None, [row.version_id])])] = row
        return found

    def tags(self, bucket: str, key: str, **version: str) -> dict[str, str]:
        reply = self.s3.get_object_tagging(Bucket=bucket, Key=key, **version)
        return {tag["Key"]: tag["Value"] for tag in reply["TagSet"]}

    def lambda_function(self, source: str) -> str:
        """Make a Lambda function of *source* and return its ARN."""
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("function.py", source)
        client = self.emulator.access().client("lambda")
        reply = client.create_function(
            FunctionName="task",
            Runtime="python3.12",
            Role=f"arn:aws:iam::{self.emulator.account_id}:role/function",
            Handler="function.handler",
            Code={"ZipFile": code.getvalue()},
        )
        return str(reply["FunctionArn"])

    def _read(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.ops, Key=key)["Body"].read())
