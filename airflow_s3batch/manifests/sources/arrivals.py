"""Which deliveries of an inventory have come since somebody was last told of one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.errors import InventoryError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.sources.dataset import Dataset
from airflow_s3batch.manifests.sources.delivery import CHECKSUM, DELIVERY_NAME, read_delivery

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage

KEPT_NAMES = 50


class Told(NamedTuple):
    """
    Which deliveries were told of: all up to *floor*, and *names* after it. Both are names of deliveries' folders.

    A delivery that is completed after a younger one is still news; to know that, some names are kept.
    """

    floor: str
    names: tuple[str, ...] = ()

    @classmethod
    def before(cls, moment: dt.datetime) -> Told:
        """Return what counts as told where only deliveries after *moment* are wanted."""
        return cls(f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H-%MZ}")

    @classmethod
    def from_json(cls, data: Any) -> Told | None:
        """Return what `to_json` gave; ``None`` for what it can't have given."""
        if not isinstance(data, Mapping) or not isinstance(data.get("floor"), str):
            return None
        return cls(data["floor"], tuple(str(name) for name in data.get("names") or ()))

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready, in about a kilobyte at most."""
        return {"floor": self.floor, "names": list(self.names)}

    def has(self, name: str) -> bool:
        """Return whether the delivery *name* was told of."""
        return name <= self.floor or name in self.names

    def plus(self, *names: str) -> Told:
        """Return it with *names* told of, too."""
        new = sorted({*self.names, *(name for name in names if name > self.floor)})
        if len(new) <= KEPT_NAMES:
            return Told(self.floor, tuple(new))
        return Told(new[-KEPT_NAMES - 1], tuple(new[-KEPT_NAMES:]))


class Arrival(NamedTuple):
    """A complete *delivery* that nobody was told of, and the names of older ones that are passed over for it."""

    delivery: Dataset
    passed: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the deliveries that are over once this is told."""
        return (*self.passed, delivery_name(self.delivery.url))


def next_arrival(
    storage: Storage, inventory: S3Url, told: Told | None, *, catch_up: bool, complain: Callable[[str], None]
) -> Arrival | None:
    """
    Return the oldest complete delivery in the folder *inventory* that is not in *told*, ``None`` if there is none.

    Without *catch_up* it is the newest, and those before it are passed over. So it is where nobody was ever told of
    any (*told* is ``None``). What is damaged goes to *complain*, a sentence each, and is passed by.

    Raises:
        S3BatchError: the store refuses or misbehaves.
    """
    names = sorted(name for name in storage.folders(inventory) if DELIVERY_NAME.fullmatch(name))
    news = [name for name in names if told is None or not told.has(name)]
    if catch_up and told is not None:
        found = _first_complete(storage, inventory, news, complain)
        return None if found is None else Arrival(found)
    found = _first_complete(storage, inventory, reversed(news), complain)
    if found is None:
        return None
    newest = delivery_name(found.url)
    return Arrival(found, tuple(name for name in news if name < newest))


def arrival_at(storage: Storage, url: S3Url, complain: Callable[[str], None]) -> Arrival | None:
    """
    Return the delivery whose ``manifest.json`` is at *url*; ``None`` if it is damaged or gone, as *complain* is told.

    Raises:
        S3BatchError: the store refuses or misbehaves.
    """
    try:
        found = read_delivery(storage, url)
    except InventoryError as error:
        found = str(error)
    if isinstance(found, Dataset):
        return Arrival(found)
    complain(found)
    return None


def completed_by(created: S3Url, inventory: S3Url) -> S3Url | None:
    """Return the ``manifest.json`` of the delivery in the folder *inventory* that the object *created* completes."""
    folder, _, file = created.key.rpartition("/")
    place, _, name = folder.rpartition("/")
    if file != CHECKSUM or not DELIVERY_NAME.fullmatch(name):
        return None
    if (created.bucket, place) != (inventory.bucket, inventory.key.rstrip("/")):
        return None
    return inventory / name / "manifest.json"


def delivery_name(manifest: S3Url) -> str:
    """Return the name of the folder that *manifest*, a delivery's ``manifest.json``, lies in."""
    return manifest.key.split("/")[-2]


def _first_complete(
    storage: Storage, inventory: S3Url, names: Iterable[str], complain: Callable[[str], None]
) -> Dataset | None:
    for name in names:
        try:
            found = read_delivery(storage, inventory / name / "manifest.json")
        except InventoryError as error:
            complain(str(error))
        else:
            if isinstance(found, Dataset):
                return found
    return None
