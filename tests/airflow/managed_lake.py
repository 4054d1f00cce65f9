"""A lake in front of which AWS S3 Batch Operations is emulated."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from lake import Lake

from airflow_s3batch.operators import managed_arguments
from airflow_s3batch.testing import S3BatchEmulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from airflow_s3batch.testing import Server

KEYS = [f"team-{number % 3}/{number:03d} ü+%.csv" for number in range(30)]


class Crash(BaseException):
    """The worker dies here."""


class ManagedLake(Lake):
    """A lake, and the jobs of AWS that work on it."""

    def __init__(self, server: Server, aws: S3BatchEmulator) -> None:
        super().__init__(server)
        self.aws = aws
        self.role = f"arn:aws:iam::{aws.account_id}:role/batch"
        self._before = {job["JobId"] for job in self._all_jobs()}

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """AWS's jobs since the lake was made, oldest first, as DescribeJob tells them."""
        control = self.aws.client()
        made = [
            control.describe_job(AccountId=self.aws.account_id, JobId=job["JobId"])["Job"]
            for job in self._all_jobs()
            if job["JobId"] not in self._before
        ]
        return sorted(made, key=lambda job: job["CreationTime"])

    def tags_with(self, keys: list[str], value: str) -> None:
        """Let somebody else tag *keys*, so that a test sees whether they are tagged again."""
        for key in keys:
            tagging = {"TagSet": [{"Key": "checked", "Value": value}]}
            self.client.put_object_tagging(Bucket=self.bucket, Key=key, Tagging=tagging)

    def _all_jobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.aws.client().list_jobs(AccountId=self.aws.account_id, MaxResults=1000)[
            "Jobs"
        ]
        return found


@contextlib.contextmanager
def managed_lake(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedLake]:
    """New buckets, and the connection ``aws_default`` to them and to an emulator of AWS's jobs; looks cost no time."""
    with S3BatchEmulator(server) as aws:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", aws.airflow_connection_uri())
        monkeypatch.setattr(managed_arguments, "LEAST_POLL_INTERVAL_S", 0)
        yield ManagedLake(server, aws)
