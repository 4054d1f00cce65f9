"""Jobs of AWS that somebody pauses: AWS can't, so the job is cancelled, and another one does the rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from managed_lake import KEYS, ManagedLake, managed_lake

from airflow_s3batch.cli.main import main
from airflow_s3batch.engine.jobs.pause_watch import PauseWatch
from airflow_s3batch.operators import pausing

if TYPE_CHECKING:
    from dag_runs import DagFolder

    from airflow_s3batch.testing import Server

pytestmark = pytest.mark.integration

DAG = """
from airflow.sdk import dag
from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import PutObjectTagging

@dag(dag_id={name!r}, schedule=None, default_args={{"retries": 0}})
def job_under_test():
    s3_batch_job("job", operation=PutObjectTagging({{"checked": "yes"}}), **{arguments!r})

job_under_test()
"""


@pytest.fixture
def lake(signing_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedLake]:
    """With the command line's credentials, too."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", signing_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", signing_server.secret_key)
    monkeypatch.setattr(pausing, "POLL_INTERVAL_S", 0.1)
    with managed_lake(signing_server, monkeypatch) as lake:
        yield lake


def source(lake: ManagedLake, **more: Any) -> str:
    arguments = {
        "where": "TRUE",
        "inventory": lake.inventory,
        "job_url": lake.job_url,
        "engine": "managed",
        "role_arn": lake.role,
        "account_id": lake.aws.account_id,
        "poll_interval_s": 0.2,
        **more,
    }
    return DAG.format(name=f"job_{lake.bucket[5:]}", arguments=arguments)


def say(lake: ManagedLake, server: Server, *words: str) -> int:
    """Say something with the command line, of the only job there is."""
    (name,) = {key.split("/")[1] for key in lake.job_files() if key.count("/") == 2 and key.endswith("/job.json")}
    url = f"{lake.job_url}/{name}"
    return main([words[0], url, "--endpoint-url", server.endpoint_url, "--region", server.region, *words[1:]])


def test_a_pause_cancels_the_job_of_aws_and_the_rest_gets_another_one(
    dags: DagFolder, lake: ManagedLake, signing_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No retry is used up, there are none; each object is done once."""
    lake.deliver(lake.put(KEYS).values())
    lake.aws.hold("Active", after_tasks=5)
    waits, look, pause = threading.Event(), PauseWatch.look, threading.Event()
    counts: list[int] = []

    def looked(watch: PauseWatch) -> str:
        counts.append(len(lake.jobs))
        if len(counts) == 2:
            waits.set()
        return look(watch)

    monkeypatch.setattr(PauseWatch, "look", looked)

    def people() -> None:
        while not (jobs := lake.jobs):
            pause.wait(0.1)
        lake.aws.wait(jobs[0]["JobId"], "Active")
        lake.aws.wait_for_tasks(jobs[0]["JobId"], 5)
        assert say(lake, signing_server, "pause", "--reason", "month-end") == 0
        assert waits.wait(60)
        lake.aws.calm()
        done = [key for key in KEYS if lake.tags(key)]
        lake.tags_with(done, "by somebody else")
        told.extend(done)
        say(lake, signing_server, "resume")

    told: list[str] = []
    thread = threading.Thread(target=people, daemon=True)
    thread.start()
    run = dags.run(source(lake, deferrable=True))
    thread.join(60)
    assert run.is_green, run.states
    assert counts[:2] == [1, 1], "no job is made while it is paused"
    assert [job["Status"] for job in lake.jobs] == ["Cancelled", "Complete"]
    assert sum(job["ProgressSummary"]["NumberOfTasksSucceeded"] for job in lake.jobs) == len(KEYS)
    assert 0 < len(told) < len(KEYS)
    assert all(lake.tags(key) == {"checked": "by somebody else" if key in told else "yes"} for key in KEYS)
    report = lake.report(run.xcom("job.report")["report_url"])
    assert sorted(report["key"]) == sorted(KEYS)
    assert set(report["task_status"]) == {"succeeded"}
