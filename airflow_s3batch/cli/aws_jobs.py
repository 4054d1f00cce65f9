"""AWS's own jobs, as the command line reaches them: with the caller's credentials, in the job's region."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import S3BatchError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from airflow_s3batch.managed.control import JobControl
    from airflow_s3batch.managed.running import AwsJob


def control_in(args: argparse.Namespace, region: str) -> JobControl:
    """Return AWS's jobs in *region*, with the profile that *args* name; an endpoint for S3 is not one for jobs."""
    from airflow_s3batch.cli.store_options import access_of
    from airflow_s3batch.managed import S3JobControl

    return S3JobControl(replace(access_of(args), region_name=region))


@contextlib.contextmanager
def with_reasons(job: AwsJob) -> Iterator[None]:
    """Name *job* in whatever goes wrong with it."""
    try:
        yield
    except S3BatchError as error:
        raise type(error)(f"AWS job {job.job_id} for {job.bucket}: {error}") from error
