"""A job of AWS's own service on a real Airflow that loses its worker and its triggerer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from real_jobs import DONE

from demo.processes import end

if TYPE_CHECKING:
    from real_jobs import RealJob

    from airflow_s3batch.testing import S3BatchEmulator

OBJECTS = 60


def test_a_deferred_job_outlives_its_worker_and_the_triggerer(
    new_job: Callable[..., RealJob], aws: S3BatchEmulator, request: pytest.FixtureRequest
) -> None:
    """The worker is killed before it notes the job's id, the triggerer while AWS works: there is one AWS job."""
    request.addfinalizer(aws.calm)
    managed = {
        "role_arn": f"arn:aws:iam::{aws.account_id}:role/batch",
        "deferrable": True,
        "aws_conn_id": "aws_batch",
    }
    job = new_job(
        "managed", objects=OBJECTS, objects_per_shard=40, retry_delay_s=1, managed=managed, dies_unrecorded=True
    )
    aws.hold("Active", after_tasks=20)
    job.start()
    logs = job.stack.home / "logs"
    job.wait_for(lambda: [*logs.glob(f"dag_id={job.name}/**/attempt=2.log.trigger.*")], "the triggerer to wait")
    left = job.stack.kill("triggerer")
    request.addfinalizer(lambda: end(left, grace_s=0))
    (made,) = (found["JobId"] for found in aws.client().list_jobs(AccountId=aws.account_id)["Jobs"])
    aws.release("Active")
    assert aws.wait(made)["Status"] == "Complete"
    job.stack.start("triggerer")

    assert job.end(), job.states()
    assert job.states() == {"job.manifest": "success", "job.run": ["success"], "job.report": "success"}
    assert [found["JobId"] for found in aws.client().list_jobs(AccountId=aws.account_id)["Jobs"]] == [made]
    counts = job.stack.api.xcom(job.name, job.run_id, "job.run", map_index=0)
    assert (counts["objects"], counts["succeeded"], counts["failed"]) == (OBJECTS, OBJECTS, 0)
    assert job.tags() == dict.fromkeys(job.keys, DONE)
    job.check_report()
