"""Jobs on what is in a bucket right now, without an inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dag_runs import DagFolder
    from lake import Lake

DAG = """
from airflow.sdk import dag
from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.sources import Listing

@dag(dag_id={name!r}, schedule=None, params={{"folder": "logs"}}, default_args={{"retries": 0}})
def listed():
    s3_batch_job(
        "job",
        source=Listing.of("s3://{bucket}/{{{{ params.folder }}}}/"),
        where="key LIKE '%.gz'",
        operation=PutObjectTagging({{"seen": "yes"}}),
        job_url={job_url!r},
        objects_per_shard=20,
    )

listed()
"""


@pytest.mark.parametrize("lake", ["seaweedfs"], indirect=True)
def test_job_on_a_live_listing(dags: DagFolder, lake: Lake) -> None:
    """The listing decides which objects are worked on; cleared, the job stays with it."""
    logs = [f"logs/{n:02d} ü+.gz" for n in range(15)]
    lake.put([*logs, "logs/other.txt", "else/1.gz"])
    run = dags.run(DAG.format(name=f"listed_{lake.bucket[5:]}", bucket=lake.bucket, job_url=lake.job_url))
    assert run.states == {"job.manifest": "success", "job.run": ["success"], "job.report": "success"}
    totals = run.xcom("job.manifest", "manifest")
    assert (totals["rows"], totals["source"]) == (15, f"s3://{lake.bucket}/logs/")
    assert {key for key in lake.keys(lake.bucket) if lake.tags(key)} == set(logs)
    lake.put(["logs/later.gz"])
    run.clear("job.manifest")
    assert run.xcom("job.manifest", "manifest") == {**totals, "try_number": 2}
