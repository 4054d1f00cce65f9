"""The watcher of an inventory's asset: each delivery is told once, come what may."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pytest
from airflow.triggers.base import BaseEventTrigger

import airflow_s3batch.triggers.s3_inventory as module
from airflow_s3batch import inventory_asset
from airflow_s3batch.core.errors import AccessError, ArgumentError, InfrastructureError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.s3 import StoreSettings
from airflow_s3batch.manifests.sources.arrivals import Told
from airflow_s3batch.testing import MemoryStorage, write_inventory
from airflow_s3batch.triggers import S3InventoryTrigger
from airflow_s3batch.triggers.told_memory import AssetMemory, VariableMemory, memory_of

if TYPE_CHECKING:
    from collections.abc import Callable

INVENTORY = "s3://inv/daily/lake/config"
START = datetime(2026, 1, 1, 1, 0, tzinfo=UTC)
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/deliveries"


class Memory:
    """Outlives the triggers of a test; *troubles* are raised first, one for each write."""

    def __init__(self) -> None:
        self.told: Told | None = None
        self.troubles: list[Exception] = []

    def read(self) -> Told | None:
        return self.told

    def write(self, told: Told) -> None:
        if self.troubles:
            raise self.troubles.pop()
        self.told = told


class Queue:
    """As much of SQS as is needed: messages stay until they are deleted; those shown once are not shown again."""

    def __init__(self) -> None:
        self.bodies: dict[str, str] = {}
        self.shown: set[str] = set()
        self.error: Exception | None = None

    def send(self, body: Any) -> None:
        self.bodies[f"receipt-{len(self.bodies) + len(self.shown)}"] = json.dumps(body)

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int, WaitTimeSeconds: int) -> dict[str, Any]:  # noqa: N803
        if self.error:
            raise self.error
        new = [name for name in self.bodies if name not in self.shown][:MaxNumberOfMessages]
        self.shown |= set(new)
        return {"Messages": [{"ReceiptHandle": name, "Body": self.bodies[name]} for name in new]} if new else {}

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        del self.bodies[ReceiptHandle]

    def time_out(self) -> None:
        """Show again what was not deleted."""
        self.shown = set()


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    kept = Memory()
    monkeypatch.setattr(module, "memory_of", lambda *_: kept)
    monkeypatch.setattr(module, "HAND_OVER_S", 0)
    return kept


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    made = Queue()
    monkeypatch.setattr(StoreSettings, "hook", lambda _self, _service: SimpleNamespace(conn=made))
    return made


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that watchers write, with what went wrong if it is unknown."""
    lines: list[str] = []

    def note(text: str, *values: Any, exc_info: Any = None) -> None:
        lines.append(text % values + (f" {exc_info!r}" if exc_info else ""))

    monkeypatch.setattr(S3InventoryTrigger, "log", SimpleNamespace(info=note, warning=note))
    return lines


def deliver(storage: MemoryStorage, day: int) -> str:
    rows = [{"bucket": "lake", "key": "a b", "size": 3}]
    created = START + timedelta(days=day - 1)
    return write_inventory(storage, "s3://inv/daily", "lake", rows, config_id="config", created=created)


def tells_of(url: str) -> dict[str, Any]:
    """Return S3's event for the last file of a delivery."""
    place = S3Url.parse(url)
    key = place.key.replace("manifest.json", "manifest.checksum")
    detail = {"bucket": {"name": place.bucket}, "object": {"key": key}}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def watch(**arguments: Any) -> S3InventoryTrigger:
    return S3InventoryTrigger(**{"inventory": INVENTORY, "poll_interval_s": 0, **arguments})


def told_by(trigger: S3InventoryTrigger, *, looks: int = 3, between: Callable[[], object] = lambda: None) -> list[str]:
    """Return the URLs that *trigger* tells of until it has slept *looks* times, with *between* called each time."""
    urls: list[str] = []

    async def run() -> None:
        slept = 0
        real = asyncio.sleep

        async def sleep(delay: float) -> None:
            nonlocal slept
            slept += 1
            if slept > looks:
                raise asyncio.CancelledError
            between()
            await real(0)

        module.asyncio.sleep = sleep  # type: ignore[assignment]
        try:
            async for event in trigger.run():
                urls.append(event.payload["url"])  # noqa: PERF401 - what came before the end counts
        except asyncio.CancelledError:
            pass
        finally:
            module.asyncio.sleep = real  # type: ignore[assignment]

    asyncio.run(run())
    return urls


def test_new_delivery_is_told_with_all_that_a_dag_wants_to_know(storage: MemoryStorage, memory: Memory) -> None:
    """The payload is plain JSON."""
    url = deliver(storage, 1)

    async def first() -> Any:
        return (await anext(watch().run())).payload

    payload = asyncio.run(first())
    assert json.loads(json.dumps(payload)) == payload
    assert payload.pop("bytes") > 0
    assert payload == {
        "url": url,
        "inventory": INVENTORY,
        "source_bucket": "lake",
        "created": "2026-01-01T01:00:00+00:00",
        "files": 1,
    }


def test_each_delivery_is_told_once_also_by_the_next_triggerer(storage: MemoryStorage, memory: Memory) -> None:
    """What came while nobody watched is told, the oldest first."""
    first = deliver(storage, 1)
    assert told_by(watch()) == [first]
    assert told_by(watch()) == []
    late = [deliver(storage, day) for day in (2, 3)]
    assert told_by(watch()) == late
    assert told_by(watch()) == []


def test_memory_that_somebody_has_deleted_stays_deleted(storage: MemoryStorage, memory: Memory) -> None:
    """The way to have the newest delivery told again."""
    url = deliver(storage, 1)
    trigger = watch()
    assert told_by(trigger) == [url]
    memory.told = None
    assert told_by(trigger) == [url]


def test_without_catch_up_only_the_newest_is_told(storage: MemoryStorage, memory: Memory) -> None:
    assert told_by(watch()) == []
    deliver(storage, 1)
    told_by(watch())
    newest = [deliver(storage, day) for day in (2, 3, 4)][-1]
    assert told_by(watch(catch_up=False)) == [newest]
    assert told_by(watch()) == []


def test_deliveries_up_to_a_moment_are_not_told(storage: MemoryStorage, memory: Memory) -> None:
    """For a Dag that is to begin with the next one."""
    urls = [deliver(storage, day) for day in (1, 2, 3)]
    assert told_by(watch(after=START)) == urls[1:]
    assert told_by(watch(after=START)) == []


def test_triggerer_that_dies_before_the_event_counts_as_told_tells_it_again(
    storage: MemoryStorage, memory: Memory
) -> None:
    """Better twice than never."""
    url = deliver(storage, 1)

    async def die() -> None:
        running = watch().run()
        await anext(running)
        await running.aclose()

    asyncio.run(die())
    assert memory.told is None
    assert told_by(watch()) == [url]


def test_memory_that_fails_is_tried_again_and_nothing_is_told_twice(storage: MemoryStorage, memory: Memory) -> None:
    url = deliver(storage, 1)
    memory.troubles = [RuntimeError("the database is away"), InfrastructureError("still away")]
    assert told_by(watch(), looks=6) == [url]
    assert memory.told == Told("2026-01-01T01-00Z")


def test_trouble_is_borne_and_logged_once(storage: MemoryStorage, memory: Memory, log: list[str]) -> None:
    """A watcher that ends is started again a second later, for ever."""
    url = deliver(storage, 1)
    troubles: list[Exception] = [*([AccessError("the store refuses")] * 5), ValueError("a bug")]

    def before(verb: str, _url: S3Url) -> None:
        if verb == "folders" and troubles:
            raise troubles.pop(0)

    storage.before = before
    assert told_by(watch(), looks=10) == [url]
    assert str(log).count("the store refuses") == 1
    assert "a bug" in str(log)


def test_damaged_delivery_is_logged_once_and_the_next_one_is_told(
    storage: MemoryStorage, memory: Memory, log: list[str]
) -> None:
    damaged = S3Url.parse(deliver(storage, 1))
    storage.files[damaged] += b" "
    trigger = watch()
    assert told_by(trigger, looks=5) == []
    assert str(log).count("the delivery is damaged") == 1
    url = deliver(storage, 2)
    assert told_by(trigger) == [url]


def test_queue_tells_of_deliveries_and_its_messages_go_when_that_is_remembered(
    storage: MemoryStorage, memory: Memory, queue: Queue
) -> None:
    memory.told = Told("2026-01-01T01-00Z")
    trigger = watch(queue_url=QUEUE)
    assert told_by(trigger) == []
    url = deliver(storage, 2)
    queue.send(tells_of(url))
    memory.troubles = [InfrastructureError("away")]
    left: list[int] = []
    assert told_by(trigger, looks=5, between=lambda: left.append(len(queue.bodies))) == [url]
    queue.time_out()
    assert left[0] == 1
    assert told_by(trigger) == []
    assert queue.bodies == {}


def test_message_is_deleted_once_its_delivery_is_remembered(
    storage: MemoryStorage, memory: Memory, queue: Queue
) -> None:
    """Not before, and not only when it comes again."""
    memory.told = Told("2026-01-01T01-00Z")
    trigger = watch(queue_url=QUEUE)
    told_by(trigger)
    url = deliver(storage, 2)
    queue.send(tells_of(url))
    seen: list[tuple[int, bool]] = []

    def note() -> None:
        seen.append((len(queue.bodies), bool(memory.told and memory.told.names)))

    assert told_by(trigger, looks=2, between=note) == [url]
    assert seen == [(1, False), (0, True)]


def test_message_that_comes_twice_and_one_for_what_the_first_look_saw_are_not_told(
    storage: MemoryStorage, memory: Memory, queue: Queue
) -> None:
    """SQS delivers at least once."""
    memory.told = Told("2026-01-01T01-00Z")
    urls = [deliver(storage, day) for day in (2, 3)]
    for url in [*urls, *urls]:
        queue.send(tells_of(url))
    assert told_by(watch(queue_url=QUEUE), looks=8) == urls
    assert queue.bodies == {}


@pytest.mark.parametrize(("foreign", "left"), [("leave", 3), ("delete", 0)])
def test_foreign_messages_are_left_or_deleted_as_asked(
    foreign: str, left: int, storage: MemoryStorage, memory: Memory, queue: Queue
) -> None:
    """S3's test message is nobody's; a damaged delivery is ours, and worth a line in the log only."""
    memory.told = Told("2026-01-01T01-00Z")
    trigger = watch(queue_url=QUEUE, foreign_messages=foreign)
    told_by(trigger)
    queue.send({"Event": "s3:TestEvent"})
    queue.send(tells_of("s3://inv/daily/lake/other/2026-01-02T01-00Z/manifest.json"))
    queue.send({"hello": "world"})
    queue.send("text")
    damaged = S3Url.parse(deliver(storage, 2))
    storage.files[damaged] += b" "
    queue.send(tells_of(str(damaged)))
    assert told_by(trigger) == []
    assert len(queue.bodies) == left


def test_queue_is_asked_although_the_folder_may_not_be_listed(
    storage: MemoryStorage, memory: Memory, queue: Queue, log: list[str]
) -> None:
    def before(verb: str, _url: S3Url) -> None:
        if verb == "folders":
            raise AccessError("no s3:ListBucket")

    storage.before = before
    url = deliver(storage, 1)
    queue.send(tells_of(url))
    assert told_by(watch(queue_url=QUEUE)) == [url]
    assert "no s3:ListBucket" in str(log)


def test_queue_that_refuses_is_a_sentence(storage: MemoryStorage, memory: Memory, queue: Queue, log: list[str]) -> None:
    queue.error = botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied"}}, "ReceiveMessage")
    assert told_by(watch(queue_url=QUEUE)) == []
    assert f"queue {QUEUE}" in str(log)
    assert "sqs:ReceiveMessage" in str(log)


def test_watcher_survives_serialization() -> None:
    """Airflow's Dag processor, database and triggerer must agree on which trigger it is."""
    trigger = watch(
        inventory=f"{INVENTORY}/",
        queue_url=QUEUE,
        foreign_messages="delete",
        after=START,
        catch_up=False,
        name="weekly",
        aws_conn_id="minio",
        botocore_config={"s3": {"addressing_style": "path"}},
    )
    path, arguments = trigger.serialize()
    assert path == "airflow_s3batch.triggers.s3_inventory.S3InventoryTrigger"
    assert json.loads(json.dumps(arguments)) == arguments
    assert S3InventoryTrigger(**arguments).serialize() == (path, arguments)
    assert isinstance(trigger, BaseEventTrigger)


@pytest.mark.parametrize("config", [None, {"read_timeout": 9, "s3": {"addressing_style": "path"}}])
def test_airflow_finds_its_stored_watcher_again_whenever_it_parses_the_dag(config: dict[str, Any] | None) -> None:
    """Else it would be replaced by a new one every half minute."""
    from airflow.models.trigger import Trigger

    try:
        from airflow.serialization.encoders import encode_trigger
    except ImportError:  # Airflow 3.1
        from airflow.serialization.serialized_objects import _encode_trigger as encode_trigger

    parsed = json.loads(json.dumps(encode_trigger(watch(botocore_config=config, after=START))))
    stored = Trigger(**parsed)
    again = encode_trigger(parsed)
    found = BaseEventTrigger.hash(stored.classpath, stored.kwargs)
    assert found == BaseEventTrigger.hash(again["classpath"], again["kwargs"])


def test_all_that_is_wrong_is_told_at_once() -> None:
    """As an error that a triggerer survives, which is a `TypeError` only."""
    with pytest.raises(ArgumentError) as caught:
        S3InventoryTrigger(
            inventory="inv", queue_url="deliveries", foreign_messages="keep", after="soon", poll_interval_s=-1
        )
    assert isinstance(caught.value, TypeError)
    for name in (
        "inventory='inv'",
        "queue_url='deliveries'",
        "foreign_messages='keep'",
        "after=",
        "poll_interval_s=-1",
    ):
        assert name in str(caught.value)
    with pytest.raises(ArgumentError, match="watch its configuration's folder: s3://inv/daily/lake/config"):
        inventory_asset(f"{INVENTORY}/2026-01-01T01-00Z/manifest.json")


class States:
    """The state of the assets that a trigger watches."""

    def __init__(self, assets: int = 1) -> None:
        self._total = assets
        self.kept: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.kept.get(key)

    def set(self, key: str, value: Any) -> None:
        self.kept[key] = value


def test_memory_is_the_assets_where_assets_have_state() -> None:
    """Otherwise, and where several assets share a watcher, it is a Variable."""
    states = States()
    memory = memory_of(SimpleNamespace(asset_state_store=states), "weekly")  # type: ignore[arg-type]
    assert memory.read() is None
    memory.write(Told("2026-01-01T01-00Z", ("2026-01-03T01-00Z",)))
    assert memory.read() == Told("2026-01-01T01-00Z", ("2026-01-03T01-00Z",))
    assert AssetMemory(states, "monthly").read() is None
    for trigger in (SimpleNamespace(), SimpleNamespace(asset_state_store=States(2))):
        assert isinstance(memory_of(trigger, "weekly"), VariableMemory)  # type: ignore[arg-type]
    assert len(VariableMemory("s3://inv/" + "x" * 900).key) == 250
