"""AWS jobs that may still be at work for one of our jobs, for those who look at it from outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.engine.jobs.aws_rounds import rounds_in
from airflow_s3batch.engine.shards.generation import newest_generations
from airflow_s3batch.managed.round_files import read_round

if TYPE_CHECKING:
    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.engine.files.storage import Storage


class AwsJob(NamedTuple):
    """
    One AWS job of ours.

    Attributes:
        bucket: folder of the rows that it was made for.
        rows: how many.
        is_harvested: it has ended, and all its outcomes are accounted for.
    """

    bucket: str
    rows: int
    job_id: str
    account_id: str
    region: str
    is_harvested: bool


def aws_jobs_of(storage: Storage, job: JobLayout) -> Iterator[AwsJob]:
    """Yield the AWS jobs of *job*'s operation tasks, oldest round first; none where workers do the work."""
    for _, generation in newest_generations(storage, job):
        for folder, number in rounds_in(storage, generation):
            files = read_round(storage, generation.round(folder, number))
            if files.job is None:
                continue
            rows = files.request.rows if files.request else 0
            yield AwsJob(
                folder,
                rows,
                str(files.job["job_id"]),
                str(files.job["account_id"]),
                str(files.job["region"]),
                files.harvested is not None,
            )
