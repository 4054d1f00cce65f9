"""
Every month: delete noncurrent versions that were written more than 90 days ago, if they are not suspiciously many.

Somebody has to approve it within three days, with the figures at hand; what is not approved is not deleted.

An inventory tells when a version was written, not since when it is noncurrent: of an object that lay untouched for a
year and was overwritten yesterday, the old version goes, too. Where that must not be, use a lifecycle rule with
NoncurrentDays.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.approvals import Approval
from airflow_s3batch.operations import DeleteObject

# Of all versions: one of current versions has no noncurrent ones.
INVENTORY = "{{ var.value.get('s3batch_versions_inventory', 's3://inventories/versions-lake/daily') }}"
JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"
MOST = "{{ var.value.get('s3batch_max_versions', 100_000) }}"
# Every run has a run_after, whatever started it; not every run has a logical date.
LIMIT = "{{ (dag_run.run_after - macros.timedelta(days=90)).strftime('%Y-%m-%d %H:%M:%S') }}"


@dag(schedule="@monthly", start_date=datetime(2026, 1, 1), tags=["s3batch"])  # noqa: DTZ001 - Airflow takes it for UTC
def expired_versions() -> None:
    """Delete exactly the versions that the inventory names; current objects are never selected."""
    s3_batch_job(
        group_id="delete",
        inventory=INVENTORY,
        where=f"NOT is_latest AND NOT is_delete_marker AND last_modified_date < TIMESTAMP '{LIMIT}'",
        operation=DeleteObject(),
        job_url=JOB_URL,
        max_objects=MOST,
        approval=Approval(timeout=timedelta(days=3)),
    )


expired_versions()
