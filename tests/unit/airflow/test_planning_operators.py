"""The operators that plan a manifest in several tasks, and ``s3_batch_job`` where it adds them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG
from fakes import TaskInstance

from airflow_s3batch import s3_batch_job
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.identity import job_id
from airflow_s3batch.hooks.airflow_names import AirflowFailException
from airflow_s3batch.operations import DeleteObjectTagging
from airflow_s3batch.operators.manifest_groups import (
    InventoryGroupOperator,
    InventoryGroupsOperator,
    InventoryGroupsToManifestOperator,
)
from airflow_s3batch.testing import write_inventory

if TYPE_CHECKING:
    from airflow_s3batch.testing import MemoryStorage

SELECTION: dict[str, Any] = {
    "inventory": "s3://inv/lake/daily",
    "where": "size >= $least",
    "job_url": "s3://ops/s3batch",
    "objects_per_shard": 5,
}


def execute(task: Any, ti: TaskInstance) -> Any:
    return type(task).execute.__wrapped__(task, {"ti": ti, "params": {"least": 5}})


def test_three_operators_publish_one_manifest(storage: MemoryStorage) -> None:
    """XCom carries small dicts, the job has the manifest task's name, and the totals lie where the report looks."""
    rows = [{"key": f"k{n}", "size": n} for n in range(20)]
    write_inventory(storage, "s3://inv", "lake", rows, created=datetime(2026, 11, 1, tzinfo=UTC), files=4)
    start = InventoryGroupsOperator(task_id="groups", planning_tasks=3, manifest_task_id="job.manifest", **SELECTION)
    groups = json.loads(json.dumps(execute(start, TaskInstance(task_id="groups"))))
    assert [group["group"] for group in groups] == [0, 1, 2]
    assert all(len(json.dumps(group)) <= 150 for group in groups)
    assert groups[0]["job"].endswith(job_id("tagging", "manual__1", "job.manifest"))
    for group in groups:
        told = execute(InventoryGroupOperator(task_id="group", group=group, **SELECTION), TaskInstance())
        assert told.keys() == {"group", "rows", "shards"}
    ti = TaskInstance(task_id="job.manifest")
    shards = execute(InventoryGroupsToManifestOperator(task_id="manifest", groups=groups, **SELECTION), ti)
    assert [shard["shard"] for shard in shards] == list(range(len(shards)))
    assert sum(shard["rows"] for shard in shards) == 15
    assert ti.xcoms["job.manifest", "manifest"]["rows"] == 15


@pytest.mark.parametrize("group", [None, {}, {"job": "s3://ops/x", "shard": 1, "rows": 2}])
def test_a_group_from_elsewhere_is_refused(group: Any) -> None:
    task = InventoryGroupOperator(task_id="group", group=group, aws_conn_id=None, **SELECTION)
    with pytest.raises(AirflowFailException, match=r"map the task with \.expand\(group=groups\.output\)"):
        execute(task, TaskInstance())


def job(**arguments: Any) -> DAG:
    defaults = {**SELECTION, "where": "TRUE", "operation": DeleteObjectTagging(), "planning_tasks": 4}
    with DAG("tagging", schedule=None) as dag:
        s3_batch_job("job", **{**defaults, **arguments})
    return dag


def test_planning_tasks_come_before_the_manifest() -> None:
    dag = job()
    assert {task.task_id: task.upstream_task_ids for task in dag.tasks} == {
        "job.groups": set(),
        "job.group": {"job.groups"},
        "job.manifest": {"job.groups", "job.group"},
        "job.run": {"job.manifest"},
        "job.report": {"job.run"},
    }
    assert dag.get_task("job.groups").manifest_task_id == "job.manifest"
    assert "job.groups" not in {task.task_id for task in job(planning_tasks=None).tasks}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"planning_tasks": "8"}, "planning_tasks='8' is not a number of tasks"),
        ({"planning_tasks": True}, "planning_tasks=True is not a number of tasks"),
        ({"planning_tasks": 300}, "planning_tasks=300 is more than max_shards=200"),
        ({"sample": 100, "keep_versions": 2}, "keep_versions=, sample= must see all rows at once"),
        ({"where": None, "sql": "SELECT * FROM inventory"}, "sql= must see all rows at once"),
    ],
)
def test_planning_tasks_that_cannot_be_are_refused_at_the_parse(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        job(**arguments)
