"""Two ways to hear of a new inventory delivery: looking into the folder, and asking a queue. Both block."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from airflow_s3batch.core.errors import AccessError, InfrastructureError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.sources.arrivals import (
    Arrival,
    Told,
    arrival_at,
    completed_by,
    delivery_name,
    next_arrival,
)
from airflow_s3batch.manifests.sources.s3_events import read_message

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage

_BATCH = 10
_WAIT_S = 1  # asks all of the queue's servers; without, SQS may say "nothing" though there is something
_MOST_BATCHES = 20
"""In one look; a queue whose visibility timeout is 0 shows what is left in it again and again."""


class InventoryWatch(Protocol):
    """Hears of deliveries, one after the other."""

    def next(self, told: Told | None) -> Arrival | None:
        """
        Return the next delivery that is not in *told*; ``None`` if there is none now.

        Raises:
            S3BatchError: the store or the queue refuses or misbehaves.
        """

    def done(self, arrival: Arrival) -> None:
        """
        Take note that *arrival* was told of, and that this is remembered.

        Raises:
            S3BatchError: likewise.
        """


class FolderWatch:
    """Lists the inventory's folder."""

    def __init__(self, storage: Storage, inventory: S3Url, *, catch_up: bool, complain: Callable[[str], None]) -> None:
        self.storage = storage
        self.inventory = inventory
        self.catch_up = catch_up
        self.complain = complain

    def next(self, told: Told | None) -> Arrival | None:  # noqa: D102 - the protocol's docstrings hold
        return next_arrival(self.storage, self.inventory, told, catch_up=self.catch_up, complain=self.complain)

    def done(self, arrival: Arrival) -> None:
        """Do nothing: a folder keeps no account."""


class QueueWatch:
    """
    Asks an SQS queue that S3's events go to; begins with a look into the folder, for what came while nobody asked.

    A message that a delivery of this inventory is complete is deleted once that was told of, or if it is not worth
    telling: known already, damaged, gone. So are S3's test messages. What else there is is foreign: it is left for
    others, to whom the queue shows it again after its visibility timeout, or deleted if *deletes_foreign*.

    Args:
        folder: the first look; one that is refused is complained of, and the queue is asked all the same.
        client: boto3's for SQS.
        queue_url: of the queue.
    """

    def __init__(self, folder: FolderWatch, client: Any, queue_url: str, *, deletes_foreign: bool) -> None:
        self.folder = folder
        self.client = client
        self.queue_url = queue_url
        self.deletes_foreign = deletes_foreign
        self._has_looked = False
        self._messages: deque[dict[str, Any]] = deque()
        self._receipts: dict[S3Url, str] = {}

    def next(self, told: Told | None) -> Arrival | None:  # noqa: D102
        if not self._has_looked and (found := self._first_look(told)) is not None:
            return found
        self._has_looked = True
        for _ in range(_MOST_BATCHES):
            while self._messages:
                if (found := self._arrival(self._messages.popleft(), told)) is not None:
                    return found
            if not self._receive():
                break
        return None

    def done(self, arrival: Arrival) -> None:  # noqa: D102
        if receipt := self._receipts.pop(arrival.delivery.url, None):
            self._delete(receipt)

    def _first_look(self, told: Told | None) -> Arrival | None:
        try:
            return self.folder.next(told)
        except AccessError as error:
            self.folder.complain(f"only the queue tells of deliveries, what came before is not seen: {error}")
            return None

    def _receive(self) -> bool:
        """Fetch some messages; return whether the queue had any to show."""
        with _sentences(self.queue_url):
            reply = self.client.receive_message(
                QueueUrl=self.queue_url, MaxNumberOfMessages=_BATCH, WaitTimeSeconds=_WAIT_S
            )
        self._messages.extend(reply.get("Messages", ()))
        return bool(self._messages)

    def _arrival(self, message: dict[str, Any], told: Told | None) -> Arrival | None:
        """Return what *message* tells of; deletes it if that is nothing, and it is not somebody else's."""
        content = read_message(message["Body"])
        urls = [url for made in content.created if (url := completed_by(made, self.folder.inventory))]
        for url in urls:
            if told is not None and told.has(delivery_name(url)):
                continue
            if (found := arrival_at(self.folder.storage, url, self.folder.complain)) is not None:
                self._receipts[url] = message["ReceiptHandle"]
                return found
        if urls or content.is_test or self.deletes_foreign:
            self._delete(message["ReceiptHandle"])
        return None

    def _delete(self, receipt: str) -> None:
        with _sentences(self.queue_url):
            self.client.delete_message(QueueUrl=self.queue_url, ReceiptHandle=receipt)


@contextlib.contextmanager
def _sentences(queue_url: str) -> Iterator[None]:
    """Turn boto3's exceptions into sentences that name the queue and the next step."""
    import botocore.exceptions

    try:
        yield
    except (botocore.exceptions.ClientError, botocore.exceptions.NoCredentialsError) as error:
        raise AccessError(
            f"queue {queue_url}: {error}; the connection needs sqs:ReceiveMessage and sqs:DeleteMessage on it"
        ) from error
    except botocore.exceptions.BotoCoreError as error:
        raise InfrastructureError(f"queue {queue_url}: {error}") from error
