"""Jobs of AWS on lists that are not our manifests, as Dag runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from managed_lake import KEYS, Crash, ManagedLake, managed_lake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dag_runs import DagFolder

    from airflow_s3batch.testing import Server

pytestmark = pytest.mark.integration

LONE = """
from airflow.sdk import dag
from airflow_s3batch import ManagedBatchJobOperator
from airflow_s3batch.operations import *

@dag(dag_id="lone_{name}", schedule=None, default_args={{"retries": 0}})
def lone():
    ManagedBatchJobOperator(task_id="run", operation={operation}, tolerate=[], **{arguments!r})

lone()
"""


@pytest.fixture
def lake(signing_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedLake]:
    with managed_lake(signing_server, monkeypatch) as lake:
        yield lake


def lone(lake: ManagedLake, operation: str = "PutObjectTagging({'checked': 'yes'})", **arguments: Any) -> str:
    """Return a Dag file with one task that has AWS work on a list which is not our manifest."""
    given = {
        "role_arn": lake.role,
        "account_id": lake.aws.account_id,
        "job_url": lake.job_url,
        "poll_interval_s": 0.2,
        **arguments,
    }
    return LONE.format(name=lake.bucket[5:], operation=operation, arguments=given)


@pytest.mark.parametrize("deferrable", [False, True])
def test_somebodys_csv_manifest_needs_no_manifest_of_ours(dags: DagFolder, lake: ManagedLake, deferrable: bool) -> None:
    """Red by AWS's report; once the cause is mended, a clear does only what failed, and another nothing."""
    from urllib.parse import quote

    lake.put([key for key in KEYS if key != KEYS[7]])
    text = "".join(f"{lake.bucket},{quote(key, safe='/')}\n" for key in KEYS)
    lake.client.put_object(Bucket=lake.target, Key="list.csv", Body=text.encode())
    run = dags.run(lone(lake, manifest_url=f"s3://{lake.target}/list.csv", deferrable=deferrable))
    assert run.states == {"run": "failed"}
    lake.put([KEYS[7]])
    done = [key for key in KEYS if key != KEYS[7]]
    lake.tags_with(done, "by somebody else")
    run.clear("run")
    assert run.states == {"run": "success"}
    assert run.xcom("run")["succeeded"] == 1
    assert lake.tags(KEYS[7]) == {"checked": "yes"}
    assert lake.tags(done[0]) == {"checked": "by somebody else"}
    run.clear("run")
    assert run.is_green
    assert [job["ProgressSummary"]["TotalNumberOfTasks"] for job in lake.jobs] == [30, 1]


def test_aws_makes_the_manifest_itself(dags: DagFolder, lake: ManagedLake) -> None:
    """By its own filters."""
    lake.put(KEYS)
    generator = {
        "SourceBucket": f"arn:aws:s3:::{lake.bucket}",
        "EnableManifestOutput": False,
        "Filter": {"KeyNameConstraint": {"MatchAnyPrefix": ["team-1/"]}},
    }
    run = dags.run(lone(lake, manifest_generator=generator))
    assert run.is_green, run.states
    counts = run.xcom("run")
    assert (counts["bucket"], counts["objects"], counts["succeeded"], counts["failed"]) == (lake.bucket, 10, 10, 0)
    assert {key for key in KEYS if lake.tags(key)} == {key for key in KEYS if key.startswith("team-1/")}


def test_lone_job_is_made_once_and_guarded(
    dags: DagFolder, lake: ManagedLake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A crash before its id is noted makes no second job; another operation does not go on with it."""
    from airflow_s3batch.managed import lone_job

    lake.put(KEYS[:3])
    text = "".join(f"{lake.bucket},team-{number}/00{number}%20%C3%BC%2B%25.csv\n" for number in range(3))
    lake.client.put_object(Bucket=lake.target, Key="list.csv", Body=text.encode())
    write_job = lone_job.write_job

    def die(*_: Any, **__: Any) -> None:
        raise Crash

    monkeypatch.setattr(lone_job, "write_job", die)
    run = dags.run(lone(lake, manifest_url=f"s3://{lake.target}/list.csv"))
    assert run.states == {"run": "failed"}
    monkeypatch.setattr(lone_job, "write_job", write_job)
    run.dag = dags.load(lone(lake, "PutObjectTagging({'checked': 'no'})", manifest_url=f"s3://{lake.target}/list.csv"))
    run.clear("run")
    assert run.states == {"run": "failed"}
    assert "begun with another operation" in capsys.readouterr().out
    run.dag = dags.load(lone(lake, manifest_url=f"s3://{lake.target}/list.csv"))
    run.clear("run")
    assert run.is_green, run.states
    assert len(lake.jobs) == 1
    assert run.xcom("run")["succeeded"] == 3
