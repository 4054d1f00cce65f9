"""What the managed engine can't take is told while the Dag is parsed: all at once, each with the way out."""

from __future__ import annotations

from typing import Any

import pytest
from fake_jobs import ACCOUNT, ROLE

from airflow_s3batch import Column, InventoryToManifestOperator, ManagedBatchJobOperator, s3_batch_job
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operations import ComputeObjectChecksum, DeleteObject, PutObjectTagging

TAGGING = PutObjectTagging({"team": "lake"})
JOB: dict[str, Any] = {
    "group_id": "job",
    "inventory": "s3://inv/lake/daily",
    "where": "size > 5",
    "operation": TAGGING,
    "job_url": "s3://ops/s3batch",
}
MANAGED: dict[str, Any] = {**JOB, "engine": "managed", "role_arn": ROLE}
OF_THE_MANAGED_ENGINE: dict[str, Any] = {
    "role_arn": ROLE,
    "account_id": ACCOUNT,
    "priority": 5,
    "confirmation_required": True,
    "description": "tagging",
    "job_tags": {"team": "lake"},
    "report_scope": "FailedTasksOnly",
    "expected_bucket_owner": False,
    "deferrable": True,
    "poll_interval_s": 45,
    "cancel_on_kill": False,
}
OF_THE_WORKER_ENGINE: dict[str, Any] = {
    "failure_threshold": 0.05,
    "keep_going": True,
    "max_concurrency": 9,
    "max_requests_per_s": 100.0,
    "request_timeout_s": 5.0,
    "max_attempts": 2,
    "source_aws_conn_id": "elsewhere",
}


def test_the_same_job_but_for_one_word(dag: Any) -> None:
    """Manifest, report and notifications are declared alike; only who runs it differs."""
    s3_batch_job(**{**JOB, "group_id": "workers"})
    s3_batch_job(**{**MANAGED, "group_id": "aws"})
    assert {name for name in dag.task_dict if name.startswith("aws.")} == {"aws.manifest", "aws.run", "aws.report"}
    assert dag.get_task("aws.run").operator_class is ManagedBatchJobOperator
    assert dag.get_task("aws.manifest").engine == "managed"
    assert dag.get_task("workers.manifest").engine == "worker"
    assert dag.get_task("aws.report").operation_task_id == "aws.run"


def test_every_managed_argument_reaches_the_mapped_task(dag: Any) -> None:
    """None is lost on the way."""
    s3_batch_job(**{**MANAGED, **OF_THE_MANAGED_ENGINE}, tolerate={"NoSuchKey"}, allowed_failures=3, replay_unsafe=True)
    given = dag.get_task("job.run").partial_kwargs
    assert {name: given[name] for name in OF_THE_MANAGED_ENGINE} == OF_THE_MANAGED_ENGINE
    assert (given["tolerate"], given["allowed_failures"], given["replay_unsafe"]) == (["NoSuchKey"], 3, True)
    assert not set(OF_THE_WORKER_ENGINE) & set(given)


@pytest.mark.parametrize(("name", "value"), OF_THE_WORKER_ENGINE.items())
def test_worker_arguments_are_refused_with_the_way_out(dag: Any, name: str, value: Any) -> None:
    """Silently ignoring a limit would be worse than not having it."""
    with pytest.raises(ArgumentError, match=rf"{name}=.*(use|with) engine='worker'"):
        s3_batch_job(**MANAGED, **{name: value})
    s3_batch_job(**JOB, **{name: value})


def test_one_word_leads_back_to_the_worker_engine(dag: Any) -> None:
    """What only AWS has a use for may stay where it is; how a paused job is waited for, workers need to know, too."""
    stays = {name: value for name, value in OF_THE_MANAGED_ENGINE.items() if name != "confirmation_required"}
    s3_batch_job(**{**MANAGED, **stays, "engine": "worker"})
    given = dag.get_task("job.run").partial_kwargs
    assert given["max_concurrency"] == 128
    assert set(OF_THE_MANAGED_ENGINE) & set(given) == {"deferrable"}


def test_a_confirmation_that_nobody_asks_for_is_refused(dag: Any) -> None:
    with pytest.raises(ArgumentError, match="nobody is asked by engine='worker'"):
        s3_batch_job(**JOB, confirmation_required=True)


def test_all_problems_of_a_managed_job_are_told_together(dag: Any) -> None:
    """One look shows everything that stands in the way of changing the word."""
    wrong = {
        "operation": PutObjectTagging({"team": Column("team")}),
        "where": "",
        "role_arn": None,
        "poll_interval_s": 5,
        "max_requests_per_s": 10.0,
        "priority": "urgent",
        "max_object": 5,
    }
    with pytest.raises(ArgumentError) as caught:
        s3_batch_job(**{**MANAGED, **wrong})
    for part in (
        "Column('team')",
        "an empty filter",
        "role_arn is missing",
        "poll_interval_s=5",
        "max_requests_per_s=10.0",
        "priority='urgent'",
        "did you mean 'max_objects'?",
    ):
        assert part in str(caught.value)
    assert not dag.task_dict


def test_operation_that_aws_lacks_is_refused(dag: Any) -> None:
    """The most asked for of all."""
    with pytest.raises(ArgumentError, match=r"no DeleteObject; use engine='worker'"):
        s3_batch_job(**{**MANAGED, "operation": DeleteObject()})
    with pytest.raises(ArgumentError, match=r"use engine='worker'"):
        s3_batch_job(**{**MANAGED, "operation": [TAGGING, DeleteObject()]})


def test_settings_that_do_not_go_with_the_operation_are_refused(dag: Any) -> None:
    """AWS writes a report of checksums only for an owner that is named."""
    checksums = ComputeObjectChecksum(algorithm="SHA256")
    with pytest.raises(ArgumentError, match=r"expected_bucket_owner=False: .* pass True"):
        s3_batch_job(**{**MANAGED, "operation": checksums}, expected_bucket_owner=False)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"role_arn": "batch"}, "role_arn='batch' is not the ARN"),
        ({"role_arn": 5}, "role_arn=5 is not a text"),
        ({"account_id": "12"}, "account_id='12'"),
        ({"account_id": int(ACCOUNT)}, f"account_id={ACCOUNT} is not an AWS account: 12 digits, as a text"),
        ({"account_id": "0" * 12}, "is not a role of account"),
        ({"priority": -1}, "priority=-1"),
        ({"confirmation_required": "yes"}, "confirmation_required='yes'"),
        ({"description": "x" * 300}, "description has 300 characters"),
        ({"job_tags": {"aws:x": "1"}}, "aws:x"),
        ({"job_tags": ["x"]}, "job_tags=['x'] is not a dict"),
        ({"report_scope": "Some"}, "report_scope='Some'"),
        ({"poll_interval_s": "60"}, "poll_interval_s='60'"),
        ({"cancel_on_kill": "no"}, "cancel_on_kill='no'"),
        ({"tolerate": "NoSuchKey"}, "tolerate='NoSuchKey'"),
    ],
)
def test_each_wrong_value_is_a_sentence(dag: Any, changes: dict[str, Any], part: str) -> None:
    """By the task group and by the operator alike, mapped or not."""
    for make in (
        lambda: s3_batch_job(**{**MANAGED, **changes}),
        lambda: ManagedBatchJobOperator.partial(task_id="run", operation=TAGGING, **{"role_arn": ROLE, **changes}),
        lambda: ManagedBatchJobOperator(
            task_id="one",
            operation=TAGGING,
            bucket={"job": "s3://ops/x", "bucket": "lake", "rows": 1},
            **{"role_arn": ROLE, **changes},
        ),
    ):
        with pytest.raises(ArgumentError) as caught:
            make()
        assert part in str(caught.value)


def test_templates_wait_for_the_run(dag: Any) -> None:
    """Role, account and the like often come from variables."""
    s3_batch_job(
        **{**MANAGED, "role_arn": "{{ var.value.role }}"},
        account_id="{{ var.value.account }}",
        priority="{{ params.priority }}",
        description="run {{ run_id }}",
        job_tags={"team": "{{ params.team }}"},
    )
    assert dag.get_task("job.run").partial_kwargs["priority"] == "{{ params.priority }}"


def test_engine_of_the_manifest_is_one_of_two() -> None:
    with pytest.raises(ArgumentError, match="engine='aws' is unknown; use 'worker' or 'managed'"):
        InventoryToManifestOperator(
            task_id="m", inventory="s3://inv/lake", where="TRUE", job_url="s3://ops/x", engine="aws"
        )


LIST = {"manifest_url": "s3://ops/list.csv", "job_url": "s3://ops/s3batch"}
GENERATOR = {"SourceBucket": "arn:aws:s3:::lake", "EnableManifestOutput": False}


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ({}, "the objects come from nowhere"),
        ({**LIST, "manifest_generator": GENERATOR}, "from manifest_url and manifest_generator"),
        ({"manifest_url": "s3://ops/list.csv"}, "job_url is missing"),
        ({**LIST, "manifest_url": "list.csv"}, "manifest_url='list.csv' is not an S3 URL"),
        ({"manifest_generator": {"SourceBucket": "lake"}, "job_url": "s3://ops/x"}, "EnableManifestOutput"),
        ({"manifest_generator": "lake", "job_url": "s3://ops/x"}, "manifest_generator='lake' is not a dict"),
    ],
)
def test_objects_of_a_lone_job_come_from_one_place(source: dict[str, Any], part: str) -> None:
    """A bucket of our manifest, somebody's CSV file, or AWS's own list."""
    with pytest.raises(ArgumentError) as caught:
        ManagedBatchJobOperator(task_id="one", operation=TAGGING, role_arn=ROLE, **source)
    assert part in str(caught.value)


def test_lone_jobs_are_told_apart_in_the_grid() -> None:
    """By the file, or by the bucket that AWS lists."""
    for source, label in (
        (LIST, "s3://ops/list.csv"),
        ({"manifest_generator": GENERATOR, "job_url": "s3://ops/x"}, "lake"),
    ):
        assert ManagedBatchJobOperator(task_id="one", operation=TAGGING, role_arn=ROLE, **source).label == label
