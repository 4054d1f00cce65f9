"""A lake in front of which AWS S3 Batch Operations is emulated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lake import Lake

if TYPE_CHECKING:
    from airflow_s3batch.testing import S3BatchEmulator, Server


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
