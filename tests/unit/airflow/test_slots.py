"""How many shards run at a time, who decides that, and what Airflow is told of each task of a job."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_s3batch import s3_batch_job
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.operators import BatchOperationOperator, InventoryToManifestOperator
from airflow_s3batch.operators.slots import Slots, default_slots, slots_for, slots_of

TAGGING = PutObjectTagging({"a": "b"})
PLACES: dict[str, Any] = {"inventory": "s3://inv/lake", "where": "TRUE", "job_url": "s3://ops/x", "operation": TAGGING}
ROLE: dict[str, Any] = {"engine": "managed", "role_arn": "arn:aws:iam::123456789012:role/batch"}


def set_option(monkeypatch: pytest.MonkeyPatch, section: str, name: str, value: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW__{section.upper()}__{name.upper()}", str(value))


@pytest.mark.parametrize(("parallelism", "slots"), [(64, 8), (32, 8), (16, 8), (10, 5), (4, 2), (1, 1)])
def test_a_job_never_takes_more_than_half_of_a_small_airflow(
    monkeypatch: pytest.MonkeyPatch, parallelism: int, slots: int
) -> None:
    set_option(monkeypatch, "core", "parallelism", parallelism)
    assert default_slots() == slots


def test_an_administrator_sets_the_default_for_all_jobs(monkeypatch: pytest.MonkeyPatch, dag: Any) -> None:
    set_option(monkeypatch, "s3batch", "max_active_tis_per_dagrun", 20)
    s3_batch_job("job", **PLACES)
    assert dag.get_task("job.run").max_active_tis_per_dagrun == 20
    set_option(monkeypatch, "s3batch", "max_active_tis_per_dagrun", "many")
    with pytest.raises(ArgumentError, match=r"\[s3batch\] max_active_tis_per_dagrun = many .* not a number above 0"):
        s3_batch_job("other", **PLACES)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, 8),
        ({"max_active_tis_per_dagrun": 24}, 24),
        ({"default_args": {"max_active_tis_per_dagrun": 24}}, 24),
        ({"default_args": {"max_active_tis_per_dagrun": 24}, "max_active_tis_per_dagrun": 3}, 3),
        ({"default_args": {"max_active_tis_per_dagrun": None}}, None),
        ({"max_active_tis_per_dagrun": 24, "task_args": {"run": {"max_active_tis_per_dagrun": 5}}}, 5),
        ({**ROLE, "deferrable": False}, 8),
        ({**ROLE, "deferrable": True}, None),
        ({**ROLE, "default_args": {"deferrable": True}}, None),
        ({**ROLE, "default_args": {"deferrable": True}, "deferrable": False}, 8),
    ],
)
def test_what_is_said_closest_to_the_task_counts(dag: Any, arguments: dict[str, Any], expected: int | None) -> None:
    """Without a word a job leaves others room; tasks that wait in the triggerer hold no slot, so they have no limit."""
    s3_batch_job("job", **{**PLACES, **arguments})
    assert dag.get_task("job.run").max_active_tis_per_dagrun == expected


def test_shards_are_the_last_of_all_that_waits(dag: Any) -> None:
    """Their weight is 1 whatever comes behind them; other tasks of the job weigh what Airflow makes of them."""
    s3_batch_job("job", **PLACES, verification=True, planning_tasks=2)
    for name in ("job.group", "job.run", "job.verify"):
        task = dag.get_task(name)
        assert str(getattr(task.weight_rule, "value", task.partial_kwargs["weight_rule"])) == "absolute"
    assert dag.get_task("job.manifest").weight_rule != dag.get_task("job.run").weight_rule


def test_single_tasks_get_airflows_arguments(dag: Any) -> None:
    s3_batch_job(
        "job",
        **PLACES,
        pool="s3",
        verification=True,
        rehearse=5,
        planning_tasks=2,
        default_args={"queue": "s3", "pool_slots": 2},
        task_args={
            "run": {"queue": "fast", "priority_weight": 5, "executor_config": {"a": 1}},
            "group": {"pool": "planning"},
            "manifest": {"queue": "large"},
            "rehearse": {"retries": 9},
            "report": {"queue": "default", "pool_slots": 1},
        },
    )
    tasks = {task.task_id.removeprefix("job."): task for task in dag.tasks}
    assert {name: task.queue for name, task in tasks.items()} == {
        "groups": "s3",
        "group": "s3",
        "manifest": "large",
        "rehearse": "s3",
        "run": "fast",
        "verify": "s3",
        "report": "default",
    }
    assert {name: task.pool for name, task in tasks.items() if task.pool != "default_pool"} == {
        "group": "planning",
        "run": "s3",
        "verify": "s3",
    }
    assert (tasks["run"].priority_weight, tasks["run"].pool_slots, tasks["report"].pool_slots) == (5, 2, 1)
    assert (tasks["run"].executor_config, tasks["rehearse"].retries) == ({"a": 1}, 9)


def test_an_approval_can_wait_in_another_queue(dag: Any) -> None:
    s3_batch_job("job", **PLACES, approval=True, task_args={"approve": {"queue": "people"}})
    assert dag.get_task("job.approve").queue == "people"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"queue": "s3"}, r"queue= is Airflow's: give it to all tasks of the job with default_args=\{'queue': …\}"),
        ({"max_active_tis_per_dagrun": 0}, "max_active_tis_per_dagrun=0: expected a number above 0"),
        ({"task_args": {"run": {"pool_slots": 0}}}, r"task_args\['run'\]: pool_slots=0: expected a number above 0"),
        ({"task_args": {"verify": {}}}, "this job has no task 'verify'; it has manifest, run, report"),
        ({"task_args": {"run": {"quueue": "x"}}}, "takes no argument 'quueue' for any task; did you mean 'queue'"),
        ({"task_args": {"run": {"where": "TRUE"}}}, "takes no argument 'where'"),
        ({"task_args": {"report": {"trigger_rule": "all_success"}}}, "trigger_rule= is the job's own business"),
        ({"task_args": ["run"]}, r"task_args=\['run'\]: expected a dict"),
    ],
)
def test_wrong_wishes_fail_at_parse(dag: Any, arguments: dict[str, Any], part: str) -> None:
    """And say what is wrong, and what to write instead."""
    with pytest.raises(ArgumentError, match=part):
        s3_batch_job("job", **PLACES, **arguments)


def test_a_limit_that_lets_nothing_start_is_refused_without_a_group(dag: Any) -> None:
    with pytest.raises(ArgumentError, match="max_active_tis_per_dag=0"):
        BatchOperationOperator.partial(task_id="run", operation=TAGGING, max_active_tis_per_dag=0)


def by_hand(dag: Any, **arguments: Any) -> tuple[Any, Any]:
    manifest = InventoryToManifestOperator(
        task_id="manifest", **{k: PLACES[k] for k in ("inventory", "where", "job_url")}
    )
    run = BatchOperationOperator.partial(task_id="run", operation=TAGGING, **arguments).expand(shard=manifest.output)
    return manifest, run


@pytest.mark.parametrize(
    ("arguments", "max_active_tasks", "expected"),
    [
        ({}, 16, Slots(8, "max_active_tis_per_dagrun=8 of task run")),
        ({"max_active_tis_per_dagrun": 20}, 16, Slots(16, "max_active_tasks=16 of the Dag")),
        (
            {"max_active_tis_per_dagrun": 20, "max_active_tis_per_dag": 3},
            16,
            Slots(3, "max_active_tis_per_dag=3 of task run"),
        ),
        ({"max_active_tis_per_dagrun": None}, 99, Slots(32, "[core] parallelism = 32")),
    ],
)
def test_the_smallest_limit_is_told(
    dag: Any, arguments: dict[str, Any], max_active_tasks: int, expected: Slots
) -> None:
    """The one that is reached first, by the name under which people find it."""
    dag.max_active_tasks = max_active_tasks
    manifest, run = by_hand(dag, **arguments)
    assert slots_of(run) == expected
    assert slots_for(manifest) == {"run": expected}


def test_the_sentence_says_how_many_wait_and_why() -> None:
    slots = Slots(8, "max_active_tis_per_dagrun=8 of task job.run")
    assert slots.sentence(200) == "8 of 200 shards run at a time: max_active_tis_per_dagrun=8 of task job.run"
    assert slots.sentence(200, "s3").endswith("; fewer where pool 's3' has fewer slots")
    assert slots.sentence(8) == ""
