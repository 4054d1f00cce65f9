"""Workers keep off a job that AWS may be at work on."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_aws import Killed
from managed_jobs import TAGGING, TASK, ManagedJob, keys

from airflow_s3batch.core.errors import AccessError, JobChangedError
from airflow_s3batch.core.manifest import ShardRef
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.shards.shard import run_shard


@pytest.fixture
def job(tmp_path: Path) -> ManagedJob:
    return ManagedJob(tmp_path, keys("a", "b", "c", "d"))


def test_workers_keep_off_while_aws_may_be_at_work(job: ManagedJob) -> None:
    """engine= was changed to "worker" while the AWS job runs: the shard is refused before a request is sent."""
    found = job.begun()
    ref = ShardRef(found.ref.job_url, 0, 4)
    access = S3Access(endpoint_url="http://127.0.0.1:1", region_name="eu-west-1")
    with pytest.raises(JobChangedError, match="engine='managed' has made an AWS job"):
        run_shard(ref, TAGGING, access=access, storage=job.storage, task_id=TASK)


def test_workers_keep_off_a_job_that_was_made_and_not_noted(job: ManagedJob) -> None:
    """The task was killed between CreateJob and the note of the job's id."""

    def die(name: str) -> None:
        if name == "create":
            raise Killed

    job.aws.after = die
    with pytest.raises(Killed):
        job.begin()
    ref = ShardRef(job.refs()[0].job_url, 0, 4)
    access = S3Access(endpoint_url="http://127.0.0.1:1", region_name="eu-west-1")
    with pytest.raises(JobChangedError, match="engine='managed' may have made an AWS job"):
        run_shard(ref, TAGGING, access=access, storage=job.storage, task_id=TASK)


def test_a_request_that_aws_has_refused_keeps_nobody_off(job: ManagedJob) -> None:
    """What AWS can't do for us, workers may; unless nobody can tell whether there is a job."""

    def refuse(name: str) -> None:
        if name in refused:
            raise AccessError(name)

    refused = {"create", "list"}
    job.aws.before = refuse
    with pytest.raises(AccessError, match="create"):
        job.begin()
    requests = [url for url in job.storage.files if url.key.endswith("request.json")]
    assert len(requests) == 1
    refused.remove("list")
    with pytest.raises(AccessError, match="create"):
        job.begin()
    assert not [url for url in job.storage.files if url.key.endswith("request.json")]
    job.aws.before = lambda _: None
    assert job.begun()
