"""Operations as template fields: rendered, shown, serialized."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes import SetTag

from airflow_s3batch import (
    BatchOperationOperator,
    Column,
    InventoryToManifestOperator,
    ManagedBatchJobOperator,
    s3_batch_job,
)
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.hooks.airflow_names import AirflowFailException
from airflow_s3batch.operations import DeleteObject, InOrder, PutObjectTagging, ReplicateObject
from airflow_s3batch.operators import managed
from airflow_s3batch.operators.batch_operation import MAP_INDEX_TEMPLATE

SHARD = {"job": "s3://ops/s3batch/job-1", "shard": 3, "rows": 50_000}


def serialized(dag: Any) -> dict[str, Any]:
    """Return the Dag as Airflow keeps it, having read it back once."""
    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialization
    except ImportError:  # Airflow 3.1
        from airflow.serialization.serialized_objects import SerializedDAG as Serialization

    document: dict[str, Any] = json.loads(json.dumps(Serialization.to_dict(dag)))
    Serialization.from_dict(document)
    return document


def test_operation_is_rendered_into_a_copy() -> None:
    """Operations are frozen; what the Dag declares stays as it is."""
    declared = SetTag("team", {"run": "{{ run_id }}", "who": Column("team")})
    task = BatchOperationOperator(task_id="run", operation=declared, shard=SHARD)
    task.render_template_fields({"run_id": "manual__1"})
    assert task.operation == SetTag("team", {"run": "manual__1", "who": Column("team")})
    assert declared.value["run"] == "{{ run_id }}"


def test_operation_keeps_texts_where_the_dag_renders_native_objects() -> None:
    """A version, a date or a number with leading zeros is written as it is."""
    from airflow.sdk import DAG

    values = {"version": "01.10", "name": "None", "list": "[1, 2]", "number": 7}
    with DAG(
        "native", schedule=None, render_template_as_native_obj=True, user_defined_macros={"shout": str.upper}
    ) as dag:
        declared = SetTag("{{ shout('k') }}", {name: f"{{{{ params.{name} }}}}" for name in values})
        task = BatchOperationOperator(task_id="run", operation=declared, shard=SHARD)
    task.render_template_fields({"params": values}, dag.get_template_env())
    assert task.operation == SetTag("K", {"version": "01.10", "name": "None", "list": "[1, 2]", "number": "7"})


def test_operation_that_is_wrong_once_rendered_fails_without_retries() -> None:
    """Another attempt would render the same."""
    task = BatchOperationOperator(task_id="run", operation=SetTag("{{ nothing }}"), shard=SHARD)
    with pytest.raises(AirflowFailException, match="key='' is empty"):
        task.render_template_fields({"nothing": ""})


def test_a_template_can_not_reach_into_python() -> None:
    """A template in the Dag has no way out of Jinja, and a value of a run's conf that is one itself is refused."""
    from airflow.sdk import DAG

    with DAG("sandbox", schedule=None):
        out = BatchOperationOperator(
            task_id="out", operation=SetTag("k", "{{ ''.__class__.__mro__[1].__subclasses__() }}"), shard=SHARD
        )
        conf = BatchOperationOperator(task_id="conf", operation=SetTag("k", "{{ params.team }}"), shard=SHARD)
    with pytest.raises(Exception, match="unsafe"):
        out.render_template_fields({})
    with pytest.raises(AirflowFailException, match="a template that is not rendered"):
        conf.render_template_fields({"params": {"team": "{{ 7 * 7 }}"}})


def test_literal_braces_of_an_operation_without_templates_are_left_alone() -> None:
    """Only texts with Jinja go through Jinja."""
    task = BatchOperationOperator(task_id="run", operation=SetTag("a{#b", "100 %}"), shard=SHARD)
    task.render_template_fields({})
    assert task.operation.key == "a{#b"


def test_serialized_dag_shows_the_operation(dag: Any, operation: SetTag) -> None:
    """The UI and Dag versions see the declaration, in plain JSON."""
    BatchOperationOperator(task_id="run", operation=operation, shard=SHARD)
    text = json.dumps(serialized(dag))
    assert '"operation": "SetTag"' in text


def test_mapped_job_survives_serialization(dag: Any, operation: SetTag) -> None:
    """Scheduler and API server work from the serialized Dag."""
    s3_batch_job("job", inventory="s3://inv/lake", where="TRUE", operation=operation, job_url="s3://ops/s3batch")
    text = json.dumps(serialized(dag))
    assert "SetTag" in text
    assert " at 0x" not in text


DETERMINISM = """
import json, sys
sys.path.insert(0, {here!r})
from airflow.sdk import DAG
from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import PutObjectTagging
from fakes import SetTag
from test_rendering import serialized
with DAG("d", schedule=None) as dag:
    s3_batch_job("job", inventory="s3://inv/lake", where="TRUE", operation=SetTag("k", {{"b": "1", "a": "2"}}),
        job_url="s3://ops/x", tolerate={{"NoSuchKey", "AccessDenied", "SlowDown", "InvalidRequest"}})
    s3_batch_job("sets", inventory="s3://inv/lake", where="TRUE", operation=SetTag("k"), job_url="s3://ops/x",
        planning_tasks=2, allowed_buckets={{"a", "b", "c", "d"}}, allowed_prefixes=frozenset({{"e", "f", "g", "h"}}))
    s3_batch_job("aws", inventory="s3://inv/lake", where="TRUE", operation=PutObjectTagging({{"b": "1", "a": "2"}}),
        job_url="s3://ops/x", tolerate={{"NoSuchKey", "AccessDenied", "SlowDown", "InvalidRequest"}},
        engine="managed", role_arn="arn:aws:iam::123456789012:role/batch")
document = serialized(dag)
print(json.dumps(document["dag"]["tasks"], sort_keys=True))
"""


def test_two_parses_serialize_alike() -> None:
    """Hash seeds differ between processes; a Dag must not get a new version from each parse."""
    script = DETERMINISM.format(here=str(Path(__file__).parent))
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.splitlines()[-1]
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("dag_defaults", "explicit", "expected"),
    [({}, {}, 3), ({"retries": 1}, {}, 1), ({"retries": 1}, {"retries": 5}, 5), ({"retries": 0}, {}, 0)],
)
def test_retries_are_three_unless_somebody_says_otherwise(
    dag_defaults: dict[str, Any], explicit: dict[str, Any], expected: int
) -> None:
    """Explicit argument, then default_args, then ours; mapped or not."""
    from airflow.sdk import DAG

    with DAG("d", schedule=None, default_args=dag_defaults):
        manifest = InventoryToManifestOperator(
            task_id="manifest", inventory="s3://inv/lake", where="TRUE", job_url="s3://ops/x"
        )
        mapped = BatchOperationOperator.partial(task_id="run", operation=SetTag("k"), **explicit).expand(
            shard=manifest.output
        )
        plain = BatchOperationOperator(task_id="one", operation=SetTag("k"), shard=SHARD, **explicit)
    assert mapped.retries == expected
    assert plain.retries == expected


def test_a_task_of_a_job_whose_worker_is_lost_is_retried() -> None:
    """Each of them: the manifest and the report, too, find what an earlier try has left."""
    from airflow.sdk import DAG

    with DAG("d", schedule=None) as dag:
        s3_batch_job(
            "job",
            inventory="s3://inv/lake",
            where="TRUE",
            operation=SetTag("k"),
            job_url="s3://ops/x",
            rehearse=10,
            verification=True,
            approval=True,
        )
    assert {task.task_id: task.retries > 0 for task in dag.tasks} == dict.fromkeys(dag.task_ids, True)


def test_task_groups_default_args_count_too() -> None:
    """``s3_batch_job(default_args=…)`` reaches the mapped task."""
    from airflow.sdk import DAG

    with DAG("d", schedule=None) as dag:
        s3_batch_job(
            "job",
            inventory="s3://inv/lake",
            where="TRUE",
            operation=SetTag("k"),
            job_url="s3://ops/x",
            default_args={"retries": 7, "owner": "lake"},
            pool="s3",
            max_active_tis_per_dagrun=4,
        )
    run = dag.get_task("job.run")
    assert (run.retries, run.owner, run.pool, run.max_active_tis_per_dagrun) == (7, "lake", "s3", 4)
    assert dag.get_task("job.report").retries == 7


def test_grid_label_says_shard_and_size(dag: Any) -> None:
    """Mapped instances are told apart by what they work on."""
    task = BatchOperationOperator(task_id="run", operation=SetTag("k"), shard=SHARD)
    label = dag.get_template_env().from_string(MAP_INDEX_TEMPLATE).render(task=task)
    assert label == "shard 3 · 50,000 objects"
    manifest = InventoryToManifestOperator(
        task_id="manifest", inventory="s3://inv/lake", where="TRUE", job_url="s3://ops/x"
    )
    mapped = BatchOperationOperator.partial(task_id="mapped", operation=SetTag("k")).expand(shard=manifest.output)
    assert mapped.map_index_template == MAP_INDEX_TEMPLATE


def test_job_is_manifest_run_report(dag: Any) -> None:
    """Three tasks in a group; the report runs whatever happened."""
    from airflow.sdk import TaskGroup, TriggerRule

    group = s3_batch_job("job", inventory="s3://inv/lake", where="TRUE", operation=SetTag("k"), job_url="s3://ops/x")
    assert isinstance(group, TaskGroup)
    assert set(dag.task_dict) == {"job.manifest", "job.run", "job.report"}
    assert dag.get_task("job.report").upstream_task_ids == {"job.run"}
    assert dag.get_task("job.report").trigger_rule == TriggerRule.ALL_DONE
    assert dag.get_task("job.report").manifest_task_id == "job.manifest"
    assert dag.get_task("job.report").operation_task_id == "job.run"


def test_jobs_report_judges_by_the_jobs_policy(dag: Any) -> None:
    """Not by what the first attempt was told, long ago."""
    arguments = {"inventory": "s3://inv/lake", "where": "TRUE", "operation": SetTag("k"), "job_url": "s3://ops/x"}
    s3_batch_job("job", **arguments, tolerate=["SlowDown"], allowed_failures=0.25)
    report = dag.get_task("job.report")
    assert (set(report.tolerate), report.allowed_failures) == ({"SlowDown"}, 0.25)


def test_managed_job_survives_serialization(dag: Any) -> None:
    """Scheduler and API server see the operation, and the link to the console."""
    s3_batch_job(
        "job",
        inventory="s3://inv/lake",
        where="TRUE",
        operation=PutObjectTagging({"team": "{{ run_id }}"}),
        job_url="s3://ops/s3batch",
        engine="managed",
        role_arn="arn:aws:iam::123456789012:role/batch",
        pool="s3",
        default_args={"retries": 7},
    )
    run = dag.get_task("job.run")
    assert (run.retries, run.pool, run.map_index_template) == (7, "s3", managed.MAP_INDEX_TEMPLATE)
    text = json.dumps(serialized(dag))
    assert "_link_S3BatchJobLink" in text
    assert " at 0x" not in text


def test_managed_operator_is_rendered() -> None:
    """Operation, role, account, priority, description and tags."""
    task = ManagedBatchJobOperator(
        task_id="run",
        operation=PutObjectTagging({"run": "{{ run_id }}"}),
        bucket={"job": "s3://ops/s3batch/job-1", "bucket": "lake", "rows": 50_000},
        role_arn="{{ role }}",
        account_id="{{ account }}",
        priority="{{ priority }}",
        description="{{ run_id }}",
        job_tags={"run": "{{ run_id }}"},
        expected_bucket_owner="{{ account }}",
    )
    task.render_template_fields({"run_id": "manual__1", "role": "arn", "account": "1", "priority": 7})
    assert task.operation == PutObjectTagging({"run": "manual__1"})
    assert (task.role_arn, task.account_id, task.priority, task.expected_bucket_owner) == ("arn", "1", "7", "1")
    assert (task.description, task.job_tags) == ("manual__1", {"run": "manual__1"})
    label = task.get_template_env().from_string(managed.MAP_INDEX_TEMPLATE).render(task=task)
    assert label == "lake · 50,000 objects"


def test_an_account_stays_text_where_the_dag_renders_native_objects() -> None:
    """Twelve digits are no number, and neither is a version."""
    from airflow.sdk import DAG

    with DAG("native", schedule=None, render_template_as_native_obj=True) as dag:
        task = ManagedBatchJobOperator(
            task_id="run",
            operation=PutObjectTagging({"a": "b"}),
            bucket={"job": "s3://ops/s3batch/job-1", "bucket": "lake", "rows": 50_000},
            role_arn="{{ role }}",
            account_id="{{ account }}",
            priority="{{ priority }}",
            job_tags={"version": "{{ version }}"},
        )
    values = {"role": "arn", "account": "123456789012", "priority": "7", "version": "01.10"}
    task.render_template_fields(values, dag.get_template_env())
    assert (task.account_id, task.job_tags, task.priority) == ("123456789012", {"version": "01.10"}, 7)


def test_what_another_task_gives_is_no_template() -> None:
    """Neither SQL nor anything else of a mapped task is rendered that has come through XCom."""
    values = {"where": "key LIKE '{{ secret }}'", "job_url": "s3://ops/{{ secret }}"}
    task = InventoryToManifestOperator(task_id="manifest", inventory="s3://inv/lake", **values)
    task._do_render_template_fields(
        task,
        task.template_fields,
        {"secret": "told"},
        task.get_template_env(),
        {id(task.where)},
    )
    assert (task.where, task.job_url) == (values["where"], "s3://ops/told")


def test_several_operations_are_rendered_and_shown(dag: Any) -> None:
    """A list in the Dag; one operation in the task, whose steps are frozen copies."""
    declared = [SetTag("{{ run_id }}"), SetTag("team", Column("team"))]
    task = BatchOperationOperator(task_id="run", operation=declared, shard=SHARD)
    task.render_template_fields({"run_id": "manual__1"})
    assert task.operation == InOrder([SetTag("manual__1"), SetTag("team", Column("team"))])
    assert declared[0].key == "{{ run_id }}"
    text = json.dumps(serialized(dag))
    assert '"operation": "InOrder"' in text
    assert text.count('"operation": "SetTag"') == 2


def test_a_job_of_several_operations_survives_serialization(dag: Any, operation: SetTag) -> None:
    """Mapped, and the same from each parse: no object's address is in it."""
    several = [operation, SetTag("other")]
    s3_batch_job("job", inventory="s3://inv/lake", where="TRUE", operation=several, job_url="s3://ops/s3batch")
    text = json.dumps(serialized(dag))
    assert "InOrder" in text
    assert " at 0x" not in text


@pytest.mark.parametrize(
    ("operation", "part"),
    [
        (ReplicateObject(), "ReplicateObject.. is done by AWS alone; use engine='managed'"),
        ([DeleteObject(), SetTag("k")], "DeleteObject has to be the last operation"),
        ([SetTag("k"), "delete"], "'delete' is not an operation"),
    ],
)
def test_operations_that_workers_can_not_do_fail_at_parse(dag: Any, operation: Any, part: str) -> None:
    """By hand and in a job."""
    with pytest.raises(ArgumentError, match=part):
        BatchOperationOperator.partial(task_id="run", operation=operation)
    with pytest.raises(ArgumentError, match=part):
        s3_batch_job("job", inventory="s3://inv/lake", where="TRUE", operation=operation, job_url="s3://ops/s3batch")
