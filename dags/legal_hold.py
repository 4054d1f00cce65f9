"""On demand: put every version below a prefix under legal hold for a litigation, or lift the hold."""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import PutObjectLegalHold
from airflow_s3batch.sources import Listing

BUCKET = "{{ var.value.get('s3batch_locked_bucket', 'locked-lake') }}"
JOB_URL = "{{ var.value.get('s3batch_job_url', 's3://ops/s3batch') }}"


@dag(
    schedule=None,
    params={
        "prefix": Param("customer/07", type="string", minLength=1, description="beginning of the keys"),
        "status": Param("ON", enum=["ON", "OFF"], description="OFF lifts the hold"),
    },
    tags=["s3batch"],
)
def legal_hold() -> None:
    """List all versions right now: what was written this morning is held, too."""
    s3_batch_job(
        group_id="hold",
        source=Listing(f"s3://{BUCKET}/{{{{ params.prefix }}}}", versions=True),
        where="NOT is_delete_marker",
        operation=PutObjectLegalHold("{{ params.status }}"),
        job_url=JOB_URL,
        min_objects=1,  # a prefix with a spelling mistake is an error, not a green run over nothing
        max_objects=1_000_000,
        approval=True,
        verification=True,
    )


legal_hold()
