"""The job that is always below `s3://ops/s3batch`: red, for three objects may not be tagged."""

from __future__ import annotations

import os
from unittest import mock

from docs_world import World
from run_python import _known_to_airflow

from airflow_s3batch.testing import AccessDenied, FaultProxy, every, is_api, is_key

FORBIDDEN = tuple(f"search/2026/part {number:05d}.csv" for number in (2, 5, 8))


def finish_a_job(world: World) -> None:
    """Run the job in *world*, as a Dag; leave its files, and nothing else."""
    from airflow.sdk import DAG

    from airflow_s3batch import s3_batch_job
    from airflow_s3batch.operations import PutObjectTagging

    world.make()
    with DAG("nightly_tags") as dag:
        s3_batch_job(
            group_id="tag",
            inventory="s3://inventories/prod-lake/daily",
            where="starts_with(key, 'search/')",
            operation=PutObjectTagging({"team": "search"}),
            job_url="s3://ops/s3batch",
        )
    _known_to_airflow(dag)
    with FaultProxy(world.server) as proxy:
        for key in FORBIDDEN:
            proxy.inject(AccessDenied(), when=every(is_api("PutObjectTagging"), is_key(key)))
        uri = proxy.server.airflow_connection_uri()
        with mock.patch.dict(os.environ, {**world.environment(), "AIRFLOW_CONN_AWS_DEFAULT": uri}):
            dag.test()
    world.keep_job()
