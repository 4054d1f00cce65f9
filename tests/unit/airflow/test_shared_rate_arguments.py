"""`shared_rate=` from the Dag to the engine: checked at parse, rendered, shown, handed to every task that sends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_rendering import serialized

from airflow_s3batch import BatchOperationOperator, SharedRate, s3_batch_job
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.hooks.airflow_names import AirflowFailException
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.operators.verification import BatchVerificationOperator

PLACES: dict[str, Any] = {"inventory": "s3://inv/lake", "where": "TRUE", "job_url": "s3://ops/x"}
TAGGING = PutObjectTagging({"a": "b"})
SHARD = {"job": "s3://ops/s3batch/job-1", "shard": 3, "rows": 50_000}
LAKE = SharedRate("lake", 3_500)


def test_each_task_of_a_job_that_sends_requests_shares_the_rate(dag: Any) -> None:
    with dag:
        s3_batch_job("job", **PLACES, operation=TAGGING, shared_rate=LAKE, rehearse=9, verification=True)
    assert dag.get_task("job.rehearse").shared_rate == LAKE
    assert [dag.get_task(f"job.{name}").partial_kwargs["shared_rate"] for name in ("run", "verify")] == [LAKE, LAKE]


def test_a_rendered_rate_reaches_the_policy(dag: Any) -> None:
    """Also where the Dag renders native objects."""
    with dag:
        task = BatchOperationOperator(
            task_id="run",
            operation=TAGGING,
            shard=SHARD,
            shared_rate=SharedRate("{{ params.store }}", "{{ params.rate }}"),
        )
    task.render_template_fields({"params": {"store": "lake", "rate": 500}})
    rate = task._policy().shared_rate
    assert rate is not None
    assert (rate.name, rate.per_s) == ("lake", 500)


def test_a_rate_that_is_wrong_once_rendered_fails_without_retries() -> None:
    task = BatchOperationOperator(
        task_id="run", operation=TAGGING, shard=SHARD, shared_rate=SharedRate("lake", "{{ params.rate }}")
    )
    with pytest.raises(AirflowFailException, match="max_requests_per_s='None'"):
        task.render_template_fields({"params": {"rate": None}})


def test_airflow_shows_the_rate(dag: Any) -> None:
    with dag:
        BatchVerificationOperator(
            task_id="look", operation=TAGGING, operation_task_id="run", shard=SHARD, shared_rate=LAKE
        )
    text = json.dumps(serialized(dag))
    assert '"name": "lake"' in text
    assert '"max_requests_per_s": 3500' in text


@pytest.mark.parametrize("value", [3_500, "lake", ("lake", 3_500)])
def test_what_is_no_shared_rate_is_refused_while_the_dag_is_parsed(dag: Any, value: Any) -> None:
    with dag, pytest.raises(ArgumentError, match=r"is no SharedRate; pass SharedRate\('name', requests_per_s\)"):
        s3_batch_job("job", **PLACES, operation=TAGGING, shared_rate=value)


def test_aws_has_no_such_limit(dag: Any) -> None:
    role: dict[str, Any] = {"engine": "managed", "role_arn": "arn:aws:iam::123456789012:role/batch"}
    with dag, pytest.raises(ArgumentError, match="priority= says which of them comes first"):
        s3_batch_job("job", **PLACES, operation=TAGGING, shared_rate=LAKE, **role)
