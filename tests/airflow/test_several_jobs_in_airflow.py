"""Jobs that share a rate, and whose they are: in a real Airflow, by its own database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_jobs import KEYS, on_seaweedfs, source

from airflow_s3batch import SharedRate

if TYPE_CHECKING:
    from dag_runs import DagFolder
    from lake import Lake

pytestmark = pytest.mark.integration


@on_seaweedfs
def test_a_job_shares_its_rate_and_belongs_to_the_airflow_that_started_it(dags: DagFolder, lake: Lake) -> None:
    """A clear goes on with it; another Airflow is refused, until it says that it has taken the other's place."""
    from airflow.models import Variable

    lake.deliver(lake.put(KEYS).values())
    rate = SharedRate("rate-of-{{ dag.dag_id }}", 500.0)
    run = dags.run(source(lake, before="from airflow_s3batch import SharedRate", shared_rate=rate))
    assert run.is_green, run.states
    job = run.xcom("job.manifest", key="manifest")["job"]
    policy = lake.json(f"{job}/job.run/g0001/operation.json")["policy"]
    assert policy["shared_rate"]["name"].startswith("rate-of-job_")
    owner = lake.json(f"{job}/job.json")["about"]["airflow"]
    assert owner == Variable.get("s3batch_installation")
    run.clear("job.manifest")
    assert run.states["job.manifest"] == "success"

    Variable.set("s3batch_installation", "another")
    run.clear("job.manifest")
    assert run.states["job.manifest"] == "failed"
    Variable.set("s3batch_installation", owner)
    run.clear("job.manifest")
    assert run.states["job.manifest"] == "success"
