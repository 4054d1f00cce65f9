"""Jobs whose objects come from files and from reports, as Dag runs: the failed ones again, and the undo."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest
from lake import Lake

from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.testing import S3BatchEmulator

if TYPE_CHECKING:
    from dag_runs import DagFolder

    from airflow_s3batch.testing import Server

pytestmark = pytest.mark.integration

KEYS = [f"team-{number % 3}/{number:03d} ü+%.csv" for number in range(30)]
LOST, REPLACED = KEYS[:2], KEYS[2]

DAG = """
from airflow.sdk import dag
from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import *
from airflow_s3batch.sources import *

@dag(dag_id={name!r}, schedule=None, default_args={{"retries": 0}})
def job_under_test():
    common = {{"job_url": {job_url!r}}}
    {jobs}

job_under_test()
"""
FROM_CSV = """s3_batch_job("job", source=CsvManifest({url!r}), columns={{"team": "team"}}, max_objects=30,
        operation=PutObjectTagging({{"team": Column("team")}}), **common)"""
FROM_AWS = """s3_batch_job("job", source=CompletionReport({url!r}),
        operation=PutObjectTagging({{"again": "yes"}}), **common)"""
FROM_REPORT = """
    job = "{{ dag_run.conf['job'] }}"
    again = s3_batch_job("again", source=CompletionReport(job), where="error_code = 'NoSuchKey'",
        operation=PutObjectTagging({"team": Column("team")}), columns={"team": "team"}, **common)
    undo = s3_batch_job("undo", source=CompletionReport(job, objects="succeeded"), operation=DeleteObject(),
        where="team <> 'team-1'", allowed_failures=1, approval=False, **common)
"""


@pytest.fixture
def lake(signing_server: Server, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """New buckets on SeaweedFS, and the connection ``aws_default`` to it."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", signing_server.airflow_connection_uri())
    return Lake(signing_server)


def dag(lake: Lake, jobs: str) -> str:
    return DAG.format(name=f"job_{lake.bucket[5:]}", job_url=lake.job_url, jobs=jobs)


def put_csv(lake: Lake, rows: list[dict[str, Any]]) -> str:
    """Write *rows* to a CSV file with a header; return its URL."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["Bucket", "Key", "ETag", "Team"])
    writer.writerows([lake.bucket, encode_key(row["key"]), row["e_tag"], row["key"].partition("/")[0]] for row in rows)
    lake.client.put_object(Bucket=lake.target, Key="lists/all.csv", Body=text.getvalue().encode())
    return f"s3://{lake.target}/lists/"


def test_failed_objects_are_done_again_and_the_others_undone(dags: DagFolder, lake: Lake) -> None:
    """Of the first job come its columns and ETags: what was replaced since is not deleted."""
    rows = list(lake.put(KEYS).values())
    for key in LOST:
        lake.client.delete_object(Bucket=lake.bucket, Key=key)
    first = dags.run(dag(lake, FROM_CSV.format(url=put_csv(lake, rows))))
    assert first.is_green, first.states
    assert lake.tags(REPLACED) == {"team": "team-2"}

    lake.put(LOST)
    lake.client.put_object(Bucket=lake.bucket, Key=REPLACED, Body=b"another one")
    conf = {"job": first.xcom("job.manifest", "manifest")["job"]}
    second = dags.run(dag(lake, FROM_REPORT), conf=conf)
    assert second.is_green, second.states
    assert [lake.tags(key) for key in LOST] == [{"team": "team-0"}, {"team": "team-1"}]
    kept = {key for key in KEYS if key.startswith("team-1")} | {*LOST, REPLACED}
    assert lake.keys(lake.bucket) == kept
    report = lake.report(second.xcom("undo.report")["report_url"])
    assert set(report[report["task_status"] == "failed"]["key"]) == {REPLACED}


def test_report_of_aws_is_a_source(dags: DagFolder, signing_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The very report that the AWS job wrote: its failed objects are done by workers."""
    with S3BatchEmulator(signing_server) as aws:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", aws.airflow_connection_uri())
        lake = Lake(signing_server)
        lake.put(KEYS[2:])
        text = "".join(f"{lake.bucket},{encode_key(key)}\n" for key in KEYS)
        manifest = lake.client.put_object(Bucket=lake.target, Key="m.csv", Body=text.encode())
        job_id = aws.client().create_job(
            AccountId=aws.account_id,
            ConfirmationRequired=False,
            Operation={"S3DeleteObjectTagging": {}},
            Report={
                "Bucket": f"arn:aws:s3:::{lake.target}",
                "Prefix": "aws",
                "Enabled": True,
                "ReportScope": "AllTasks",
                "Format": "Report_CSV_20180820",
            },
            Manifest={
                "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]},
                "Location": {"ObjectArn": f"arn:aws:s3:::{lake.target}/m.csv", "ETag": manifest["ETag"]},
            },
            Priority=1,
            RoleArn=f"arn:aws:iam::{aws.account_id}:role/batch",
            ClientRequestToken="t",
        )["JobId"]
        aws.wait_for_report(job_id)
        report = f"s3://{lake.target}/aws/job-{job_id}/manifest.json"
        lake.put(LOST)
        run = dags.run(dag(lake, FROM_AWS.format(url=report)))
    assert run.is_green, run.states
    assert [lake.tags(key) for key in KEYS] == [{"again": "yes"}] * 2 + [{}] * 28
