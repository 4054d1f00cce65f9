"""`S3BatchHook`: AWS S3 Batch Operations through an Airflow connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from airflow_s3batch.core.errors import ArgumentError, InfrastructureError, S3BatchError
from airflow_s3batch.hooks.s3 import access_of, connection_error
from airflow_s3batch.managed.settings_problems import is_account_id

if TYPE_CHECKING:
    from airflow_s3batch.managed import JobControl, JobProgress

CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


class S3BatchHook(AwsBaseHook):
    """
    Make jobs of AWS S3 Batch Operations, look after them, change them.

    Where the connection has an ``endpoint_url`` for the service ``s3control`` (in ``service_config``), or one for all
    services, requests go there.

    Args:
        account_id: the account whose jobs these are, 12 digits; that of the credentials, asked of STS, if left out.
        args: what `AwsBaseHook` takes.
        kwargs: likewise: ``aws_conn_id``, ``region_name``, ``verify``, ``config``.
    """

    def __init__(self, *args: Any, account_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "client_type": "s3control"})
        if account_id is not None and not is_account_id(account_id):
            raise ArgumentError(f"account_id={account_id!r} is not an AWS account: 12 digits, as a text")
        self._account_id = account_id

    @property
    def account_id(self) -> str:
        """
        The account whose jobs these are; asks STS, once, if it was not given.

        Raises:
            AccessError: STS refuses, or there are no credentials.
            InfrastructureError: STS can't be reached.
        """
        if self._account_id is None:
            try:
                self._account_id = str(super().account_id)
            except Exception as error:
                raise _no_account(connection_error(self.aws_conn_id, error)) from error
        return self._account_id

    @cached_property
    def conn(self) -> Any:
        """
        The s3control client, for calls that this hook has no method for, and for waiters.

        Raises:
            AccessError: the connection can't be used.
        """
        from airflow_s3batch.managed.control import jobs_client

        return jobs_client(access_of(self))

    @cached_property
    def control(self) -> JobControl:
        """
        AWS's jobs, every failure a sentence; safe to share between threads. Blocks on Airflow's API when first used.

        Raises:
            AccessError: the connection can't be used.
        """
        from airflow_s3batch.managed import S3JobControl

        return S3JobControl(access_of(self))

    @property
    def region(self) -> str:
        """
        The Region in which jobs are made.

        Raises:
            AccessError: neither arguments nor connection name one, or the connection can't be used.
        """
        try:
            return str(self.conn_region_name)
        except Exception as error:
            raise connection_error(self.aws_conn_id, error) from error

    @property
    def waiter_path(self) -> Path:
        """Where this package's waiters are described: ``batch_job_complete``, ``batch_job_suspended``."""
        return Path(__file__).with_name("s3control_waiters.json")

    def create_job(self, **request: Any) -> str:
        """
        Make a job; return its id.

        *request* is CreateJob's as boto3 spells it; ``AccountId`` is added, and ``ClientRequestToken`` by botocore if
        it is missing: then a repeat of this call makes a second job.
        """
        return self.control.create({"AccountId": self.account_id, **request})

    def describe_job(self, job_id: str) -> dict[str, Any]:
        """Return all that AWS tells of the job."""
        return self.control.describe(self.account_id, job_id)

    def list_jobs(self, statuses: Collection[str] = ()) -> Iterator[dict[str, Any]]:
        """Yield the jobs that run or ended in the last 90 days; those with one of *statuses* if any are given."""
        return self.control.list(self.account_id, statuses)

    def update_priority(self, job_id: str, priority: int) -> int:
        """Let the job run before those of lower *priority*, 0 to 2,147,483,647; return the new one."""
        return self.control.set_priority(self.account_id, job_id, priority)

    def confirm_job(self, job_id: str, reason: str = "") -> str:
        """Let a job run that waits for confirmation; return its status."""
        return self.control.confirm(self.account_id, job_id, reason)

    def cancel_job(self, job_id: str, reason: str = "") -> str:
        """Cancel the job; return its status. A job that is over stays as it is."""
        return self.control.cancel(self.account_id, job_id, reason)

    def get_job_tags(self, job_id: str) -> dict[str, str]:
        """Return the job's own tags, not those of its objects."""
        return self.control.tags(self.account_id, job_id)

    def set_job_tags(self, job_id: str, tags: Mapping[str, str]) -> None:
        """Replace the job's own tags, at most 50; none removes all of them."""
        self.control.set_tags(self.account_id, job_id, tags)

    def progress(self, job_id: str) -> JobProgress:
        """
        Return where the job is.

        Raises:
            AccessError: AWS refuses, or knows no such job.
            InfrastructureError: AWS can't be reached.
        """
        from airflow_s3batch.managed import job_progress

        return job_progress(self.control, self.account_id, job_id)

    def wait(
        self,
        job_id: str,
        *,
        poll_interval_s: float = 30.0,
        timeout_s: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> JobProgress:
        """
        Wait until the job is over, however it ended; return where it is. AWS asks for 30 s between two looks.

        Raises:
            InfrastructureError: it is not over after *timeout_s* seconds, or AWS can't be reached.
            AccessError: AWS refuses, or knows no such job.
        """
        started = clock()
        while not (progress := self.progress(job_id)).is_over:
            if timeout_s is not None and clock() - started >= timeout_s:
                raise InfrastructureError(f"job {job_id} is not over after {timeout_s:,.0f} s: {progress.sentence()}")
            sleep(poll_interval_s)
        return progress

    def console_url(self, job_id: str) -> str:
        """Return the job's page in the AWS console; empty where requests go to an endpoint of one's own."""
        if self.conn_config.get_service_endpoint_url("s3control"):
            return ""
        domain = CONSOLES.get(self.conn_partition)
        return f"https://{domain}/s3/jobs/{job_id}?region={self.region}" if domain else ""


def _no_account(error: S3BatchError) -> S3BatchError:
    """Return *error* with the way round STS."""
    return type(error)(f"STS did not tell the account: {error}; pass account_id=, then STS is not asked")
