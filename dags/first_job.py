"""The job of docs/tutorial.md: tag what is not encrypted with the team that owns it."""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import Column, PutObjectTagging


@dag(
    schedule=None,
    params={
        "dry_run": Param(default=False, type="boolean", description="look at each object, change none"),
        "max_objects": Param(200, type="integer", minimum=1, description="more are an error; nothing is done"),
    },
    tags=["s3batch"],
)
def first_job() -> None:
    """The team is the first part of the key."""
    s3_batch_job(
        group_id="tag",
        inventory="s3://inventories/prod-lake/daily",
        where="encryption_status = 'NOT-SSE' AND is_latest AND NOT is_delete_marker",
        columns={"team": "split_part(key, '/', 1)"},
        operation=PutObjectTagging({"compliance": "unencrypted", "team": Column("team")}),
        job_url="s3://ops/s3batch",
        max_objects="{{ params.max_objects }}",
        dry_run="{{ params.dry_run }}",
        objects_per_shard=100,  # so that there is more than one task to look at; leave it out at home
    )


first_job()
