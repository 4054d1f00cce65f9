"""Every week: mark large objects that nobody has written to for a year, for a lifecycle rule or a person to find."""

from __future__ import annotations

from datetime import datetime, timedelta

import pendulum
from airflow.sdk import Param, dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.filters import all_of, current_versions, in_storage_class, larger_than, older_than
from airflow_s3batch.operations import Column, MergeObjectTagging

INVENTORY = "{{ var.value.get('s3batch_inventory', 's3://inventories/prod-lake/daily') }}"
JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"


@dag(
    schedule="@weekly",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow takes it for UTC
    params={"dry_run": Param(default=False, type="boolean", description="look at each object, change none")},
    tags=["s3batch"],
)
def tag_by_size_and_age() -> None:
    """Other tags stay; an object that has these already is not written to."""
    s3_batch_job(
        group_id="mark",
        inventory=INVENTORY,
        where=all_of(
            current_versions(),
            in_storage_class("STANDARD"),
            larger_than("1 KB"),
            older_than(pendulum.duration(years=1)),
        ),
        columns={"written": "strftime(last_modified_date, '%Y-%m')"},
        operation=MergeObjectTagging({"cold": "yes", "written": Column("written")}),
        job_url=JOB_URL,
        max_objects=10_000_000,
        max_inventory_age=timedelta(days=8),
        dry_run="{{ params.dry_run }}",
        verification=1_000,
    )


tag_by_size_and_age()
