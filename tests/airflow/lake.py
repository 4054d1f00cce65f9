"""Buckets with objects, and inventories of them."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_s3batch.reports import read_report
from airflow_s3batch.testing import write_inventory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from airflow_s3batch.testing import Server


class Lake:
    """One bucket of objects, one for inventories, one for jobs, with names of their own."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client = server.client()
        suffix = secrets.token_hex(4)
        self.bucket, self.target = f"lake-{suffix}", f"target-{suffix}"
        self._inventories, self._jobs = f"inventories-{suffix}", f"ops-{suffix}"
        for name in (self.bucket, self.target, self._inventories, self._jobs):
            self.client.create_bucket(Bucket=name)
        self.inventory = f"s3://{self._inventories}/{self.bucket}/daily"
        self.job_url = f"s3://{self._jobs}/s3batch"

    def put(self, keys: Iterable[str], **more: Any) -> dict[str, dict[str, Any]]:
        """Make objects; return an inventory row for each key."""
        rows = {}
        for key in keys:
            body = f"body of {key}".encode()
            reply = self.client.put_object(Bucket=self.bucket, Key=key, Body=body, **more)
            rows[key] = {
                "key": key,
                "size": len(body),
                "e_tag": reply["ETag"].strip('"'),
                "last_modified_date": datetime.now(UTC),
                "storage_class": "STANDARD",
                "encryption_status": "NOT-SSE",
            }
        return rows

    def deliver(self, rows: Iterable[Mapping[str, Any]], age: timedelta = timedelta(hours=3)) -> str:
        """Write an inventory delivery; return the URL of its ``manifest.json``."""
        return write_inventory(
            self.client, f"s3://{self._inventories}", self.bucket, rows, created=datetime.now(UTC) - age
        )

    def tags(self, key: str) -> dict[str, str]:
        """Return the object's tags."""
        tags = self.client.get_object_tagging(Bucket=self.bucket, Key=key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in tags}

    def keys(self, bucket: str) -> set[str]:
        """Return all keys of *bucket*."""
        return {entry["Key"] for entry in self.client.list_objects_v2(Bucket=bucket).get("Contents", ())}

    def job_files(self) -> set[str]:
        """Return all keys under the jobs' folder."""
        return self.keys(self._jobs)

    def json(self, url: str) -> Any:
        """Return the JSON document at *url*."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        return json.loads(self.client.get_object(Bucket=bucket, Key=key)["Body"].read())

    def report(self, url: str) -> pd.DataFrame:
        """Return the completion report at *url*."""
        return read_report(url, session=self.server.session(), endpoint_url=self.server.endpoint_url)
