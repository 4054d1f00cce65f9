"""The Dags whose runs are seeded: every way to wire a job, so that Airflow knows their tasks."""

from __future__ import annotations

DAGS = """
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import TaskGroup, dag

from airflow_s3batch import BatchOperationOperator, BatchReportOperator, InventoryToManifestOperator
from airflow_s3batch.operations import CopyObject, DeleteObject, PutObjectTagging
from airflow_s3batch.operators import ManagedBatchJobOperator

INVENTORY = "s3://inventories/prod-lake/daily"
SELECTION = {"inventory": INVENTORY, "where": "encryption_status = 'NOT-SSE'", "job_url": "s3://ops/s3batch"}


def tasks(prefix, operation, *, engine="worker", approve=False):
    manifest = InventoryToManifestOperator(task_id="manifest", engine=engine, max_objects=5_000_000, **SELECTION)
    if engine == "managed":
        role = "arn:aws:iam::123456789012:role/s3-batch"
        run = ManagedBatchJobOperator.partial(task_id="run", operation=operation, role_arn=role).expand(
            bucket=manifest.output
        )
    else:
        run = BatchOperationOperator.partial(task_id="run", operation=operation).expand(shard=manifest.output)
    report = BatchReportOperator(
        task_id="report", manifest_task_id=f"{prefix}manifest", operation_task_id=f"{prefix}run"
    )
    if approve:
        approval = ApprovalOperator(task_id="approve", subject="Delete the objects?")
        manifest >> approval >> run
    manifest >> run >> report


def job(dag_id, *group_ids, operation, **more):
    @dag(dag_id=dag_id, schedule=None, tags=["s3batch"])
    def seeded():
        for group_id in group_ids:
            with TaskGroup(group_id):
                tasks(f"{group_id}.", operation, **more)
        if not group_ids:
            tasks("", operation, **more)

    seeded()


TAGS = PutObjectTagging({"quarantine": "true"})
job("quarantine_unencrypted", "quarantine", operation=TAGS)
job("expire_versions", "expire", operation=DeleteObject(), approve=True)
job("tag_by_aws", "tag", operation=TAGS, engine="managed")
job("copy_and_tag", "copy", "tag", operation=CopyObject(target_bucket="team-copy"))
job("wired_by_hand", operation=TAGS)
job("million_objects", "big", operation=TAGS)
job("attacked", "evil", operation=TAGS)
job("secret_lake", "quarantine", operation=TAGS)
job("many_jobs", "job", operation=TAGS)
job("rehearsed", "rehearse", operation=TAGS)
"""
