"""The Dags by which Airflow's load is measured, as texts."""

from __future__ import annotations

ROWS = 150_000
TINY_OBJECTS = 10

EMPTY = """
from airflow.sdk import dag, task

from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.operators import BatchOperationOperator


@dag(dag_id="empty_{shards}", schedule=None)
def empty():
    @task
    def manifest():
        job = "s3://bench-jobs/s3batch/tag-everything-2026-11-22t0000-0123456789ab"
        return [{{"job": job, "shard": shard, "rows": {rows}}} for shard in range({shards})]

    operation = PutObjectTagging({{"quarantine": "true"}})
    BatchOperationOperator.partial(task_id="run", operation=operation, executor="idle").expand(shard=manifest())


empty()
"""

TINY = """
from airflow.sdk import dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import PutObjectTagging


@dag(dag_id="tiny_{shards}", schedule=None)
def tiny():
    s3_batch_job(
        "job",
        inventory="{inventory}",
        where="TRUE",
        operation=PutObjectTagging({{"quarantine": "true"}}),
        job_url="s3://bench-jobs/tiny",
        job_aws_conn_id="files",
        objects_per_shard={objects},
    )


tiny()
"""


def empty(shards: int) -> str:
    """Return the Dag ``empty_<shards>``, whose shards are told to be done by `IdleExecutor`."""
    return EMPTY.format(shards=shards, rows=ROWS)


def tiny(shards: int, inventory: str) -> str:
    """Return the Dag ``tiny_<shards>``: a job on *inventory* that has `TINY_OBJECTS` for each shard."""
    return TINY.format(shards=shards, inventory=inventory, objects=TINY_OBJECTS)
