"""Every month: let AWS S3 Batch Operations tag what is big and seldom overwritten; somebody looks at the job first."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import PutObjectTagging

INVENTORY = "{{ var.value.get('s3batch_inventory', 's3://inventories/prod-lake/daily') }}"
JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"
ROLE = "{{ var.value.get('s3batch_role_arn', 'arn:aws:iam::123456789012:role/s3-batch-operations') }}"
# Every run has a run_after, whatever started it; not every run has a logical date.
LIMIT = "{{ (dag_run.run_after - macros.timedelta(days=90)).strftime('%Y-%m-%d %H:%M:%S') }}"


@dag(schedule="@monthly", start_date=datetime(2026, 1, 1), tags=["s3batch"])  # noqa: DTZ001 - Airflow takes it for UTC
def managed_tagging() -> None:
    """
    Tag objects above 1 MB that were written more than 90 days ago, for a lifecycle rule to find.

    The task ``tag.run`` waits in the triggerer, without a worker slot. Until somebody confirms AWS's job, in the
    console or as the task's log says, no object is touched. With ``engine="worker"``, and without the arguments below
    it, Airflow workers do the same.
    """
    s3_batch_job(
        group_id="tag",
        inventory=INVENTORY,
        where=f"is_latest AND NOT is_delete_marker AND size > 1e6 AND last_modified_date < TIMESTAMP '{LIMIT}'",
        operation=PutObjectTagging({"archive": "yes"}),
        job_url=JOB_URL,
        max_objects=50_000_000,
        engine="managed",
        role_arn=ROLE,
        account_id="{{ var.value.get('s3batch_account_id', '123456789012') }}",
        confirmation_required=True,
        job_tags={"team": "lake"},
        deferrable=True,
    )


managed_tagging()
