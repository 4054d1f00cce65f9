"""On demand: call a function of our own with each object; what it returns stands in the report."""

from __future__ import annotations

import gzip
from typing import Any

from airflow.sdk import Param, dag

from airflow_s3batch import S3Object, s3_batch_job
from airflow_s3batch.operations import PythonInvoke

INVENTORY = "{{ var.value.get('s3batch_inventory', 's3://inventories/prod-lake/daily') }}"
JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"


def lines(found: S3Object, params: dict[str, Any]) -> dict[str, int]:
    """Count the lines of an object; what it raises fails this object alone."""
    import boto3  # here, where it is used: the Dag's file is parsed every few seconds

    body = boto3.client("s3").get_object(Bucket=found.bucket, Key=found.key)["Body"].read()
    text = gzip.decompress(body) if params["gzip"] else body
    return {"lines": text.count(b"\n"), "bytes": len(text)}


@dag(
    schedule=None,
    params={"prefix": Param("analytics/", type="string", minLength=1, description="beginning of the keys")},
    tags=["s3batch"],
)
def call_function() -> None:
    """Count the lines of each object; calling it twice does no harm, so a crash may repeat a few."""
    s3_batch_job(
        group_id="count",
        inventory=INVENTORY,
        where="starts_with(key, $prefix) AND is_latest AND NOT is_delete_marker",
        params={"prefix": "{{ params.prefix }}"},
        operation=PythonInvoke(lines, {"gzip": False}, workers=16, is_idempotent=True, timeout_s=60),
        job_url=JOB_URL,
        max_objects=100_000,
    )


call_function()
