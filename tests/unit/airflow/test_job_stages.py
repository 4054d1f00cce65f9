"""Which tasks a job has, and in which order: what is asked for comes at its place, what is not is not there."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_s3batch import s3_batch_job
from airflow_s3batch.approvals import Approval
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operations import DeleteObject, LambdaInvoke, PutObjectTagging

PLACES = {"inventory": "s3://inv/lake", "where": "TRUE", "job_url": "s3://ops/x"}
TAGGING = PutObjectTagging({"a": "b"})
LAMBDA = LambdaInvoke("arn:aws:lambda:us-east-1:123456789012:function:x")
ROLE = {"engine": "managed", "role_arn": "arn:aws:iam::123456789012:role/batch"}


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


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
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
