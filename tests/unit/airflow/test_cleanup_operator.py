"""`S3BatchCleanupOperator`: its arguments, and what it asks Airflow."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from airflow_s3batch.core.errors import ArgumentError, InfrastructureError
from airflow_s3batch.operators import S3BatchCleanupOperator
from airflow_s3batch.operators.cleanup import is_run_at_work

JOB = {"dag_id": "classify", "run_id": "manual__1"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"job_url": "ops/jobs"}, "is not an S3 URL"),
        ({"job_url": "s3://ops"}, "allow_bucket_root=True"),
        ({"older_than": timedelta(hours=2)}, "at least a day"),
        ({"keep_last": -1}, "keep_last=-1"),
        ({"max_jobs": 0}, "max_jobs=0"),
        ({"dry_run": "perhaps"}, "dry_run='perhaps'"),
    ],
)
def test_wrong_arguments_are_told_when_the_dag_is_parsed(arguments: dict[str, Any], sentence: str) -> None:
    given = {"job_url": "s3://ops/jobs", "older_than": timedelta(days=90), **arguments}
    with pytest.raises(ArgumentError, match=sentence):
        S3BatchCleanupOperator(task_id="cleanup", **given)


def test_templates_are_looked_at_when_they_are_rendered() -> None:
    S3BatchCleanupOperator(
        task_id="cleanup",
        job_url="{{ var.value.job_url }}",
        older_than=timedelta(days=90),
        keep_last="{{ params.keep }}",
        dry_run="{{ params.dry_run }}",
    )


@pytest.mark.parametrize("limit", ["max_jobs", "max_objects"])
def test_a_limit_that_renders_to_a_native_none_stops_the_cleanup(limit: str, context: dict[str, Any]) -> None:
    """``None`` is no limit, and nobody has said that."""
    from airflow.sdk import DAG

    with DAG("native", schedule=None, render_template_as_native_obj=True) as dag:
        task = S3BatchCleanupOperator(
            task_id="cleanup",
            job_url="s3://ops/jobs",
            older_than=timedelta(days=90),
            **{limit: "{{ conf.get('most') }}"},
        )
    task.render_template_fields({"conf": {}}, dag.get_template_env())
    with pytest.raises(ArgumentError, match=f"{limit} rendered to None"):
        task.run(context)


@pytest.mark.parametrize(
    ("state", "is_at_work"),
    [("success", False), ("failed", False), ("running", True), ("queued", True), ("a state of a later Airflow", True)],
)
def test_a_run_is_at_work_unless_it_is_over(state: str, *, is_at_work: bool) -> None:
    ti = SimpleNamespace(
        get_dagrun_state=lambda dag_id, run_id: state if (dag_id, run_id) == tuple(JOB.values()) else ""
    )
    assert is_run_at_work(ti, JOB) is is_at_work


def test_a_run_that_airflow_has_forgotten_is_over() -> None:
    assert is_run_at_work(SimpleNamespace(get_dagrun_state=_raising(404)), JOB) is False


def test_where_airflow_does_not_tell_nothing_is_removed() -> None:
    with pytest.raises(InfrastructureError, match="does not tell the state of run 'manual__1'"):
        is_run_at_work(SimpleNamespace(get_dagrun_state=_raising(503)), JOB)


def _raising(status: int) -> Any:
    def get_dagrun_state(*_: str) -> str:
        raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": status}))

    return get_dagrun_state
