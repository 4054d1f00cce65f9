"""Jobs that destroy data wait for somebody: what a yes and a no do to a whole Dag run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from airflow.providers.standard.operators import hitl
from answers import Person
from lake import Lake

if TYPE_CHECKING:
    from dag_runs import DagFolder

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not hasattr(hitl, "TaskAwaitingInput"), reason="before Airflow 3.3 tasks that ask need a triggerer"
    ),
]

DAG = """
from airflow.sdk import dag
from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import DeleteObject

@dag(dag_id={name!r}, schedule=None, default_args={{"retries": 0}})
def job_under_test():
    for group, prefix in (("yes", "old/"), ("no", "kept/")):
        s3_batch_job(group, inventory={inventory!r}, job_url={job_url!r}, operation=DeleteObject(),
                     where=f"starts_with(key, '{{prefix}}')", prices={prices!r})

job_under_test()
"""
PRICES = {
    "format": "airflow-s3batch-prices/1",
    "region": "here",
    "currency": "EUR",
    "date": "2026-11-01",
    "prices": {"write.STANDARD": {"price": "100", "per": 1}},
}


@pytest.mark.parametrize("lake", ["seaweedfs"], indirect=True)
def test_a_yes_deletes_and_a_no_leaves_everything_and_makes_the_run_red(
    dags: DagFolder, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Each object of the job that was rejected is in its report, and so is who said no.

    When all of a job is cleared, Airflow remembers who said yes, and nobody is asked again.
    """
    lake.deliver(lake.put([*(f"old/{n}" for n in range(5)), "kept/<b>", "kept/2"]).values())
    name = f"approved_{lake.bucket[5:]}"
    alice = Person({"yes.approve": "Approve", "no.approve": "Reject"})
    monkeypatch.setattr(time, "sleep", alice.instead_of(time.sleep))
    run = dags.run(DAG.format(name=name, inventory=lake.inventory, job_url=lake.job_url, prices=PRICES))
    assert lake.keys(lake.bucket) == {"kept/<b>", "kept/2"}
    assert run.states["yes.approve"] == run.states["no.approve"] == "success"
    assert run.states["yes.report"] == "success"
    assert run.states["no.run"] in ("skipped", ["skipped"])
    assert run.states["no.report"] == "failed"
    assert not run.is_green
    subject, body = alice.questions["no.approve"]
    assert subject.startswith("Destroy data? delete_object: 2 objects,")
    assert subject.endswith(", 0 € to 100.00 €")
    assert "kept/%3Cb%3E" in body
    assert run.xcom("yes.approve", "approval")["state"] == "approved"
    summary = lake.json(run.xcom("yes.report")["summary_url"])
    assert summary["approval"]["by"] == "alice"
    assert summary["storage_classes"] == {"STANDARD": [5, summary["bytes"]]}
    assert summary["cost"]["requests"][0] <= summary["cost"]["requests_sent"]
    bucket = lake.job_url.rpartition("/")[0]
    told = [lake.json(f"{bucket}/{key}") for key in lake.job_files() if key.endswith("/report/summary.json")]
    red = next(document for document in told if document["not_attempted"])
    assert red["sentence"].startswith("The job was rejected by alice at ")
    assert red["codes"] == {"NotAttempted": 2}
    run.clear(*(f"yes.{task}" for task in ("manifest", "approve", "run", "report")))
    assert run.states["yes.report"] == "success"
    assert run.xcom("yes.approve")["asked"] is False
    assert run.xcom("yes.approve", "approval")["by"] == "alice"
