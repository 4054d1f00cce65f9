"""Waiting for an inventory: poke and deferrable behave alike."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import airflow_s3batch.sensors.s3_inventory as sensor_module
import airflow_s3batch.triggers.s3_inventory_sensor as trigger_module
from airflow_s3batch import S3InventorySensor
from airflow_s3batch.core.errors import InfrastructureError, InventoryError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.airflow_names import AirflowException, AirflowFailException, AirflowSkipException
from airflow_s3batch.testing import MemoryStorage, write_inventory
from airflow_s3batch.triggers import S3InventorySensorTrigger

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred

INVENTORY = "s3://inv/daily/lake/config"
ROWS = [{"bucket": "lake", "key": "a b", "size": 3}]


def deliver(storage: MemoryStorage, age: timedelta = timedelta(hours=1)) -> str:
    created = (datetime.now(UTC) - age).replace(second=0, microsecond=0)
    return write_inventory(storage, "s3://inv/daily", "lake", ROWS, config_id="config", created=created)


def sensor(**arguments: Any) -> S3InventorySensor:
    return S3InventorySensor(**{"task_id": "inventory", "inventory": INVENTORY, "poke_interval": 0, **arguments})


def execute(task: S3InventorySensor, context: dict[str, Any]) -> Any:
    return type(task).execute.__wrapped__(task, context)


async def first_event(trigger: S3InventorySensorTrigger) -> dict[str, Any]:
    event = await anext(trigger.run())
    payload: dict[str, Any] = event.payload
    return payload


@pytest.mark.parametrize("deferrable", [False, True])
def test_delivery_that_is_there_is_returned_at_once(
    deferrable: bool, storage: MemoryStorage, context: dict[str, Any]
) -> None:
    """Deferring for what is there already would cost a triggerer."""
    url = deliver(storage)
    assert execute(sensor(deferrable=deferrable), context) == url
    assert execute(sensor(deferrable=deferrable, inventory=url), context) == url


@pytest.mark.parametrize("deferrable", [False, True])
def test_damaged_delivery_fails_at_once(deferrable: bool, storage: MemoryStorage, context: dict[str, Any]) -> None:
    """Waiting does not mend it."""
    url = S3Url.parse(deliver(storage))
    storage.write(url, (storage.read(url) or b"") + b" ")
    with pytest.raises(AirflowFailException, match="manifest"):
        execute(sensor(deferrable=deferrable, inventory=str(url)), context)


def test_trigger_tells_of_damage_and_the_sensor_fails(storage: MemoryStorage, context: dict[str, Any]) -> None:
    """What poke mode would have said, by way of the event."""
    url = S3Url.parse(deliver(storage))
    storage.write(url, (storage.read(url) or b"") + b" ")
    event = asyncio.run(first_event(S3InventorySensorTrigger(inventory=str(url))))
    assert event["status"] == "error"
    assert event["is_retryable"] is False
    with pytest.raises(AirflowFailException, match="manifest"):
        sensor().execute_complete(context, event)
    with pytest.raises(AirflowException) as caught:
        sensor().execute_complete(context, {"status": "error", "message": "no answer", "is_retryable": True})
    assert not isinstance(caught.value, AirflowFailException)


@pytest.mark.usefixtures("storage")
def test_missing_delivery_is_waited_for(context: dict[str, Any]) -> None:
    """Poke says no; deferrable defers, with the sensor's timeout and interval."""
    assert not sensor().poke(context).is_done
    with pytest.raises(TaskDeferred) as deferred:
        execute(sensor(deferrable=True, timeout=99, poke_interval=5, max_age=timedelta(days=8)), context)
    assert deferred.value.timeout == timedelta(seconds=99)
    trigger = deferred.value.trigger
    assert isinstance(trigger, S3InventorySensorTrigger)
    assert (trigger.inventory, trigger.poll_interval_s, trigger.max_age_s) == (INVENTORY, 5, 8 * 86_400)


def test_delivery_that_is_too_old_is_not_taken(storage: MemoryStorage, context: dict[str, Any]) -> None:
    """A new one is waited for, and then taken."""
    deliver(storage, age=timedelta(days=9))
    fresh_only = {"max_age": timedelta(days=8)}
    assert not sensor(**fresh_only).poke(context).is_done
    assert sensor().poke(context).is_done
    url = deliver(storage, age=timedelta(hours=2))
    assert sensor(**fresh_only).poke(context).xcom_value == url


class Trouble:
    """A look that raises *error* the first time, and then finds a delivery."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error

    def __call__(self, *_: Any, **__: Any) -> str:
        if self.error:
            error, self.error = self.error, None
            raise error
        return "s3://inv/manifest.json"


@pytest.mark.usefixtures("storage")
@pytest.mark.parametrize(
    ("arguments", "error", "expected"),
    [
        ({}, InventoryError("damaged"), AirflowFailException),
        ({"soft_fail": True}, InventoryError("damaged"), AirflowSkipException),
        ({"never_fail": True}, InventoryError("damaged"), AirflowSkipException),
        ({"silent_fail": True}, InventoryError("damaged"), AirflowFailException),
        ({}, InfrastructureError("no answer"), AirflowException),
        ({"never_fail": True}, InfrastructureError("no answer"), AirflowSkipException),
        ({"soft_fail": True}, InfrastructureError("no answer"), AirflowException),
    ],
)
def test_trouble_ends_both_modes_alike(
    arguments: dict[str, Any],
    error: Exception,
    expected: type[Exception],
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``soft_fail`` and the like mean the same, deferrable or not."""
    for deferrable in (False, True):
        monkeypatch.setattr(sensor_module, "delivery_url", Trouble(error))
        with pytest.raises(AirflowException) as caught:
            execute(sensor(deferrable=deferrable, **arguments), context)
        assert type(caught.value) is expected


@pytest.mark.usefixtures("storage")
def test_silent_fail_goes_on_looking_in_both_modes(context: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Trouble that may pass is logged, in the worker as in the triggerer."""
    trouble = InfrastructureError("no answer")
    monkeypatch.setattr(sensor_module, "delivery_url", Trouble(trouble))
    assert execute(sensor(silent_fail=True), context) == "s3://inv/manifest.json"
    monkeypatch.setattr(sensor_module, "delivery_url", Trouble(trouble))
    with pytest.raises(TaskDeferred) as deferred:
        execute(sensor(silent_fail=True, deferrable=True), context)
    monkeypatch.setattr(trigger_module, "delivery_url", Trouble(trouble))
    monkeypatch.setattr(deferred.value.trigger, "poll_interval_s", 0)
    assert asyncio.run(first_event(deferred.value.trigger))["status"] == "found"
    monkeypatch.setattr(trigger_module, "delivery_url", Trouble(trouble))
    event = asyncio.run(first_event(S3InventorySensorTrigger(inventory=INVENTORY)))
    assert event == {"status": "error", "message": "no answer", "is_retryable": True}


def test_trigger_survives_serialization() -> None:
    """The triggerer makes it anew from these values, which are plain JSON."""
    trigger = S3InventorySensorTrigger(
        inventory=INVENTORY,
        as_of="2026-11-01T00:00:00+00:00",
        max_age_s=5.0,
        poll_interval_s=7.0,
        aws_conn_id="minio",
        region_name="eu-west-1",
        verify=False,
        botocore_config={"read_timeout": 9},
        silent_fail=True,
    )
    path, arguments = trigger.serialize()
    assert path == "airflow_s3batch.triggers.s3_inventory_sensor.S3InventorySensorTrigger"
    assert S3InventorySensorTrigger(**arguments).serialize() == (path, arguments)
    assert vars(S3InventorySensorTrigger(**arguments)).keys() >= arguments.keys()


def test_trigger_waits_until_the_delivery_comes(storage: MemoryStorage) -> None:
    """It looks again until there is something to see."""

    async def wait_and_deliver() -> dict[str, Any]:
        waiting = asyncio.ensure_future(first_event(S3InventorySensorTrigger(inventory=INVENTORY, poll_interval_s=0)))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        deliver(storage)
        return await waiting

    event = asyncio.run(wait_and_deliver())
    assert event["status"] == "found"
    assert event["url"].endswith("/manifest.json")


@pytest.mark.usefixtures("storage")
def test_trigger_does_not_block_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one look hangs, the triggerer's other triggers go on."""
    import threading

    hanging, release = threading.Event(), threading.Event()

    def look(*_: Any, **__: Any) -> str:
        hanging.set()
        assert release.wait(30)
        return "s3://inv/manifest.json"

    monkeypatch.setattr(trigger_module, "delivery_url", look)

    async def turn_the_loop() -> int:
        waiting = asyncio.ensure_future(first_event(S3InventorySensorTrigger(inventory=INVENTORY)))
        turns = 0
        while not hanging.is_set() or turns < 1_000:
            turns += 1
            await asyncio.sleep(0)
        assert not waiting.done()
        release.set()
        assert (await waiting)["status"] == "found"
        return turns

    started = time.monotonic()
    assert asyncio.run(turn_the_loop()) >= 1_000
    assert time.monotonic() - started < 30


@pytest.mark.usefixtures("no_connections")
def test_unknown_connection_is_a_sentence_in_both_modes(context: dict[str, Any]) -> None:
    """Also from within the triggerer."""
    with pytest.raises(AirflowFailException, match="aws_conn_id='nowhere'"):
        execute(sensor(aws_conn_id="nowhere", deferrable=True), context)
    event = asyncio.run(first_event(S3InventorySensorTrigger(inventory=INVENTORY, aws_conn_id="nowhere")))
    assert event["status"] == "error"
    assert "aws_conn_id='nowhere'" in event["message"]
