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
    """
    Return AWS's jobs in *region*, with the credentials that *args* name; an endpoint for S3 is not one for jobs.

    ``args.access_of`` comes with the options that say which store: the script's own, or those of Airflow's command.
    """
    from airflow_s3batch.managed import S3JobControl

    return S3JobControl(replace(args.access_of(args), region_name=region))


@contextlib.contextmanager
def with_reasons(job: AwsJob) -> Iterator[None]:
    """Name *job* in whatever goes wrong with it."""
    try:
        yield
    except S3BatchError as error:
        raise type(error)(f"AWS job {job.job_id} for {job.bucket}: {error}") from error
