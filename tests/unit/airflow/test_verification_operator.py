"""The verification's operator: what is wrong while a Dag is parsed, and how an attempt ends."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_s3batch import BatchVerificationOperator
from airflow_s3batch.core.errors import AccessError, ArgumentError, InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.outcomes import Summary, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.checks.verification_verdict import judge_looks
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.generation import open_generation
from airflow_s3batch.hooks.airflow_names import AirflowFailException
from airflow_s3batch.hooks.s3 import StoreSettings
from airflow_s3batch.operations import LambdaInvoke, PutObjectTagging, PythonInvoke, ReplicateObject
from airflow_s3batch.testing.storage import MemoryStorage

TAGGING = PutObjectTagging({"k": "v"})
SHARD: dict[str, Any] = {"job": "s3://ops/s3batch/job-1", "shard": 3, "rows": 50_000}


def operator(**arguments: Any) -> BatchVerificationOperator:
    given = {"task_id": "verify", "operation": TAGGING, "operation_task_id": "run", "shard": SHARD, **arguments}
    return BatchVerificationOperator(**given)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"operation": LambdaInvoke("greet")}, "LambdaInvoke can't be verified: what a function should have left"),
        ({"operation": [TAGGING, PythonInvoke("a.b:c")]}, "PythonInvoke can't be verified"),
        ({"operation": ReplicateObject()}, "ReplicateObject can't be verified: S3 replicates in its own time"),
        ({"operation": 5}, "operation=5 is not an operation"),
        ({"objects": 0}, "objects=0: expected a number of objects, or None for all"),
        ({"objects": True}, "objects=True"),
        ({"objects": "many"}, "objects='many'"),
        ({"max_concurrency": 0}, "max_concurrency=0 is below 1"),
        ({"tolerate": "ChangedSince"}, "tolerate='ChangedSince' is not a set"),
    ],
)
@pytest.mark.parametrize("is_mapped", [False, True])
def test_wrong_arguments_are_told_while_the_dag_is_parsed(
    arguments: dict[str, Any], said: str, is_mapped: bool
) -> None:
    given = {"task_id": "verify", "operation": TAGGING, "operation_task_id": "run", **arguments}
    with pytest.raises(ArgumentError, match="BatchVerificationOperator") as error:
        BatchVerificationOperator.partial(**given) if is_mapped else operator(**arguments)
    assert said in str(error.value)


def test_what_is_rendered_later_is_not_judged_now() -> None:
    assert operator(objects="{{ params.sample }}").objects == "{{ params.sample }}"


@pytest.mark.parametrize("objects", ["0", "-1", "None", "1.5"])
def test_what_was_rendered_to_no_number_looks_at_nothing_and_says_so(context: dict[str, Any], objects: str) -> None:
    """A sample of none would find all as it should be."""
    task = operator(objects="{{ params.sample }}")
    task.objects = objects
    with pytest.raises(AirflowFailException, match="objects"):
        task.execute(context)


@pytest.mark.filterwarnings("ignore:Task 'verify' was never mapped")
def test_it_runs_whatever_became_of_the_operation_and_is_tried_again() -> None:
    """Mapped or not; as defaults, which the Dag may override."""
    partial = BatchVerificationOperator.partial(task_id="verify", operation=TAGGING, operation_task_id="run")
    for found in (partial.kwargs, vars(operator())):
        assert (found["retries"], found["trigger_rule"]) == (3, "all_done")
    other = BatchVerificationOperator.partial(task_id="verify", operation=TAGGING, operation_task_id="run", retries=0)
    assert other.kwargs["retries"] == 0


def tally(**codes: int) -> Tally:
    return Tally(5, sum(codes.values()), 0, dict(codes), {code: [f"s3://b/{code}"] for code in codes})


@pytest.mark.parametrize(
    ("summary", "error", "said"),
    [
        (
            Summary(tally(TagsDiffer=2)),
            TooManyFailuresError,
            r"2 objects \(TagsDiffer 2\) are not as .* s3://b/TagsDiffer",
        ),
        (Summary(tally(AccessDenied=2)), AccessError, r"2 objects \(AccessDenied 2\) could not be looked at"),
        (Summary(tally(SlowDown=2)), InfrastructureError, "the next attempt tries them again"),
        (Summary(tally(SlowDown=2, TagsDiffer=1)), InfrastructureError, "the next attempt tries them again"),
        (Summary(tally(), stopped="the task was asked to stop"), InfrastructureError, "the rest is left to do"),
        (Summary(tally(TagsDiffer=1, AccessDenied=1)), TooManyFailuresError, r"1 objects \(TagsDiffer 1\)"),
    ],
)
def test_how_an_attempt_ends(summary: Summary, error: type[Exception], said: str) -> None:
    """What a retry may cure is retried; a difference is no such thing."""
    with pytest.raises(error, match=said):
        judge_looks("verify", summary, ())


def test_tolerated_differences_are_none() -> None:
    judge_looks("verify", Summary(tally(ChangedSince=2)), {"ChangedSince"})


def test_another_operation_than_the_one_that_was_done_is_refused(
    monkeypatch: pytest.MonkeyPatch, context: dict[str, Any]
) -> None:
    """Before anything is looked at, or asked for."""
    storage = MemoryStorage()
    task = JobLayout(S3Url.parse(SHARD["job"])).operation("run")
    open_generation(storage, task, TAGGING, Policy(), shard=0, resume=True, opened="2026-11-22T00:00:00Z")
    storage.write(task.generation(1).attempt(0, "x"), b"{}")
    monkeypatch.setattr(StoreSettings, "access_with_source", lambda *_: None)
    monkeypatch.setattr("airflow_s3batch.operators.pausing.storage_on", lambda _: storage)
    before = set(storage.files)
    with pytest.raises(AirflowFailException, match=r"the verification is given .*'other'.* Give it the same operation"):
        operator(operation=PutObjectTagging({"k": "other"})).execute(context)
    assert set(storage.files) == before
