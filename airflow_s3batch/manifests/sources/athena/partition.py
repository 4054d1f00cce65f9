"""Which partition of an inventory's table a query reads: exactly one, the same in every attempt."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.errors import AccessError, ArgumentError, InventoryError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.sources.delivery import find_delivery

if TYPE_CHECKING:
    from airflow_s3batch.manifests.sources.athena.client import GlueTable
    from airflow_s3batch.manifests.sources.dataset import Dataset, Place

KEY = "dt"
_FORM = "%Y-%m-%d-%H-%M"
_DT = re.compile(r"\d{4}-\d{2}-\d{2}-\d{2}-\d{2}")


class Partition(NamedTuple):
    """
    One delivery as a table has it.

    Attributes:
        dt: value of the partition key; empty for a table without partitions.
        created: when the delivery was made, UTC; ``None`` if nobody knows.
    """

    dt: str
    created: dt.datetime | None


class Wish(NamedTuple):
    """Which partition is asked for: `dt` as it is, or that of a delivery, or else the newest one."""

    dt: str | None = None
    inventory: str | None = None
    as_of: dt.datetime | None = None
    max_age: dt.timedelta | None = None


def find_partition(table: GlueTable, name: str, wish: Wish, place: Place) -> Partition:
    """
    Return the partition that *wish* is for; *name* is the table's, for errors.

    With partition projection, as AWS's own table definition has it, Athena reads every partition that may exist where a
    query names none, so there is always one to name. The newest is that of the newest complete delivery: the table's
    LOCATION is the ``hive`` folder of the inventory's configuration.

    Raises:
        InventoryError: there is none, or it can't be told which.
    """
    if not table.partition_keys:
        if wish.dt or wish.inventory:
            raise InventoryError(
                f"table {name} has no partitions, so neither dt= nor inventory= can choose one; leave them out"
            )
        return Partition("", None)
    if table.partition_keys != (KEY,):
        keys = ", ".join(table.partition_keys)
        raise InventoryError(
            f"table {name} is partitioned by {keys}, expected dt alone; write the query yourself, as query="
        )
    if wish.dt:
        return _checked(table, name, Partition(wish.dt, _moment(wish.dt)), place)
    delivery = _delivery(table, name, wish, place)
    return _checked(table, name, Partition(_dt_of(delivery), delivery.created), place)


def _delivery(table: GlueTable, name: str, wish: Wish, place: Place) -> Dataset:
    where = wish.inventory or _configuration(table, name)
    return find_delivery(place.storage, S3Url.parse(where), as_of=wish.as_of, max_age=wish.max_age, now=place.now)


def _configuration(table: GlueTable, name: str) -> str:
    """Return the folder of the inventory configuration whose ``hive`` folder is the table's location."""
    folder, _, last = table.location.rpartition("/")
    if last == "hive" and "storage.location.template" not in table.parameters:
        return folder
    raise InventoryError(
        f"table {name}: its location {table.location!r} is not the hive folder of an inventory configuration, so the "
        "newest partition can't be found; pass dt='…', or inventory='s3://…' (the configuration's folder)"
    )


def _dt_of(delivery: Dataset) -> str:
    """Return how S3 names the partition of *delivery*: as its folder, ``2026-01-31T01-00Z``."""
    text = delivery.url.key.split("/")[-2].replace("T", "-").removesuffix("Z")
    if _DT.fullmatch(text):
        return text
    if delivery.created is None:
        raise InventoryError(f"{delivery.url}: nothing tells when it was delivered; pass dt=")
    return f"{delivery.created:{_FORM}}"


def _moment(value: str) -> dt.datetime | None:
    return dt.datetime.strptime(value, _FORM).replace(tzinfo=dt.UTC) if _DT.fullmatch(value) else None


def _checked(table: GlueTable, name: str, partition: Partition, place: Place) -> Partition:
    """Return *partition* if there is something in it: a query over a folder that does not exist selects nothing."""
    try:
        folder = _folder(table, partition.dt)
        if next(iter(place.storage.list(folder)), None) is not None:
            return partition
    except (AccessError, ArgumentError) as error:
        place.log(f"whether table {name} has a partition dt={partition.dt} can't be checked: {error}")
        return partition
    raise InventoryError(
        f"table {name} has no partition dt={partition.dt!r}: {folder} is empty, and the query would select nothing. "
        "S3 Inventory names them like 2026-01-31-01-00; pass inventory= to take that of a delivery"
    )


def _folder(table: GlueTable, value: str) -> S3Url:
    """Return where a partition lies: that is fixed where partitions are projected, and usual elsewhere."""
    template = table.parameters.get("storage.location.template", "")
    url = template.replace("${dt}", value) if "${dt}" in template else f"{table.location}/{KEY}={value}"
    return S3Url.parse(url.rstrip("/") + "/", what="the table's location")
