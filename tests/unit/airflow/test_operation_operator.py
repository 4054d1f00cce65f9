"""The mapped operator: what it hands to the engine, and how it ends."""

from __future__ import annotations

import json
import sys
import types
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from fakes import SetTag

from airflow_s3batch import BatchOperationOperator
from airflow_s3batch.core.errors import CapabilityError, InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.manifest import ShardRef
from airflow_s3batch.core.outcomes import Summary, Tally
from airflow_s3batch.hooks.airflow_names import AirflowException, AirflowFailException
from airflow_s3batch.hooks.s3 import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable

SHARD = {"job": "s3://ops/s3batch/job-1", "shard": 3, "rows": 50_000}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An engine that keeps what it was asked, and does what the test tells it."""
    asked: dict[str, Any] = {"then": None}
    monkeypatch.setattr(StoreSettings, "access", lambda self: ("access", self.aws_conn_id))
    monkeypatch.setattr(StoreSettings, "storage", lambda self: ("storage", self.aws_conn_id, self.region_name))
    monkeypatch.setattr("airflow_s3batch.operators.pausing.storage_on", lambda access: ("on", access))

    def run_shard(ref: ShardRef, operation: Any, **more: Any) -> Summary:
        asked.update(ref=ref, operation=operation, **more)
        then: Callable[[], None] | None = asked["then"]
        if then:
            then()
        return Summary(Tally(succeeded=49_990, failed=10, codes={"NoSuchKey": 10}), requests=50_003, duration_s=12.345)

    module = types.ModuleType("airflow_s3batch.engine.shards.shard")
    module.run_shard = run_shard  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return asked


def operator(**arguments: Any) -> BatchOperationOperator:
    return BatchOperationOperator(**{"task_id": "run", "operation": SetTag("k"), "shard": SHARD, **arguments})


def execute(task: BatchOperationOperator, context: dict[str, Any]) -> Any:
    return type(task).execute.__wrapped__(task, context)


def test_engine_gets_shard_policy_and_identity(engine: dict[str, Any], context: dict[str, Any]) -> None:
    """The operator adds nothing of its own."""
    limits = {"max_concurrency": 9, "max_requests_per_s": 0.5, "request_timeout_s": 3}
    task = operator(tolerate=["NoSuchKey"], allowed_failures=5, keep_going=True, resume=False, **limits)
    context["ti"].try_number = 2
    result = execute(task, context)
    assert engine["ref"] == ShardRef("s3://ops/s3batch/job-1", 3, 50_000)
    assert engine["operation"] == SetTag("k")
    assert (engine["task_id"], engine["try_number"], engine["resume"]) == ("run", 2, False)
    policy = engine["policy"]
    assert policy.tolerate == frozenset({"NoSuchKey"})
    assert (policy.allowed_failures, policy.keep_going) == (5, True)
    assert {name: getattr(policy, name) for name in limits} == limits
    assert result == {
        "shard": 3,
        "objects": 50_000,
        "succeeded": 49_990,
        "failed": 10,
        "requests": 50_003,
        "seconds": 12.3,
    }


def test_result_is_small(engine: dict[str, Any], context: dict[str, Any]) -> None:
    """At most about 150 bytes go through XCom for a shard, however large it is."""
    result = execute(operator(shard={**SHARD, "rows": 10**9}), context)
    assert len(json.dumps(result)) <= 150


def test_job_files_can_lie_in_another_store(engine: dict[str, Any], context: dict[str, Any]) -> None:
    """The overrides belong to the objects' connection, not to the other one."""
    execute(operator(aws_conn_id="minio", region_name="eu-west-1", job_aws_conn_id="aws"), context)
    assert engine["access"] == ("access", "minio")
    assert engine["storage"] == ("storage", "aws", None)
    execute(operator(aws_conn_id="minio", region_name="eu-west-1"), context)
    assert engine["storage"] == ("on", ("access", "minio"))


@pytest.mark.parametrize("error", [TooManyFailuresError("10 failed"), CapabilityError("refused")])
def test_what_a_retry_cannot_cure_fails_at_once(
    error: Exception, engine: dict[str, Any], context: dict[str, Any]
) -> None:
    """Whatever ``retries`` says."""

    def fail() -> None:
        raise error

    engine["then"] = fail
    with pytest.raises(AirflowFailException, match=str(error)):
        execute(operator(), context)


def test_trouble_of_the_infrastructure_is_retried(engine: dict[str, Any], context: dict[str, Any]) -> None:
    """Airflow's retries are for the world, not for the objects."""

    def fail() -> None:
        raise InfrastructureError("no answer for 120 s")

    engine["then"] = fail
    with pytest.raises(AirflowException, match="no answer") as caught:
        execute(operator(), context)
    assert not isinstance(caught.value, AirflowFailException)


def test_kill_asks_the_engine_to_stop(engine: dict[str, Any], context: dict[str, Any]) -> None:
    """The engine then commits what is done, and ends with an error that is retried."""
    task = operator()
    engine["then"] = task.on_kill
    execute(task, context)
    assert engine["stop"].is_set()


def test_kill_before_the_work_begins_is_not_forgotten(engine: dict[str, Any], context: dict[str, Any]) -> None:
    """Airflow has set the signal's handler some time before it calls the operator."""
    task = operator()
    task.on_kill()
    execute(task, context)
    assert engine["stop"].is_set()


def test_kill_before_and_after_the_work_is_harmless(engine: dict[str, Any], context: dict[str, Any]) -> None:
    """Airflow may call it at any time, and copies operators."""
    import copy

    task = operator()
    task.on_kill()
    execute(task, context)
    task.on_kill()
    copy.deepcopy(task)


@pytest.mark.usefixtures("engine")
def test_shard_of_somebody_else_is_told(context: dict[str, Any]) -> None:
    """The usual mistake is to forget ``expand``."""
    with pytest.raises(AirflowFailException, match=r"is not what InventoryToManifestOperator returns.*expand"):
        execute(operator(shard={"rows": 5}), context)


def test_defaults_are_the_policys() -> None:
    """The operator's signature repeats them for the reader; they must not drift apart."""
    from airflow_s3batch.engine.policy import Policy

    task, policy = operator(), Policy()
    for name in {f.name for f in fields(Policy)} & set(vars(task)):
        expected = getattr(policy, name)
        actual = getattr(task, name)
        assert (frozenset(actual) if name == "tolerate" else actual) == expected, name
