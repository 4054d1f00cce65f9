"""Waiting for restores: poke and deferrable behave alike."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import airflow_s3batch.reports.restores.restore_look as look_module
import airflow_s3batch.reports.restores.restores as restores_module
from airflow_s3batch import S3RestoreSensor
from airflow_s3batch.core.errors import AccessError, ArgumentError, InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.airflow_names import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow_s3batch.hooks.s3 import StoreSettings
from airflow_s3batch.operators.manifest import MANIFEST_KEY
from airflow_s3batch.reports.restores.restore_state import RestoreState, Waiting
from airflow_s3batch.sensors.s3_restore import TOTALS_KEY
from airflow_s3batch.testing import MemoryStorage
from airflow_s3batch.triggers import S3RestoreTrigger

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred

STATE = JobLayout(S3Url("ops", "s3batch/job-1")).operation("restore.run").restores
RESTORING = Waiting(0, 3, "lake", "a b", None, is_owed=True)
DUE = {"status": "due"}


class Watch:
    """A watch whose looks end as *plan* says: so many objects left, or an error; and what it was made with."""

    plan: list[int | Exception]
    made: list[tuple[Any, ...]]

    def __init__(self, storage: Any, access: Any, job_url: S3Url, task_id: str, policy: Any) -> None:
        self.made.append((str(job_url), task_id, policy.max_concurrency))
        self.rows = 5
        self.state = RestoreState(readable=4, gone=1)
        self.left = 1

    @property
    def is_done(self) -> bool:
        return not self.left

    def look(self, seconds: float) -> bool:
        step = self.plan.pop(0)
        if isinstance(step, Exception):
            raise step
        self.left = step
        return step > 1

    def sentence(self) -> str:
        return "so far"


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch, storage: MemoryStorage, context: dict[str, Any]) -> list[int | Exception]:
    """What the looks see: 0 nothing is left, 1 wait, 2 look on at once."""
    steps: list[int | Exception] = []
    monkeypatch.setattr(Watch, "plan", steps, raising=False)
    monkeypatch.setattr(Watch, "made", [], raising=False)
    monkeypatch.setattr(restores_module, "RestoreWatch", Watch)
    monkeypatch.setattr(StoreSettings, "access", lambda _self: None)
    monkeypatch.setattr("airflow_s3batch.sensors.s3_restore.storage_on", lambda _access: storage)
    context["ti"].xcoms["restore.manifest", MANIFEST_KEY] = {"job": "s3://ops/s3batch/job-1", "rows": 5}
    return steps


def sensor(**arguments: Any) -> S3RestoreSensor:
    named = {"operation_task_id": "restore.run", "manifest_task_id": "restore.manifest"}
    return S3RestoreSensor(**{"task_id": "thawed", "poke_interval": 0, **named, **arguments})


def execute(task: S3RestoreSensor, context: dict[str, Any]) -> Any:
    return type(task).execute.__wrapped__(task, context)


def deferral(task: S3RestoreSensor, context: dict[str, Any], **resumed: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as deferred:
        task.execute_complete(context, **resumed) if resumed else execute(task, context)
    return deferred.value


async def first_event(trigger: S3RestoreTrigger) -> dict[str, Any]:
    event = await anext(trigger.run())
    payload: dict[str, Any] = event.payload
    return payload


def test_manifest_task_tells_of_its_job_under_this_key() -> None:
    """Sensors and operators do not import one another."""
    assert TOTALS_KEY == MANIFEST_KEY


@pytest.mark.parametrize("deferrable", [False, True])
def test_what_is_readable_is_returned_at_once(
    deferrable: bool, plan: list[int | Exception], context: dict[str, Any]
) -> None:
    """As counts, small enough for XCom; looks that ran out of time go on at once."""
    plan += [2, 2, 0]
    counts = execute(sensor(deferrable=deferrable, max_concurrency=7), context)
    assert counts == {"objects": 5, "readable": 4, "gone": 1, "unrestored": 0}
    assert len(json.dumps({**counts, "objects": 10**12, "readable": 10**12})) <= 150
    assert Watch.made == [("s3://ops/s3batch/job-1", "restore.run", 7)]


def test_poke_waits_between_looks(plan: list[int | Exception], context: dict[str, Any]) -> None:
    """Until none is left."""
    plan += [1, 1, 0]
    assert execute(sensor(deferrable=False), context)["readable"] == 4
    assert plan == []


def test_trigger_and_worker_take_turns(plan: list[int | Exception], context: dict[str, Any]) -> None:
    """The timeout counts from the first look; the trigger gets what it needs and nothing that grows with the job."""
    plan += [1, 1, 0]
    task = sensor(deferrable=True, timeout=1_000, poke_interval=60, job_aws_conn_id=None, silent_fail=True)
    first = deferral(task, context)
    assert first.method_name == "execute_complete"
    assert first.timeout is not None
    assert timedelta(seconds=900) < first.timeout <= timedelta(seconds=1_000)
    trigger = first.trigger
    assert isinstance(trigger, S3RestoreTrigger)
    assert (trigger.state_url, trigger.poll_interval_s, trigger.silent_fail) == (str(STATE), 60, True)
    assert first.kwargs is not None
    early = {"started": (datetime.now(UTC) - timedelta(seconds=500)).isoformat()}
    second = deferral(task, context, event=DUE, **early)
    assert second.timeout is not None
    assert timedelta(seconds=400) < second.timeout <= timedelta(seconds=500)
    assert second.kwargs == early
    assert task.execute_complete(context, event=DUE, **first.kwargs)["objects"] == 5


def test_wait_goes_on_where_airflow_has_lost_the_start(plan: list[int | Exception], context: dict[str, Any]) -> None:
    """``dag.test()`` hands back the event alone."""
    plan.append(1)
    assert deferral(sensor(deferrable=True, timeout=1_000), context, event=DUE).timeout is not None


def test_time_that_is_over_ends_the_wait(plan: list[int | Exception], context: dict[str, Any]) -> None:
    """Though the trigger had said that there is more to see."""
    long_ago = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    for arguments, expected in (({}, AirflowSensorTimeout), ({"soft_fail": True}, AirflowSkipException)):
        plan.append(1)
        with pytest.raises(expected):
            sensor(deferrable=True, timeout=60, **arguments).execute_complete(context, DUE, started=long_ago)


def test_wrong_task_ids_are_told_with_what_may_be_meant(context: dict[str, Any], dag: Any) -> None:
    """Rather than waiting for a task that is none."""
    task = sensor(operation_task_id="restore.rum", manifest_task_id="thawed", dag=dag)
    with pytest.raises(AirflowFailException, match=r"operation_task_id='restore\.rum': the Dag has no such task"):
        execute(task, {**context, "dag": dag})


@pytest.mark.parametrize(
    ("arguments", "error", "expected"),
    [
        ({}, TooManyFailuresError("expired"), AirflowFailException),
        ({"soft_fail": True}, TooManyFailuresError("expired"), AirflowSkipException),
        ({"silent_fail": True}, AccessError("refused"), AirflowFailException),
        ({}, InfrastructureError("no answer"), AirflowException),
        ({"never_fail": True}, InfrastructureError("no answer"), AirflowSkipException),
    ],
)
def test_trouble_ends_both_modes_alike(
    arguments: dict[str, Any],
    error: Exception,
    expected: type[Exception],
    plan: list[int | Exception],
    context: dict[str, Any],
) -> None:
    """``soft_fail`` and the like mean the same, deferrable or not."""
    for deferrable in (False, True):
        plan.append(error)
        with pytest.raises(AirflowException) as caught:
            execute(sensor(deferrable=deferrable, **arguments), context)
        assert type(caught.value) is expected


def test_silent_fail_waits_for_better_times(plan: list[int | Exception], context: dict[str, Any]) -> None:
    """In both modes."""
    plan += [InfrastructureError("no answer"), 0, InfrastructureError("no answer")]
    assert execute(sensor(silent_fail=True, deferrable=False), context)["objects"] == 5
    deferral(sensor(silent_fail=True, deferrable=True), context)


def test_trigger_error_is_the_sensors_own(plan: list[int | Exception], context: dict[str, Any]) -> None:
    """A retry only where one may help."""
    for is_retryable, expected in ((False, AirflowFailException), (True, AirflowException)):
        event = {"status": "error", "message": "no", "is_retryable": is_retryable}
        with pytest.raises(AirflowException) as caught:
            sensor().execute_complete(context, event, started=datetime.now(UTC).isoformat())
        assert type(caught.value) is expected
    assert plan == []


def test_missing_job_is_a_sentence(plan: list[int | Exception], context: dict[str, Any]) -> None:
    """The manifest task has to run before; a job of another Dag is named by its folder."""
    with pytest.raises(AirflowFailException, match=r"elsewhere\.manifest"):
        execute(sensor(manifest_task_id="elsewhere.manifest"), context)
    plan.append(0)
    execute(sensor(manifest_task_id=None, job="s3://ops/s3batch/job-2"), context)
    assert Watch.made[-1][0] == "s3://ops/s3batch/job-2"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"job": "s3://ops/job"}, "either"),
        ({"manifest_task_id": None}, "either"),
        ({"manifest_task_id": None, "job": "ops"}, "job='ops'"),
        ({"operation_task_id": ""}, "operation_task_id"),
        ({"max_concurrency": 0}, "max_concurrency"),
    ],
)
def test_wrong_arguments_are_told_at_parse_time(arguments: dict[str, Any], said: str) -> None:
    """Each of them."""
    with pytest.raises(ArgumentError, match=said):
        sensor(**arguments)


def test_trigger_survives_serialization() -> None:
    """The triggerer makes it anew from these values, which are plain JSON."""
    trigger = S3RestoreTrigger(
        state_url=str(STATE),
        poll_interval_s=7.0,
        job_aws_conn_id="jobs",
        aws_conn_id="minio",
        region_name="eu-west-1",
        verify=False,
        botocore_config={"read_timeout": 9},
        silent_fail=True,
    )
    path, arguments = trigger.serialize()
    assert path == "airflow_s3batch.triggers.s3_restore.S3RestoreTrigger"
    assert json.loads(json.dumps(arguments)) == arguments
    assert S3RestoreTrigger(**arguments).serialize() == (path, arguments)
    assert vars(S3RestoreTrigger(**arguments)).keys() >= arguments.keys()


class Looks:
    """Stands for `still_restoring`: each look finds so many objects fewer, or raises."""

    def __init__(self, *steps: int | Exception) -> None:
        self.steps = list(steps)
        self.asked: list[int] = []

    def __call__(self, access: Any, policy: Any, waiting: list[Waiting]) -> list[Waiting]:
        self.asked.append(len(waiting))
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return waiting[:step]


@pytest.mark.usefixtures("plan")
def test_trigger_asks_only_for_what_is_left(storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """And ends once nothing is."""
    RestoreState(waiting=[RESTORING._replace(row=row) for row in range(100)]).write(storage, STATE)
    looks = Looks(100, 40, 0)
    monkeypatch.setattr(look_module, "still_restoring", looks)
    assert asyncio.run(first_event(S3RestoreTrigger(state_url=str(STATE), poll_interval_s=0))) == DUE
    assert looks.asked == [100, 100, 40]


@pytest.mark.usefixtures("plan")
def test_trigger_tells_of_trouble_or_bears_it(storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``silent_fail`` says."""
    RestoreState(waiting=[RESTORING]).write(storage, STATE)
    monkeypatch.setattr(look_module, "still_restoring", Looks(InfrastructureError("no answer")))
    event = asyncio.run(first_event(S3RestoreTrigger(state_url=str(STATE), poll_interval_s=0)))
    assert event == {"status": "error", "message": "no answer", "is_retryable": True}
    monkeypatch.setattr(look_module, "still_restoring", Looks(InfrastructureError("no answer"), 0))
    patient = S3RestoreTrigger(state_url=str(STATE), poll_interval_s=0, silent_fail=True)
    assert asyncio.run(first_event(patient)) == DUE
    monkeypatch.setattr(look_module, "still_restoring", Looks(AccessError("refused")))
    assert asyncio.run(first_event(patient))["is_retryable"] is False


@pytest.mark.usefixtures("plan")
def test_trigger_without_a_state_lets_the_worker_look(storage: MemoryStorage) -> None:
    """Its first look had failed."""
    assert asyncio.run(first_event(S3RestoreTrigger(state_url=str(STATE), poll_interval_s=0))) == DUE
    assert not storage.files


@pytest.mark.usefixtures("plan")
def test_trigger_does_not_block_the_loop(storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one look hangs, the triggerer's other triggers go on."""
    RestoreState(waiting=[RESTORING]).write(storage, STATE)
    hanging, release = threading.Event(), threading.Event()

    def look(*_: Any) -> list[Waiting]:
        hanging.set()
        assert release.wait(30)
        return []

    monkeypatch.setattr(look_module, "still_restoring", look)

    async def turn_the_loop() -> dict[str, Any]:
        waiting = asyncio.ensure_future(first_event(S3RestoreTrigger(state_url=str(STATE), poll_interval_s=0)))
        while not hanging.is_set():
            await asyncio.sleep(0)
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert not waiting.done()
        release.set()
        return await waiting

    assert asyncio.run(turn_the_loop()) == DUE
