"""A job whose manifest is planned by several mapped tasks, as a Dag run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from airflow_s3batch.testing import write_inventory

if TYPE_CHECKING:
    from dag_runs import DagFolder
    from lake import Lake

pytestmark = pytest.mark.integration

DAG = """
from airflow.sdk import dag
from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import *

@dag(dag_id={name!r}, schedule=None, params={{"most": 20}}, default_args={{"retries": 0}})
def planned_by_two():
    s3_batch_job(
        "job", inventory={inventory!r}, where="size > $least", params={{"least": 0}}, job_url={job_url!r},
        operation=PutObjectTagging({{"checked": "yes"}}), max_objects="{{{{ params.most }}}}",
        planning_tasks=2, max_shards=2,
    )

planned_by_two()
"""


@pytest.mark.parametrize("lake", ["seaweedfs"], indirect=True)
def test_job_planned_by_two_tasks(lake: Lake, dags: DagFolder) -> None:
    """Every object is done once and accounted for; clearing the planning finds the same manifest."""
    rows = lake.put(f"team/{n:03d} ü+%.csv" for n in range(20))
    destination, created = lake.inventory.rsplit("/", 2)[0], datetime.now(UTC) - timedelta(hours=3)
    write_inventory(lake.client, destination, lake.bucket, rows.values(), created=created, files=5)
    run = dags.run(DAG.format(name=f"planned_{lake.bucket[5:]}", inventory=lake.inventory, job_url=lake.job_url))
    assert run.is_green
    assert run.states["job.group"] == run.states["job.run"] == ["success"] * 2
    assert sorted(label.partition(" · ")[0] for label in run.labels) == [
        "group 1 of 2",
        "group 2 of 2",
        "shard 0",
        "shard 1",
    ]
    report = lake.report(run.xcom("job.report")["report_url"])
    assert sorted(report["key"]) == sorted(rows)
    assert all(lake.tags(key) == {"checked": "yes"} for key in rows)

    totals, files = run.xcom("job.manifest", "manifest"), lake.job_files()
    run.clear("job.groups", "job.group", "job.manifest")
    assert run.is_green
    assert run.xcom("job.manifest", "manifest") == {**totals, "try_number": 2}
    assert lake.job_files() == files
