"""What AWS has to know of a job besides its operation and its objects."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

ReportScope = Literal["AllTasks", "FailedTasksOnly"]
NO_TAGS: Mapping[str, str] = MappingProxyType({})


class ManagedSettings(NamedTuple):
    """
    How a job of AWS S3 Batch Operations is created.

    Attributes:
        account_id: 12 digits; the account that owns the job.
        region: where the job runs: the objects' Region, for copies the destination's.
        role_arn: IAM role that AWS assumes; it trusts ``batchoperations.s3.amazonaws.com``, and the caller may pass it.
        priority: 0 to 2147483647; higher ones first, relative to the account's other jobs in the Region.
        confirmation_required: the job waits as ``Suspended`` until it is confirmed, for 30 days at most.
        description: up to 220 characters; a mark is added by which the job is found again.
        tags: up to 50 of the job (not of the objects).
        report_scope: ``FailedTasksOnly`` makes a shorter report; what it does not list has succeeded if AWS's counts
            say so, too.
        expected_bucket_owner: AWS writes its report only if the bucket's owner is this account; ``True`` stands for
            *account_id*, ``False`` for whoever it is.
        manifest_generator: CreateJob's ``S3JobManifestGenerator``: AWS lists the objects itself, by its own filters,
            instead of taking the manifest.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_CreateJob.html
    """

    account_id: str
    region: str
    role_arn: str
    priority: int = 10
    confirmation_required: bool = False
    description: str = ""
    tags: Mapping[str, str] = NO_TAGS
    report_scope: ReportScope = "AllTasks"
    expected_bucket_owner: bool | str = True
    manifest_generator: Mapping[str, Any] | None = None
