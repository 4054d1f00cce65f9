"""On demand: copy a prefix to another account's bucket, compare every copy, and delete the originals after a yes."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.approvals import Approval
from airflow_s3batch.operations import Column, CopyObject, DeleteObject
from airflow_s3batch.sources import CompletionReport

INVENTORY = "{{ var.value.get('s3batch_inventory', 's3://inventories/prod-lake/daily') }}"
JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"
TARGET = "{{ var.value.get('s3batch_target_bucket', 'analytics-archive') }}"


@dag(
    schedule=None,
    params={"prefix": Param("analytics/", type="string", minLength=1, description="beginning of the keys")},
    tags=["s3batch"],
)
def move_to_another_account() -> None:
    """
    Two jobs, and a person between them.

    The first one is red unless every single copy was found equal; the second one deletes only what the first one's
    report calls a success, and only while it still has the ETag that was copied.
    """
    copy = s3_batch_job(
        group_id="copy",
        inventory=INVENTORY,
        where="starts_with(key, $prefix) AND is_latest AND NOT is_delete_marker",
        params={"prefix": "{{ params.prefix }}"},
        operation=CopyObject(
            target_bucket=TARGET,
            canned_acl="bucket-owner-full-control",
            copy_source_if_match=Column("e_tag"),  # what was overwritten since the inventory is reported, not copied
            skip_existing="same-etag",  # a second run does not copy again what is there
        ),
        job_url=JOB_URL,
        max_objects=10_000_000,
        verification=True,
    )
    delete = s3_batch_job(
        group_id="delete",
        source=CompletionReport("{{ ti.xcom_pull(task_ids='copy.report')['report_url'] }}", objects="succeeded"),
        operation=DeleteObject(),
        job_url=JOB_URL,
        max_objects=10_000_000,
        approval=Approval(timeout=timedelta(days=14)),
        verification=1_000,
    )
    copy >> delete


move_to_another_account()
