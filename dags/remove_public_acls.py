"""Every week: make private whatever an ACL opens to everybody, as the inventory shows it."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Param, dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import PutObjectAcl

INVENTORY = "{{ var.value.get('s3batch_inventory', 's3://inventories/prod-lake/daily') }}"
JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"
# AllUsers and AuthenticatedUsers; the field is JSON, which some deliveries have in base64.
IS_PUBLIC = """
contains(
    CASE WHEN starts_with(object_access_control_list, '{') THEN object_access_control_list
         ELSE decode(from_base64(object_access_control_list)) END,
    'http://acs.amazonaws.com/groups/global/'
)
"""


@dag(
    schedule="@weekly",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow takes it for UTC
    params={"dry_run": Param(default=False, type="boolean", description="look at each object, change none")},
    tags=["s3batch"],
)
def remove_public_acls() -> None:
    """The inventory needs the field ObjectAccessControlList; grants to single accounts go as well."""
    s3_batch_job(
        group_id="private",
        inventory=INVENTORY,
        where=f"is_latest AND NOT is_delete_marker AND {IS_PUBLIC}",
        operation=PutObjectAcl("private"),
        job_url=JOB_URL,
        max_objects=1_000_000,
        max_inventory_age=timedelta(days=8),
        dry_run="{{ params.dry_run }}",
        verification=True,
    )


remove_public_acls()
