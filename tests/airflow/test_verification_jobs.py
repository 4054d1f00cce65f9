"""Jobs with a verification as Dag runs, wired by hand: what it finds makes the report red, until it is set right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lake import Lake

from airflow_s3batch.operators import managed_arguments
from airflow_s3batch.testing import S3BatchEmulator

if TYPE_CHECKING:
    from dag_runs import DagFolder

    from airflow_s3batch.testing import Server

pytestmark = pytest.mark.integration

KEYS = [f"{number:03d} ü+%.csv" for number in range(20)]
DAG = """
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import dag, task
from airflow_s3batch import *
from airflow_s3batch.operations import *

TAGGING = PutObjectTagging({{"team": "{{{{ params.team }}}}"}})

@dag(dag_id={name!r}, schedule=None, default_args={{"retries": 0}}, params={{"team": "a"}})
def job_under_test():
    manifest = ListObjectsToManifestOperator(
        task_id="manifest", prefix="s3://{bucket}/", where="TRUE", job_url={job_url!r}, engine={engine!r},
        objects_per_shard=10,
    )
    @task
    def lose():
        S3Hook().get_conn().delete_object(Bucket={bucket!r}, Key={keys!r}[0])

    @task(trigger_rule="all_done")
    def spoil():
        tagging = {{"TagSet": [{{"Key": "team", "Value": "b"}}]}}
        S3Hook().get_conn().put_object_tagging(Bucket={bucket!r}, Key={keys!r}[-1], Tagging=tagging)

    run = {run}
    verify = BatchVerificationOperator.partial(
        task_id="verify", operation=TAGGING, operation_task_id="run"
    ).expand(shard=manifest.output)
    report = BatchReportOperator(
        task_id="report", manifest_task_id="manifest", operation_task_id="run", verification_task_id="verify",
        allowed_failures=1,
    )
    manifest >> lose() >> run >> spoil() >> verify >> report

job_under_test()
"""
WORKERS = """BatchOperationOperator.partial(
        task_id="run", operation=TAGGING, tolerate=[]
    ).expand(shard=manifest.output)"""
AWS = """ManagedBatchJobOperator.partial(
        task_id="run", operation=TAGGING, tolerate=[], role_arn={role!r}, account_id={account!r}, poll_interval_s=0.2,
        deferrable=False,
    ).expand(bucket=manifest.output)"""


def dag(lake: Lake, engine: str, run: str) -> str:
    name = f"job_{lake.bucket[5:]}"
    return DAG.format(name=name, bucket=lake.bucket, job_url=lake.job_url, keys=KEYS, engine=engine, run=run)


def test_what_differs_makes_the_run_red_until_it_is_set_right(
    dags: DagFolder, signing_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects of a shard whose task has failed are looked at, too, as far as they succeeded."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", signing_server.airflow_connection_uri())
    lake = Lake(signing_server)
    lake.put(KEYS)
    run = dags.run(dag(lake, "worker", WORKERS))
    assert (run.states["run"], run.states["verify"]) == (["failed", "success"], ["success", "failed"])
    assert (run.states["report"], run.is_green) == ("failed", False)
    assert run.xcom("verify", map_index=0)["checked"] == 9
    url = run.xcom("manifest", "manifest")["job"]
    assert lake.json(f"{url}/report/summary.json")["verification"]["codes"] == {"TagsDiffer": 1}
    lake.client.put_object_tagging(
        Bucket=lake.bucket, Key=KEYS[-1], Tagging={"TagSet": [{"Key": "team", "Value": "a"}]}
    )
    run.clear("verify", "report", only_failed=True)
    assert (run.states["verify"], run.states["report"], run.is_green) == (["success"] * 2, "success", True)


def test_workers_verify_what_aws_has_done(
    dags: DagFolder, signing_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(managed_arguments, "LEAST_POLL_INTERVAL_S", 0)
    with S3BatchEmulator(signing_server) as aws:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", aws.airflow_connection_uri())
        lake = Lake(signing_server)
        lake.put(KEYS)
        role = f"arn:aws:iam::{aws.account_id}:role/batch"
        run = dags.run(dag(lake, "managed", AWS.format(role=role, account=aws.account_id)))
        assert (run.states["verify"], run.states["report"]) == (["failed"], "failed")
        url = run.xcom("manifest", "manifest")["job"]
        verification = lake.json(f"{url}/report/summary.json")["verification"]
    assert (verification["checked"], verification["codes"]) == (19, {"TagsDiffer": 1})
