"""Dry runs and rehearsals as tasks: what is handed on, what Airflow is told, and what is refused."""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import pytest
from airflow.sdk import DAG, Asset
from fakes import SetTag, summary

import airflow_s3batch.reports.build
from airflow_s3batch import BatchOperationOperator, BatchRehearsalOperator, BatchReportOperator
from airflow_s3batch.core.errors import ArgumentError, TooManyFailuresError
from airflow_s3batch.core.outcomes import DRY_RUN, Summary, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.checks.rehearsal import Rehearsal
from airflow_s3batch.hooks.airflow_names import AirflowFailException, AirflowSkipException
from airflow_s3batch.hooks.s3 import StoreSettings
from airflow_s3batch.manifests.planning.series import Series
from airflow_s3batch.operators.managed_arguments import worker_argument_problems
from airflow_s3batch.testing import MemoryStorage

JOB = "s3://ops/s3batch/job-1"
SHARDS = [{"job": JOB, "shard": number, "rows": 500} for number in range(3)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the engine was asked for; it does what ``then`` says."""
    asked: dict[str, Any] = {"then": None}
    monkeypatch.setattr(StoreSettings, "access", lambda self: ("access", self.aws_conn_id))
    monkeypatch.setattr(StoreSettings, "storage", lambda self: MemoryStorage())
    monkeypatch.setattr("airflow_s3batch.operators.pausing.storage_on", lambda access: ("on", access))

    def run_shard(ref: Any, operation: Any, **more: Any) -> Summary:
        asked.update(ref=ref, operation=operation, **more)
        return Summary(Tally(failed=500, codes={DRY_RUN: 498, "NoSuchKey": 2}), requests=500, earlier=7)

    def rehearse(job_url: str, operation: Any, objects: int, **more: Any) -> Rehearsal:
        asked.update(job_url=job_url, operation=operation, objects=objects, **more)
        if asked["then"]:
            raise asked["then"]
        return Rehearsal(operation.name, objects, 1_500, Tally(objects), requests=objects, seconds=1.25)

    for name, function in (("shards.shard", run_shard), ("checks.rehearsal", rehearse)):
        module = types.ModuleType(f"airflow_s3batch.engine.{name}")
        setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return asked


def operation(**arguments: Any) -> BatchOperationOperator:
    return BatchOperationOperator(**{"task_id": "run", "operation": SetTag("k"), "shard": SHARDS[0], **arguments})


def rehearsal(**arguments: Any) -> BatchRehearsalOperator:
    given = {"operation": SetTag("k"), "shards": SHARDS, "objects": 100, "operation_task_id": "run"}
    return BatchRehearsalOperator(**{"task_id": "rehearse", **given, **arguments})


def execute(task: Any, context: dict[str, Any]) -> Any:
    return type(task).execute.__wrapped__(task, context)


@pytest.mark.parametrize("text", ["true", "True", " TRUE "])
def test_a_dry_run_is_asked_for_by_a_template_and_nothing_counts_as_done(
    asked: dict[str, Any], context: dict[str, Any], text: str
) -> None:
    task = operation(dry_run="{{ params.dry }}", outlets=[Asset("done")])
    task.render_template_fields({"params": {"dry": text}})
    assert execute(task, context) == {
        "shard": 0,
        "objects": 500,
        "succeeded": 0,
        "failed": 2,
        "requests": 500,
        "seconds": 0.0,
        "would_be_done": 505,
        "dry_run": True,
    }
    assert asked["dry_run"] is True
    assert task.outlets == []


def test_without_a_word_it_is_no_dry_run(asked: dict[str, Any], context: dict[str, Any]) -> None:
    execute(operation(), context)
    assert asked["dry_run"] is False


@pytest.mark.parametrize("make", [operation, rehearsal], ids=["run", "rehearse"])
@pytest.mark.parametrize("text", ["", "None", "yes", "1", "tru"])
def test_an_unclear_word_does_nothing(asked: dict[str, Any], context: dict[str, Any], make: Any, text: str) -> None:
    """Neither the dry run nor, what would be worse, the real one."""
    task = make(dry_run="{{ params.dry }}")
    task.render_template_fields({"params": {"dry": text}})
    with pytest.raises(AirflowFailException, match="is neither true nor false, so nothing was done"):
        execute(task, context)
    assert set(asked) == {"then"}


@pytest.mark.parametrize("value", ["maybe", 1, None])
def test_an_unclear_word_in_the_dag_is_told_when_it_is_parsed(value: Any) -> None:
    for make in (operation, rehearsal):
        with pytest.raises(ArgumentError, match=r"dry_run=.* is neither True nor False"):
            make(dry_run=value)
    with pytest.raises(ArgumentError, match="dry_run="):
        BatchOperationOperator.partial(task_id="run", operation=SetTag("k"), dry_run=value)


def test_mapped_tasks_take_a_template_of_it() -> None:
    with DAG("d", schedule=None):
        mapped = BatchOperationOperator.partial(task_id="run", operation=SetTag("k"), dry_run="{{ params.dry }}")
        task = mapped.expand(shard=SHARDS)
    assert "dry_run" in task.template_fields
    assert task.partial_kwargs["dry_run"] == "{{ params.dry }}"


def test_aws_has_no_dry_run() -> None:
    """Said when the Dag is parsed, with what to do instead."""
    found = worker_argument_problems({"tolerate": (), "dry_run": "{{ params.dry }}"})
    assert any("AWS S3 Batch Operations has no dry run; make it with engine='worker'" in problem for problem in found)
    assert not any("dry_run" in problem for problem in worker_argument_problems({"tolerate": (), "dry_run": False}))


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_dry_run_starts_no_other_dag_and_is_not_what_the_next_run_compares_with(
    storage: MemoryStorage, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *, dry_run: bool
) -> None:
    about = {"dag_id": "d", "task_id": "job.manifest", "map_index": -1}
    job = {"format": "airflow-s3batch-job/1", "selection": {}, "source": {}, "fingerprint": "f", "about": about}
    storage.write(S3Url.parse(f"{JOB}/job.json"), json.dumps({**job, "created": "2026-11-22T12:00:00+00:00"}).encode())
    made = summary(dry_run=dry_run, succeeded=0, failed=3, codes={DRY_RUN: 3}, tolerate=(DRY_RUN,), examples={})
    monkeypatch.setattr(airflow_s3batch.reports.build, "build_report", lambda *_, **__: made)
    told: list[Any] = []
    monkeypatch.setattr("airflow_s3batch.operators.report.tell_outlets", lambda *arguments: told.append(arguments))
    task = BatchReportOperator(
        task_id="report", manifest_task_id="job.manifest", operation_task_id="job.run", outlets=[Asset("done")]
    )
    context["ti"].xcoms["job.manifest", "manifest"] = {"job": JOB, "rows": 3, "bytes": 30, "shards": 1, "source": ""}
    execute(task, context)
    series = Series.of(S3Url.parse("s3://ops/s3batch"), about)
    assert series is not None
    assert (series.reported(storage) is None) is dry_run
    assert (bool(task.outlets), bool(told)) == (not dry_run, not dry_run)


def test_a_rehearsal_is_done_in_the_name_of_the_task_that_does_the_rest(
    asked: dict[str, Any], context: dict[str, Any]
) -> None:
    """It returns counts alone."""
    task = rehearsal(objects="{{ params.n }}", allowed_failures=2, tolerate=["NoSuchKey"], max_concurrency=9)
    task.render_template_fields({"params": {"n": 50}})
    found = execute(task, context)
    assert (asked["job_url"], asked["objects"], asked["task_id"]) == (JOB, 50, "run")
    assert (asked["policy"].allowed_failures, asked["policy"].max_concurrency) == (2, 9)
    assert (found["objects"], found["of"], found["succeeded"], found["seconds"]) == (50, 1_500, 50, 1.2)
    assert len(json.dumps(found)) < 250


def test_in_a_dry_run_nothing_is_rehearsed(asked: dict[str, Any], context: dict[str, Any]) -> None:
    """And the task succeeds, so that the dry run goes on."""
    assert execute(rehearsal(dry_run=True), context) == {"objects": 0, "dry_run": True}
    assert set(asked) == {"then"}


def test_of_an_empty_manifest_nothing_is_rehearsed(asked: dict[str, Any], context: dict[str, Any]) -> None:
    with pytest.raises(AirflowSkipException, match="manifest is empty"):
        execute(rehearsal(shards=[]), context)


def test_a_rehearsal_that_fails_is_not_retried(asked: dict[str, Any], context: dict[str, Any]) -> None:
    asked["then"] = TooManyFailuresError("The job was not run.")
    with pytest.raises(AirflowFailException, match="The job was not run"):
        execute(rehearsal(), context)


@pytest.mark.parametrize("objects", [0, -1, "many", "", None, 2.5, True])
def test_it_takes_a_number_of_objects(asked: dict[str, Any], context: dict[str, Any], objects: Any) -> None:
    """Told when the Dag is parsed, or, of a template, before anything is done."""
    with pytest.raises(ArgumentError, match="objects="):
        rehearsal(objects=objects)
    task = rehearsal(objects="{{ params.n }}")
    task.render_template_fields({"params": {"n": objects}})
    with pytest.raises(AirflowFailException, match="objects"):
        execute(task, context)


@pytest.mark.parametrize("shards", [None, "s3://ops/x", [{"shard": 1}], {"job": JOB}])
def test_what_it_is_not_given_by_a_manifest_task_is_told(
    asked: dict[str, Any], context: dict[str, Any], shards: Any
) -> None:
    with pytest.raises(AirflowFailException, match="is not what the manifest task returns"):
        execute(rehearsal(shards=shards), context)
