"""Wrong arguments are told while the Dag is parsed, all at once; templates wait for the run."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from fakes import SetTag

from airflow_s3batch import (
    AthenaToManifestOperator,
    BatchOperationOperator,
    BatchRehearsalOperator,
    BatchReportOperator,
    InventoryToManifestOperator,
    ListObjectsToManifestOperator,
    ManagedBatchJobOperator,
    S3BatchCleanupOperator,
    S3InventorySensor,
    s3_batch_job,
)
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.hooks.arguments import as_int, as_moment, is_template
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.sources import Listing

PLACE: dict[str, Any] = {"where": "TRUE", "job_url": "s3://ops/s3batch"}
JOB: dict[str, Any] = {
    "group_id": "job",
    "inventory": "s3://inv/lake/daily",
    "where": "size > 5",
    "operation": SetTag("team"),
    "job_url": "s3://ops/s3batch",
}


def manifest_operator(**changes: Any) -> InventoryToManifestOperator:
    arguments = {name: JOB[name] for name in ("inventory", "where", "job_url")}
    return InventoryToManifestOperator(task_id="manifest", **{**arguments, **changes})


def test_a_config_object_of_botocores_is_told_while_the_dag_is_parsed(dag: Any) -> None:
    """In a task, or where it waits in the triggerer, it would be of no use."""
    config = Config(read_timeout=9)
    told = "botocore_config is a Config, expected a dict such as"
    with pytest.raises(ArgumentError, match=told):
        manifest_operator(botocore_config=config)
    with pytest.raises(ArgumentError, match=told):
        S3InventorySensor(task_id="wait", inventory="s3://inv/lake", botocore_config=config)
    with pytest.raises(ArgumentError, match=told):
        BatchOperationOperator.partial(task_id="run", operation=SetTag("team"), botocore_config=config)
    with pytest.raises(ArgumentError, match=rf"s3_batch_job 'job': {told}"):
        s3_batch_job(**JOB, botocore_config=config)


TAGGING = PutObjectTagging({"a": "b"})
AWS: dict[str, Any] = {"role_arn": "arn:aws:iam::123456789012:role/batch", "job_url": "s3://ops/s3batch"}
FLAGS: list[tuple[Any, dict[str, Any], list[str]]] = [
    (ListObjectsToManifestOperator, {"prefix": "s3://lake", **PLACE}, ["versions", "owners", "resume"]),
    (AthenaToManifestOperator, {"table": "lake.t", **PLACE}, ["uses_workgroup_output", "cancel_on_kill"]),
    (BatchOperationOperator, {"operation": TAGGING, "shard": {}}, ["resume"]),
    (BatchOperationOperator.partial, {"operation": TAGGING}, ["resume"]),
    (
        BatchRehearsalOperator,
        {"operation": TAGGING, "shards": [], "objects": 5, "operation_task_id": "run"},
        ["resume"],
    ),
    (
        ManagedBatchJobOperator,
        {"operation": TAGGING, "manifest_url": "s3://lists/a.csv", **AWS},
        ["resume", "manifest_has_versions"],
    ),
    (ManagedBatchJobOperator.partial, {"operation": TAGGING, **AWS}, ["resume", "manifest_has_versions"]),
    (
        S3BatchCleanupOperator,
        {"job_url": "s3://ops/s3batch", "older_than": timedelta(days=9)},
        ["keep_failed", "keep_reports", "allow_bucket_root"],
    ),
]


@pytest.mark.parametrize("value", ["{{ params.flag }}", "false", None])
@pytest.mark.parametrize(
    ("make", "arguments", "flag"), [(make, arguments, flag) for make, arguments, flags in FLAGS for flag in flags]
)
@pytest.mark.filterwarnings("ignore:Task 'task' was never mapped")
def test_a_text_is_no_flag(make: Any, arguments: dict[str, Any], flag: str, value: Any) -> None:
    """Any text would be a yes: "false" would list all versions, and a template that nobody renders would, too."""
    with pytest.raises(ArgumentError, match=rf"{flag}={value!r} is neither True nor False \(it can't be a template\)"):
        make(task_id="task", **{**arguments, flag: value})


@pytest.mark.parametrize("value", ["{{ params.flag }}", "false"])
def test_a_text_is_no_flag_of_a_job_either(dag: Any, value: str) -> None:
    with pytest.raises(ArgumentError, match=rf"s3_batch_job 'job': resume={value!r} is neither True nor False"):
        s3_batch_job(**JOB, resume=value)  # type: ignore[arg-type]
    listed = {**JOB, "inventory": None, "source": Listing("s3://lake", versions=value)}  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=rf"s3_batch_job 'job': versions={value!r} is neither True nor False"):
        s3_batch_job(**listed)


def test_where_to_wait_is_no_text() -> None:
    """Any text would mean the triggerer."""
    for make, arguments in (
        (S3InventorySensor, {"inventory": "s3://inv/lake"}),
        (AthenaToManifestOperator, FLAGS[1][1]),
    ):
        with pytest.raises(ArgumentError, match="deferrable='false' is neither True nor False"):
            make(task_id="wait", deferrable="false", **arguments)


def test_literal_mistakes_are_told_together() -> None:
    """One look shows all of them."""
    with pytest.raises(ArgumentError) as caught:
        manifest_operator(inventory="inv/lake", where=" ", job_url="ops", max_objects=-1, as_of="yesterday")
    for part in ("inventory='inv/lake'", "an empty filter", "job_url='ops'", "max_objects=-1", "as_of='yesterday'"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"where": 5}, "where=5 is not a text"),
        ({"where": None}, "an empty filter would select every object"),
        ({"columns": {"team": 1}}, "columns={'team': 1}"),
        ({"columns": "team"}, "columns='team'"),
        ({"max_age": 8}, "max_inventory_age=8 is not a timedelta"),
        ({"max_shards": "9"}, "max_shards='9'"),
        ({"max_objects": "many"}, "max_objects='many' is not a whole number"),
        ({"min_objects": 5, "max_objects": 4}, "min_objects=5 is more than max_objects=4"),
        ({"staging_limit": "plenty"}, "staging_limit='plenty' is not a whole number"),
        (
            {"include_delete_markers": "{{ params.markers }}"},
            "include_delete_markers='{{ params.markers }}' is neither",
        ),
        ({"allowed_buckets": []}, "allowed_buckets=[] allows nothing"),
    ],
)
def test_each_wrong_value_is_a_sentence(changes: dict[str, Any], part: str) -> None:
    """Never a TypeError from the depths."""
    with pytest.raises(ArgumentError) as caught:
        manifest_operator(**changes)
    assert part in str(caught.value)


def test_templates_are_left_to_the_run() -> None:
    """What Jinja will make of a text is not judged before."""
    operator = manifest_operator(where="{{ params.filter }}", max_objects="{{ params.most }}", as_of="{{ ts }}")
    assert operator.where == "{{ params.filter }}"
    with pytest.raises(ArgumentError, match="inventory='nonsense'"):
        manifest_operator(where="{{ params.filter }}", inventory="nonsense")


def test_partial_checks_the_operation_and_the_policy() -> None:
    """Airflow makes the mapped operator only when it runs, which is too late to tell of a typing error."""
    with pytest.raises(ArgumentError) as caught:
        BatchOperationOperator.partial(task_id="run", operation="tag", failure_threshold=2, tolerate="NoSuchKey")
    for part in ("operation='tag' is not an operation", "tolerate='NoSuchKey'"):
        assert part in str(caught.value)
    with pytest.raises(ArgumentError, match="failure_threshold=2"):
        BatchOperationOperator.partial(task_id="run", operation=SetTag("t"), failure_threshold=2)
    with pytest.raises(ArgumentError, match="operation=None"):
        BatchOperationOperator.partial(task_id="run")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("max_requests_per_s", 0, "max_requests_per_s=0 is neither a rate above 0 nor None"),
        ("max_requests_per_s", "3500", "max_requests_per_s='3500' is not a number or None"),
        ("max_requests_per_s", True, "max_requests_per_s=True is not a number or None"),
        ("keep_going", "yes", "keep_going='yes' is not a bool"),
        ("keep_going", None, "keep_going=None is not a bool"),
        ("max_concurrency", None, "max_concurrency=None is not a number"),
    ],
)
def test_limits_are_checked_while_the_dag_is_parsed(dag: Any, name: str, value: Any, problem: str) -> None:
    """By the operator and by the task group alike."""
    with pytest.raises(ArgumentError, match=problem):
        BatchOperationOperator.partial(task_id="run", operation=SetTag("t"), **{name: value})
    with pytest.raises(ArgumentError, match=problem):
        s3_batch_job(**JOB, **{name: value})


@pytest.mark.parametrize("limit", [None, 0.5, 3_500])
def test_limits_reach_the_mapped_task(dag: Any, limit: float | None) -> None:
    s3_batch_job(**JOB, max_requests_per_s=limit, keep_going=True)
    given = dag.task_dict["job.run"].partial_kwargs
    assert (given["max_requests_per_s"], given["keep_going"]) == (limit, True)


def test_report_arguments() -> None:
    """Notifiers are callables, the verdict's values are checked."""
    with pytest.raises(ArgumentError) as caught:
        BatchReportOperator(
            task_id="report", manifest_task_id="m", operation_task_id="r", notifications=["slack"], allowed_failures=-1
        )
    assert "'slack' is not a notifier" in str(caught.value)
    assert "allowed_failures=-1" in str(caught.value)


def test_job_tells_wrong_names_and_values_in_one_error(dag: Any) -> None:
    """A misspelt name is told with the name that was meant."""
    with pytest.raises(ArgumentError) as caught:
        s3_batch_job(**{**JOB, "where": "", "operation": None}, max_object=5, engine="lambda", failure_threshold=0)
    for part in (
        "s3_batch_job 'job': ",
        "no argument 'max_object'; did you mean 'max_objects'?",
        "engine='lambda' is unknown",
        "an empty filter",
        "operation=None",
        "failure_threshold=0",
    ):
        assert part in str(caught.value)
    assert not dag.task_dict


def test_job_in_a_mapped_group_is_told_what_to_do(dag: Any) -> None:
    """Airflow's own error names neither the job nor a way out."""
    from airflow.sdk import task_group

    @task_group
    def each(item: str) -> None:
        s3_batch_job(**{**JOB, "where": item})

    with pytest.raises(
        ArgumentError, match=r"s3_batch_job 'job': task group 'each' .* s3_batch_job\(f'job_\{x\}', …\)"
    ):
        each.expand(item=["a", "b"])
    assert not dag.task_dict


def test_sensor_arguments() -> None:
    """The same checks as for the manifest."""
    with pytest.raises(ArgumentError) as caught:
        S3InventorySensor(task_id="s", inventory="nonsense", max_age=timedelta(0), as_of="soon")
    for part in ("inventory='nonsense'", "max_age=", "as_of='soon'"):
        assert part in str(caught.value)


def test_rendered_numbers_and_moments() -> None:
    """Templates give texts; these become values, or a sentence."""
    assert [as_int("n", text) for text in ("12", 12, "1e6", "1_000", 3.0)] == [12, 12, 1_000_000, 1_000, 3]
    assert as_int("n", None) is None
    for wrong in ("1.5", 1.5, "x", True, math.inf, "1e400", math.nan, 10**400, [1]):
        with pytest.raises(ArgumentError, match="n="):
            as_int("n", wrong)
    assert as_moment("t", "2026-11-01") == datetime(2026, 11, 1, tzinfo=UTC)
    assert as_moment("t", "2026-11-01T10:00:00+02:00") == datetime(2026, 11, 1, 8, tzinfo=UTC)
    assert as_moment("t", None) is None


@pytest.mark.parametrize("nothing", ["", " ", "None"])
def test_guard_that_renders_to_nothing_is_not_off(nothing: str) -> None:
    """A missing variable or parameter must not select everything; only ``None`` itself means no guard."""
    for convert in (as_int, as_moment):
        with pytest.raises(ArgumentError, match=rf"limit rendered to '{nothing}', which would turn it off"):
            convert("limit", nothing)


def test_outputs_of_other_tasks_are_templates(dag: Any) -> None:
    """An XComArg is known only when the task runs."""
    sensor = S3InventorySensor(task_id="s", inventory="s3://inv/lake")
    assert is_template(sensor.output)
    assert is_template({"a": ["{{ x }}"]})
    assert not is_template({"a": ["x"]})
    manifest_operator(inventory=sensor.output)
    assert dag.get_task("manifest").upstream_task_ids == {"s"}


@pytest.mark.parametrize("value", [datetime(2026, 11, 1, tzinfo=UTC), timedelta(days=3)])
def test_params_that_airflow_can_not_keep_are_told_with_the_rest(value: Any) -> None:
    """Airflow's params are JSON; the sentence says how to write a time."""
    with pytest.raises(ArgumentError, match=r"'cutoff' is a .* ISO 8601.*'x' is not an S3 URL"):
        s3_batch_job(**{**JOB, "inventory": "x", "params": {"cutoff": value}})
    with pytest.raises(ArgumentError, match="is not a dict"):
        s3_batch_job(**{**JOB, "params": ["cutoff"]})


def test_one_outlet_is_a_list_of_one() -> None:
    """As Airflow's own operators take it."""
    from airflow.sdk import DAG, Asset

    with DAG("told", schedule=None) as dag:
        s3_batch_job(**JOB, outlets=Asset("done"))
    assert [outlet.name for outlet in dag.get_task("job.report").outlets] == ["done"]
