"""Which tasks a job has, and in which order: what is asked for comes at its place, what is not is not there."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_s3batch import s3_batch_job
from airflow_s3batch.approvals import Approval
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operations import DeleteObject, LambdaInvoke, PutObjectTagging

PLACES: dict[str, Any] = {"inventory": "s3://inv/lake", "where": "TRUE", "job_url": "s3://ops/x"}
TAGGING = PutObjectTagging({"a": "b"})
LAMBDA = LambdaInvoke("arn:aws:lambda:us-east-1:123456789012:function:x")
ROLE: dict[str, Any] = {"engine": "managed", "role_arn": "arn:aws:iam::123456789012:role/batch"}


def order_of(dag: Any, **arguments: Any) -> list[str]:
    """Return the tasks of a job with *arguments*, in the order in which they run."""
    with dag:
        group = s3_batch_job("job", **PLACES, **arguments)
    return [task.task_id.removeprefix("job.") for task in group.topological_sort()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"operation": TAGGING}, "manifest run report"),
        ({"operation": DeleteObject()}, "manifest approve run report"),
        ({"operation": [TAGGING, DeleteObject()]}, "manifest approve run report"),
        ({"operation": DeleteObject(), "approval": False}, "manifest run report"),
        ({"operation": DeleteObject(), "dry_run": True}, "manifest run report"),
        ({"operation": DeleteObject(), "dry_run": "{{ params.dry }}"}, "manifest approve run report"),
        ({"operation": TAGGING, "approval": True}, "manifest approve run report"),
        ({"operation": TAGGING, "approval": Approval(), **ROLE}, "manifest approve run report"),
        ({"operation": TAGGING, "rehearse": 9}, "manifest rehearse run report"),
        ({"operation": TAGGING, "rehearse": 9, "approval": True}, "manifest rehearse approve run report"),
        ({"operation": DeleteObject(), "rehearse": 9}, "manifest approve rehearse run report"),
        ({"operation": TAGGING, "verification": True}, "manifest run verify report"),
        ({"operation": TAGGING, "verification": 100, **ROLE}, "manifest run verify report"),
        (
            {"operation": DeleteObject(), "rehearse": 9, "verification": 5, "planning_tasks": 2},
            "groups group manifest approve rehearse run verify report",
        ),
    ],
)
def test_a_job_has_the_tasks_that_it_needs(dag: Any, arguments: dict[str, Any], expected: str) -> None:
    """What destroys is approved before the first object is touched, also before a rehearsal."""
    assert order_of(dag, **arguments) == expected.split()


def test_nothing_runs_past_an_approval(dag: Any) -> None:
    """Every task that changes objects wants to see the approval, whatever is cleared by itself."""
    order_of(dag, operation=DeleteObject(), rehearse=5)
    assert dag.get_task("job.rehearse").approval_task_id == "job.approve"
    assert dag.get_task("job.run").partial_kwargs["approval_task_id"] == "job.approve"


def test_trigger_rules_are_the_jobs_own_whatever_the_dags_defaults() -> None:
    """With ``all_done`` a job would go on after a rehearsal that failed; without, nobody would hear of it."""
    from airflow.sdk import DAG

    with DAG("rules", schedule=None, default_args={"trigger_rule": "all_done"}) as eager:
        s3_batch_job("job", **PLACES, operation=TAGGING, rehearse=5, approval=True, verification=True)
    with DAG("rules", schedule=None, default_args={"trigger_rule": "none_failed"}) as strict:
        s3_batch_job("job", **PLACES, **ROLE, operation=TAGGING, approval=True, verification=True)
    for dag in (eager, strict):
        rules = {task.task_id.removeprefix("job."): task.trigger_rule for task in dag.tasks}
        assert {rules.get(name, "all_success") for name in ("rehearse", "approve", "run")} == {"all_success"}
        assert (rules["verify"], rules["report"]) == ("all_done", "all_done")


STORE: dict[str, Any] = {
    "aws_conn_id": "minio",
    "region_name": "us-west-2",
    "verify": False,
    "botocore_config": {"read_timeout": 9},
}


def stores_of(dag: Any) -> dict[str, tuple[Any, ...]]:
    """Return the store that each task of the job is told."""
    return {
        task.task_id.removeprefix("job."): tuple(getattr(task, "partial_kwargs", vars(task))[name] for name in STORE)
        for task in dag.tasks
    }


@pytest.mark.parametrize("place", ["dag", "group", "job"])
def test_the_store_of_default_args_is_that_of_all_tasks(place: str) -> None:
    """As it is for operators that stand alone: a sensor beside the job must not look into another store."""
    from airflow.sdk import DAG, TaskGroup

    given: dict[str, Any] = {name: {} for name in ("dag", "group", "job")} | {place: {"default_args": STORE}}
    with DAG("stores", schedule=None, **given["dag"]) as dag, TaskGroup("g", prefix_group_id=False, **given["group"]):
        s3_batch_job("job", **PLACES, **given["job"], operation=TAGGING, rehearse=5, approval=True, verification=True)
    assert list(stores_of(dag).values()) == [tuple(STORE.values())] * 6


def test_the_store_that_a_job_is_given_counts_more_than_default_args() -> None:
    """Also if it is the one that it has without a word, or none; the store of its files has its own settings."""
    from airflow.sdk import DAG

    for conn_id in ("aws_default", None):
        with DAG("stores", schedule=None, default_args=STORE) as dag:
            s3_batch_job("job", **PLACES, operation=TAGGING, aws_conn_id=conn_id, region_name="eu-west-1")
        assert {told[:2] for told in stores_of(dag).values()} == {(conn_id, "eu-west-1")}
    with DAG("stores", schedule=None, default_args=STORE) as dag:
        s3_batch_job("job", **PLACES, operation=TAGGING, job_aws_conn_id="files")
    assert stores_of(dag)["report"] == ("files", None, None, None)
    with DAG("stores", schedule=None) as dag:
        s3_batch_job("job", **PLACES, operation=TAGGING)
    assert set(stores_of(dag).values()) == {("aws_default", None, None, None)}


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (
            {"operation": TAGGING, "default_args": {"max_concurrency": 4}},
            "max_concurrency= is the job's own: pass it to",
        ),
        (
            {"operation": TAGGING, "default_args": {"trigger_rule": "all_done"}},
            "trigger_rule= is the job's own business",
        ),
        ({"operation": TAGGING, "default_args": ["retries"]}, "expected a dict of Airflow's arguments"),
        ({"operation": TAGGING, "rehearse": 0}, "rehearse=0"),
        ({"operation": TAGGING, "verify": 100}, "verification=100"),
        ({"operation": TAGGING, "rehearse": 5, **ROLE}, "rehearse=5: a rehearsal by workers"),
        ({"operation": TAGGING, "approval": "yes"}, "approval='yes'"),
        ({"operation": TAGGING, "verification": "half"}, "verification='half': expected a number of objects, or True"),
        ({"operation": TAGGING, "verification": None}, "verification=None: expected True, False or a number"),
        ({"operation": LAMBDA, "verification": True}, "LambdaInvoke can't be verified"),
        ({"operation": TAGGING, "dry_run": "perhaps"}, "dry_run='perhaps'"),
        ({"operation": TAGGING, "dry_run": True, **ROLE}, "no dry run"),
        ({"operation": DeleteObject(), "approval": Approval(default="approve")}, "default_may_destroy"),
    ],
)
def test_wrong_wishes_fail_at_parse(dag: Any, arguments: dict[str, Any], part: str) -> None:
    """And say what is wrong."""
    with pytest.raises(ArgumentError, match=part):
        order_of(dag, **arguments)
