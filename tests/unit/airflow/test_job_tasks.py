"""Which tasks of a Dag belong to a manifest task's jobs."""

from __future__ import annotations

from typing import Any

from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.operators import (
    BatchOperationOperator,
    BatchReportOperator,
    InventoryToManifestOperator,
    ManagedBatchJobOperator,
)
from airflow_s3batch.operators.job_tasks import declared_by, jobs_of

TAGS = PutObjectTagging({"a": "b"})
SELECTION = {"inventory": "s3://inv/a/b", "where": "TRUE", "job_url": "s3://ops/jobs"}


class OurOperation(BatchOperationOperator):
    """As users make them."""


def manifest(task_id: str, **more: Any) -> InventoryToManifestOperator:
    return InventoryToManifestOperator(task_id=task_id, **SELECTION, **more)


def test_jobs_wired_by_hand_are_found_by_what_they_are_given(dag: Any) -> None:
    """Two jobs in a Dag, and two operations on one manifest; one operator is a user's own."""
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    first, other = manifest("first"), manifest("other", engine="managed")
    tag = OurOperation.partial(task_id="tag", operation=TAGS).expand(shard=first.output)
    again = BatchOperationOperator.partial(task_id="again", operation=TAGS).expand(shard=first.output)
    by_aws = ManagedBatchJobOperator.partial(
        task_id="by_aws", operation=TAGS, role_arn="arn:aws:iam::123456789012:role/batch"
    ).expand(bucket=other.output)
    approve = ApprovalOperator(task_id="approve", subject="Really?")
    report = BatchReportOperator(task_id="report", manifest_task_id="first", operation_task_id="tag")
    first >> approve >> tag >> report
    again >> by_aws

    assert jobs_of(first) == [{"operation": "again"}, {"operation": "tag", "approval": "approve", "report": "report"}]
    assert jobs_of(other) == [{"operation": "by_aws"}]
    assert declared_by(first, "tag") == (TAGS, None)


def test_a_task_group_is_one_job_with_all_its_tasks(dag: Any) -> None:
    from airflow_s3batch import s3_batch_job

    group = s3_batch_job("job", operation=TAGS, **SELECTION)
    (job,) = jobs_of(group.children["job.manifest"])
    assert (job["operation"], job["report"]) == ("job.run", "job.report")


def test_a_manifest_alone_has_a_job_without_tasks(dag: Any) -> None:
    assert jobs_of(manifest("alone")) == [{}]
