"""Within one attempt, too, an operation that forbids replays is executed at most once on each object."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator

import boto3
import pytest
from deaths import LeaveReceipt
from scripted_server import Fault, Reply, Reset, ScriptedS3, Seen, Silence, error, scripted_s3

from airflow_s3batch.core.errors import AccessError, InfrastructureError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.engine import Policy, run_batch

SESSION = boto3.session.Session("key", "secret", region_name="us-east-1")
ONE_BY_ONE = Policy(max_concurrency=1, request_timeout_s=0.5, failure_threshold=1)
ROWS = 6


@pytest.fixture
def s3() -> Iterator[ScriptedS3]:
    with scripted_s3() as server:
        yield server


def run(s3: ScriptedS3, policy: Policy, rows: int = ROWS) -> dict[str, Outcome]:
    """Return the outcome by the key that was put, each of which comes once; the run may end early."""
    outcomes: dict[str, Outcome] = {}

    def keep(obj: S3Object, outcome: Outcome) -> None:
        assert f"receipts/{obj.key}" not in outcomes
        outcomes[f"receipts/{obj.key}"] = outcome

    with contextlib.suppress(InfrastructureError, AccessError):
        run_batch(
            [S3Object("data", f"{n:04d}") for n in range(rows)],
            LeaveReceipt(),
            session=SESSION,
            endpoint_url=s3.endpoint_url,
            policy=policy,
            on_outcome=keep,
        )
    return outcomes


def first_time(fault: Fault, key: str = "receipts/0003") -> Callable[[Seen], Fault]:
    """Return a script: the first request for *key* meets *fault*."""
    return lambda seen: fault if (seen.key, seen.number) == (key, 1) else None


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        (error(500, "InternalError"), 500, "InternalError"),
        (error(503, "XMinioBackendDown"), 503, "XMinioBackendDown"),
        (error(504, "Unheard"), 504, "Unheard"),
        (Reply(503, b"upstream connect error or reset before headers"), 503, "ServiceUnavailable"),
        (Reset(), 0, "EmptyReply|ReceiveFailed"),
        (Silence(), 0, "OperationTimedOut"),
    ],
)
def test_what_may_have_been_executed_is_not_sent_again(s3: ScriptedS3, fault: Fault, status: int, told: str) -> None:
    """Not by libcurl either, which does so on a kept connection that turns out to be dead; the others go on."""
    s3.fault = first_time(fault)
    outcomes = run(s3, ONE_BY_ONE)
    unknown = outcomes.pop("receipts/0003")
    assert (unknown.http_status, unknown.error_code) == (status, "OutcomeUnknown")
    assert re.search(told, unknown.message)
    assert "replay_unsafe=True" in unknown.message
    assert all(outcome.is_success for outcome in outcomes.values())
    assert len(outcomes) == ROWS - 1
    assert set(s3.sent().values()) == {1}


@pytest.mark.parametrize(
    "fault", [error(503, "SlowDown"), error(400, "RequestTimeout"), error(409, "OperationAborted")]
)
def test_what_was_not_executed_is_sent_again(s3: ScriptedS3, fault: Fault) -> None:
    s3.fault = first_time(fault)
    assert all(outcome.is_success for outcome in run(s3, ONE_BY_ONE).values())
    assert s3.sent()["receipts/0003"] == 2


def test_users_word_allows_to_send_again(s3: ScriptedS3) -> None:
    s3.fault = first_time(error(500, "InternalError"))
    outcomes = run(s3, Policy(max_concurrency=1, replay_unsafe=True))
    assert outcomes["receipts/0003"].is_success
    assert s3.sent()["receipts/0003"] == 2


def test_a_second_try_that_is_under_way_when_the_run_ends_is_unknown(s3: ScriptedS3) -> None:
    """The refusal of its first try would let a later attempt do it again."""

    def fault(seen: Seen) -> Fault:
        if seen.key == "receipts/0000":
            return error(503, "SlowDown") if seen.number == 1 else Silence()
        return error(403, "InvalidAccessKeyId") if s3.sent()["receipts/0000"] == 2 else None

    s3.fault = fault
    outcomes = run(s3, Policy(max_concurrency=2), rows=100_000)
    assert s3.sent()["receipts/0000"] == 2
    assert 0 < len(outcomes) < 100_000
    assert outcomes["receipts/0000"].error_code == "OutcomeUnknown"


def test_a_store_that_answers_nothing_any_more_ends_the_run(s3: ScriptedS3) -> None:
    """Rather than leaving every object of the manifest unknown."""
    s3.fault = lambda _: Reset()
    outcomes = run(s3, Policy(max_concurrency=1, give_up_s=0.3, failure_threshold=1), rows=100_000)
    assert 0 < len(outcomes) < 100_000
    assert {outcome.error_code for outcome in outcomes.values()} == {"OutcomeUnknown"}
    assert set(s3.sent().values()) == {1}
