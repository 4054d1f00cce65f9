"""Waiting for the end of an AWS job: poke and deferrable behave alike."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from fake_jobs import ACCOUNT, JOB, FakeHook, at

from airflow_s3batch import S3BatchJobSensor
from airflow_s3batch.core.errors import AccessError, ArgumentError, InfrastructureError
from airflow_s3batch.hooks.airflow_names import AirflowException, AirflowFailException, AirflowSkipException
from airflow_s3batch.hooks.s3 import StoreSettings
from airflow_s3batch.managed import CANCELLED_BY_TASK
from airflow_s3batch.triggers import S3BatchJobTrigger
from airflow_s3batch.triggers.job_watch import PATIENCE, JobWatch

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred

TIMEOUT_S = 10.0
OVER = {"job_id": JOB, "job_status": "Complete", "total": 10, "succeeded": 10, "failed": 0}


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> FakeHook:
    """The hook that tasks and triggers are given."""
    found = FakeHook()
    monkeypatch.setattr(StoreSettings, "batch_hook", lambda _self, _account_id=None: found)
    return found


def sensor(**arguments: Any) -> S3BatchJobSensor:
    return S3BatchJobSensor(**{"task_id": "job", "job_id": JOB, "poke_interval": 0, **arguments})


def execute(task: S3BatchJobSensor, context: dict[str, Any]) -> Any:
    return type(task).execute.__wrapped__(task, context)


def event_of(trigger: S3BatchJobTrigger) -> dict[str, Any]:
    async def first() -> Any:
        return (await anext(trigger.run())).payload

    payload: dict[str, Any] = asyncio.run(first())
    return payload


@pytest.mark.parametrize("deferrable", [False, True])
def test_job_that_is_over_is_told_at_once(deferrable: bool, hook: FakeHook, context: dict[str, Any]) -> None:
    """Deferring for what has ended already would cost a triggerer."""
    assert execute(sensor(deferrable=deferrable), context) == OVER


def test_poke_waits_until_the_job_is_over(hook: FakeHook, context: dict[str, Any]) -> None:
    """Whatever states it goes through."""
    hook.then([at("New"), at("Preparing"), at("Active", 3), at("Completing", 10), at("Complete", 10)])
    assert execute(sensor(), context) == OVER
    assert hook.asked == 5


def test_deferred_sensor_hands_over_what_it_knows(hook: FakeHook, context: dict[str, Any]) -> None:
    """Interval, account and the sensor's timeout."""
    hook.then([at("Active")])
    with pytest.raises(TaskDeferred) as deferred:
        execute(sensor(deferrable=True, poke_interval=45, timeout=99, account_id=ACCOUNT), context)
    trigger = deferred.value.trigger
    assert isinstance(trigger, S3BatchJobTrigger)
    assert deferred.value.timeout == timedelta(seconds=99)
    assert (trigger.job_id, trigger.account_id, trigger.poll_interval_s) == (JOB, ACCOUNT, 45)
    assert not trigger.cancel_on_kill, "the job is somebody else's"


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (at("Failed", failure_reasons=("InvalidManifestContent: too short",)), "InvalidManifestContent: too short"),
        (at("Cancelled", 3, update_reason="not today"), "not today"),
        (at("Complete", 9, 1), "10/10 (100 %), 1 failed"),
    ],
)
@pytest.mark.parametrize("is_deferred", [False, True])
def test_complete_is_not_success(
    end: Any, words: str, is_deferred: bool, hook: FakeHook, context: dict[str, Any]
) -> None:
    """A job in which objects failed, or that AWS or somebody ended, is red; another look would not change it."""
    hook.then([end])
    event = {"status": "over", "job_status": end.status}
    with pytest.raises(AirflowFailException) as caught:
        _ = sensor().execute_complete(context, event) if is_deferred else execute(sensor(), context)
    assert words in str(caught.value)
    with pytest.raises(AirflowSkipException):
        execute(sensor(soft_fail=True, deferrable=is_deferred), context)


def test_allowed_failures_are_allowed(hook: FakeHook, context: dict[str, Any]) -> None:
    """As a number or as a share."""
    hook.then([at("Complete", 8, 2)])
    assert execute(sensor(allowed_failures=2), context)["failed"] == 2
    assert execute(sensor(allowed_failures=0.2), context)["failed"] == 2
    with pytest.raises(AirflowFailException):
        execute(sensor(allowed_failures=1), context)


def test_trigger_ends_with_the_job(hook: FakeHook) -> None:
    """What it carries comes back."""
    hook.then([at("New"), InfrastructureError("no answer"), at("Active"), at("Failed")])
    trigger = S3BatchJobTrigger(job_id=JOB, poll_interval_s=0, carried={"number": 1})
    assert event_of(trigger) == {"status": "over", "job_status": "Failed", "job_id": JOB, "carried": {"number": 1}}
    assert hook.asked == 4


@pytest.mark.parametrize(
    ("looks", "is_retryable", "asked"),
    [([AccessError("may not look")], False, 1), ([InfrastructureError("no answer")], True, PATIENCE + 1)],
)
def test_trouble_is_borne_for_a_while_unless_it_lasts(
    looks: list[Exception], is_retryable: bool, asked: int, hook: FakeHook, context: dict[str, Any]
) -> None:
    """A job runs for hours; a network that is away for minutes must not end the wait, a missing permission must."""
    hook.then(looks)
    event = event_of(S3BatchJobTrigger(job_id=JOB, poll_interval_s=0))
    assert (event["status"], event["is_retryable"], hook.asked) == ("error", is_retryable, asked)
    with pytest.raises(AirflowException, match=str(looks[0])) as caught:
        sensor().execute_complete(context, event)
    assert isinstance(caught.value, AirflowFailException) is not is_retryable


def test_trigger_survives_serialization(hook: FakeHook) -> None:
    """The triggerer makes an equal one out of JSON, whatever Airflow's version."""
    given = S3BatchJobTrigger(
        job_id=JOB,
        account_id=ACCOUNT,
        poll_interval_s=31.5,
        cancel_on_kill=True,
        carried={"ref": {"job": "s3://ops/x", "bucket": "lake", "rows": 3}},
        aws_conn_id="aws",
        region_name="eu-west-1",
        verify=False,
        botocore_config={"read_timeout": 7},
    )
    path, arguments = given.serialize()
    assert path == "airflow_s3batch.triggers.s3_batch_job.S3BatchJobTrigger"
    again = S3BatchJobTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == given.serialize()
    assert event_of(again)["carried"] == {"ref": {"job": "s3://ops/x", "bucket": "lake", "rows": 3}}


@pytest.mark.parametrize(("pauses_first", "pauses"), [(False, [45.0]), (True, [45.0, 45.0])])
def test_trigger_pauses_between_looks_and_before_the_first_if_told_so(
    pauses_first: bool, pauses: list[float], hook: FakeHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latter where the job is over already, and only its report is missing."""
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", pause)
    hook.then([at("Active"), at("Complete", 10)])
    event_of(S3BatchJobTrigger(job_id=JOB, poll_interval_s=45.0, pauses_first=pauses_first))
    assert paused == pauses


def test_kill_of_a_deferred_task_cancels_its_job_only_if_told_so(hook: FakeHook) -> None:
    """The reason is the one by which the next attempt knows that it may go on."""
    asyncio.run(S3BatchJobTrigger(job_id=JOB).on_kill())
    assert hook.cancelled == []
    asyncio.run(S3BatchJobTrigger(job_id=JOB, cancel_on_kill=True).on_kill())
    assert hook.cancelled == [(JOB, CANCELLED_BY_TASK)]


def test_kill_is_known_as_one_while_the_trigger_asks_airflow(hook: FakeHook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow calls `on_kill` only where the message of its cancel comes back."""
    asked, answers = threading.Event(), threading.Event()

    def slow_hook(_settings: StoreSettings, _account_id: str | None = None) -> FakeHook:
        asked.set()
        answers.wait(TIMEOUT_S)
        return hook

    async def words_of_cancel() -> tuple[Any, ...]:
        run = asyncio.ensure_future(anext(S3BatchJobTrigger(job_id=JOB).run()))
        await asyncio.to_thread(asked.wait, TIMEOUT_S)
        run.cancel("somebody acted")
        try:
            await run
        except asyncio.CancelledError as error:
            return error.args
        finally:
            answers.set()
        return ()

    monkeypatch.setattr(StoreSettings, "batch_hook", slow_hook)
    assert asyncio.run(words_of_cancel()) == ("somebody acted",)


def test_log_tells_only_what_changed(hook: FakeHook) -> None:
    """Looks every half minute make no line each."""
    hook.then([at("Active", 3), at("Active", 3), at("Active", 7, 1)])
    lines: list[str] = []
    watch = JobWatch(hook, JOB, log=lines.append)  # type: ignore[arg-type]
    for _ in range(3):
        watch.look()
    assert lines == [
        f"AWS job {JOB} is Active: 3/10 (30 %), 0 failed",
        f"AWS job {JOB} is Active: 8/10 (80 %), 1 failed",
    ]


def test_log_says_once_how_to_confirm(hook: FakeHook) -> None:
    """Whoever is on call has to know that nothing happens until somebody acts, and how to."""
    hook.then([at("Preparing"), at("Suspended"), at("Suspended"), at("Ready")])
    lines: list[str] = []
    watch = JobWatch(hook, JOB, log=lines.append)  # type: ignore[arg-type]
    for _ in range(4):
        watch.look()
    told = [line for line in lines if "until somebody confirms it" in line]
    assert len(told) == 1
    for part in (hook.console_url(JOB), f"--job-id {JOB}", f"--account-id {ACCOUNT}", "--region eu-west-1", "30 days"):
        assert part in told[0]


def test_wrong_arguments_are_told_together() -> None:
    """Templates wait for the run."""
    with pytest.raises(ArgumentError) as caught:
        sensor(job_id="", allowed_failures=-1)
    assert "job_id=''" in str(caught.value)
    assert "allowed_failures=-1" in str(caught.value)
    assert sensor(job_id="{{ params.job }}").job_id == "{{ params.job }}"
