"""`S3InventoryTrigger`: an asset's watcher that tells of each new inventory delivery."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_s3batch.core.errors import ArgumentError, S3BatchError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.arguments import as_moment, clauses
from airflow_s3batch.manifests.sources.arrivals import Arrival, Told, delivery_name
from airflow_s3batch.manifests.sources.delivery import configuration_of
from airflow_s3batch.triggers.base import S3BatchTrigger, beside_loop
from airflow_s3batch.triggers.inventory_watch import FolderWatch, QueueWatch
from airflow_s3batch.triggers.told_memory import memory_of

if TYPE_CHECKING:
    from airflow_s3batch.triggers.inventory_watch import InventoryWatch

FOREIGN = ("leave", "delete")
HAND_OVER_S = 5.0
"""How long Airflow is given to store an event before it counts as told; its triggerer does so every second."""
MOST_COMPLAINTS = 100


class S3InventoryTrigger(S3BatchTrigger, BaseEventTrigger):
    """
    Tell of every new delivery of an S3 Inventory, for ever: the trigger of an `AssetWatcher`.

    The event's payload is ``{"url": …}`` of the delivery's ``manifest.json``, with ``inventory``, ``source_bucket``,
    ``created`` (ISO 8601), ``files`` and ``bytes`` (of the inventory's own files). Only complete deliveries are told:
    S3 writes ``manifest.checksum`` last. A damaged one is logged and passed by. Trouble is logged, and another look
    taken after *poll_interval_s*: this trigger never ends by itself, for Airflow would start it again at once.

    Which deliveries were told is remembered in the asset's state (before Airflow 3.3 in a Variable
    ``s3batch_told:<name>``), `HAND_OVER_S` after Airflow was given the event. So what comes while no triggerer runs, or
    Airflow has stopped the watcher because all its Dags are paused, is told later, and nothing is told twice, with one
    exception: a triggerer that is killed in these seconds leaves open whether the event was stored; then it is told
    again. Triggerers share the memory; Airflow runs a watcher in one of them. A watcher that has never told of anything
    begins with the newest delivery that is there.

    With *queue_url* an SQS queue is asked instead of the folder listed (the folder is looked into once at the start):
    S3 has to send ``s3:ObjectCreated:*`` of keys that end in ``manifest.checksum`` to it, directly, through SNS or
    through EventBridge. Messages are deleted when their delivery is remembered as told. A message of SQS has one
    reader: give each watcher a queue of its own.

    Args:
        inventory: the folder of an inventory configuration: ``s3://bucket/prefix/source-bucket/config-id``.
        queue_url: of the queue, if any.
        foreign_messages: what becomes of messages that are not about this inventory: ``leave`` them for other readers,
            or ``delete`` them. S3's test messages are deleted in any case.
        after: deliveries up to then are not told (datetime or ISO 8601).
        catch_up: tell of each delivery that came while nobody watched; ``False``: only of the newest.
        name: of the memory; *inventory* if left out. Two watchers of one inventory need different ones.
        poll_interval_s: seconds between two looks.
        store: see `S3BatchTrigger`; the connection is for the queue, too.
    """

    def __init__(
        self,
        *,
        inventory: str,
        queue_url: str | None = None,
        foreign_messages: str = "leave",
        after: datetime | str | None = None,
        catch_up: bool = True,
        name: str | None = None,
        poll_interval_s: float = 60.0,
        **store: Any,
    ) -> None:
        if isinstance(config := store.get("botocore_config"), str):
            store["botocore_config"] = json.loads(config)
        super().__init__(poll_interval_s=poll_interval_s, **store)
        if problems := watch_problems(inventory, queue_url, foreign_messages, after, poll_interval_s):
            raise WrongWatchError(f"{type(self).__name__}: {'; '.join(problems)}")
        moment = as_moment("after", after)
        self.inventory = inventory.rstrip("/")
        self.queue_url = queue_url
        self.foreign_messages = foreign_messages
        self.after = moment.isoformat() if moment else None
        self.catch_up = catch_up
        self.name = name or self.inventory
        self._watch: InventoryWatch | None = None
        self._unsaved: tuple[str, ...] = ()
        self._trouble = ""
        self._complaints: dict[str, None] = {}

    def own_arguments(self) -> dict[str, Any]:  # noqa: D102
        return {
            "inventory": self.inventory,
            "queue_url": self.queue_url,
            "foreign_messages": self.foreign_messages,
            "after": self.after,
            "catch_up": self.catch_up,
            "name": self.name,
        }

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """
        Return what makes an equal trigger, all of it plain values.

        Airflow 3.2 takes a watcher with a dict among its arguments for another one at each parse, and replaces it.
        """
        path, arguments = super().serialize()
        config = arguments["botocore_config"]
        return path, {**arguments, "botocore_config": json.dumps(config, sort_keys=True) if config else None}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, tell, remember; never returns."""
        self.log.info("Watching %s for deliveries.", self.queue_url or self.inventory)
        while True:
            arrival = await self._next()
            if arrival is None:
                await asyncio.sleep(self.poll_interval_s)
                continue
            yield TriggerEvent(self._payload(arrival))  # type: ignore[no-untyped-call]
            self._unsaved += arrival.names
            await asyncio.sleep(HAND_OVER_S)
            await self._done(arrival)

    async def _next(self) -> Arrival | None:
        """Return what is to be told next; ``None`` if there is nothing, or no way to know."""
        try:
            told = await self._told()
            if self._watch is None:
                self._watch = await beside_loop(self._new_watch)
            arrival = await asyncio.to_thread(self._watch.next, told)
        except Exception as error:  # noqa: BLE001 - Airflow would start this trigger again a second later, for ever
            self._bear(error)
            return None
        self._trouble = ""
        return arrival

    async def _told(self) -> Told | None:
        """Return what was told, by this or another triggerer; what could not be remembered yet, is now."""
        memory = memory_of(self, self.name)
        told = await beside_loop(memory.read)
        if told is None and self.after is not None:
            told = Told.before(datetime.fromisoformat(self.after))
        if self._unsaved:
            whole = (told or Told(max(self._unsaved))).plus(*self._unsaved)
            await beside_loop(lambda: memory.write(whole))
            self._unsaved = ()
            return whole
        return told

    async def _done(self, arrival: Arrival) -> None:
        """Remember that *arrival* was told. If that fails, the next look begins with it."""
        try:
            await self._told()
            if self._watch is not None:
                await asyncio.to_thread(self._watch.done, arrival)
        except Exception as error:  # noqa: BLE001 - see _next
            self._bear(error)

    def _bear(self, error: Exception) -> None:
        """Log trouble, once as long as it stays the same; make everything anew before the next look."""
        self._watch = None  # its client holds credentials that the connection may have replaced
        if (trouble := f"{type(error).__name__}: {error}") == self._trouble:
            return
        self._trouble = trouble
        known = isinstance(error, S3BatchError)
        sentence = str(error) if known else "the watcher goes on looking after trouble that it does not know"
        self.log.warning("%s: %s", self.inventory, sentence, exc_info=None if known else error)

    def _complain(self, sentence: str) -> None:
        """Log *sentence* on something that is passed by, unless that was done lately."""
        if sentence not in self._complaints:
            self.log.warning("%s", sentence)
            self._complaints[sentence] = None
            if len(self._complaints) > MOST_COMPLAINTS:
                del self._complaints[next(iter(self._complaints))]

    def _new_watch(self) -> InventoryWatch:
        """Return a watch with the connection's present credentials; asks Airflow."""
        folder = FolderWatch(
            self.store.storage(),
            S3Url.parse(self.inventory, what="inventory"),
            catch_up=self.catch_up,
            complain=self._complain,
        )
        if self.queue_url is None:
            return folder
        client = self.store.hook("sqs").conn
        return QueueWatch(folder, client, self.queue_url, deletes_foreign=self.foreign_messages == "delete")

    def _payload(self, arrival: Arrival) -> dict[str, Any]:
        delivery = arrival.delivery
        self.log.info("%s: telling of the delivery %s.", self.inventory, delivery_name(delivery.url))
        return {
            "url": str(delivery.url),
            "inventory": self.inventory,
            "source_bucket": delivery.source_bucket,
            "created": delivery.created.isoformat() if delivery.created else None,
            "files": len(delivery.files),
            "bytes": delivery.bytes,
        }


class WrongWatchError(ArgumentError, TypeError):
    """A watcher's arguments are wrong. A triggerer that makes a trigger survives only a `TypeError`."""


def watch_problems(
    inventory: Any, queue_url: Any, foreign_messages: Any, after: Any, poll_interval_s: Any
) -> list[str]:
    """Return what is wrong with a watcher's arguments."""
    found = []
    try:
        folder = str(S3Url.parse(inventory, what="inventory")).rstrip("/")
        if (configuration := configuration_of(folder)) != folder:
            found.append(f"inventory={inventory!r} is one delivery; watch its configuration's folder: {configuration}")
    except (ArgumentError, AttributeError):
        found.append(f"inventory={inventory!r} is not an S3 URL; expected s3://bucket/prefix/source-bucket/config-id")
    if queue_url is not None and not str(queue_url).startswith(("https://", "http://")):
        found.append(f"queue_url={queue_url!r} is not the URL of an SQS queue; expected https://sqs.…")
    if foreign_messages not in FOREIGN:
        found.append(f"foreign_messages={foreign_messages!r} is unknown; use 'leave' or 'delete'")
    if not isinstance(poll_interval_s, (int, float)) or not poll_interval_s >= 0:
        found.append(f"poll_interval_s={poll_interval_s!r} is not a number of seconds")
    try:
        as_moment("after", after)
    except ArgumentError as error:
        found.append(clauses(error))
    return found
