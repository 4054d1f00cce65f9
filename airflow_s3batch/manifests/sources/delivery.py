"""Which delivery of an inventory a job works on: finds it, and reads its ``manifest.json``."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import InventoryError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.columns import parse_schema
from airflow_s3batch.manifests.sources.dataset import DataFile, Dataset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_s3batch.engine.files.storage import Storage

FORMATS = ("CSV", "ORC", "Parquet")
DELIVERY_NAME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z")
"""The folder of one delivery; such names sort by time."""
_IN_CONFIGURATION = re.compile(rf"/{DELIVERY_NAME.pattern}(/manifest\.json)?$")
CHECKSUM = "manifest.checksum"


def find_delivery(
    storage: Storage,
    inventory: S3Url,
    *,
    as_of: dt.datetime | None = None,
    max_age: dt.timedelta | None = None,
    now: dt.datetime,
) -> Dataset:
    """
    Return the delivery that *inventory* names: that of a ``manifest.json``, or a prefix's newest complete one.

    A delivery is complete when its ``manifest.checksum`` is there: S3 writes it last. Below a prefix one without it is
    passed over for the one before; one with a wrong checksum is damaged, and never passed over.

    *inventory* is a ``manifest.json``, the folder of one delivery, or the prefix of an inventory configuration
    (``s3://destination/prefix/source-bucket/config-id``). With *as_of* the newest delivery that is not newer than that
    counts. One that is older than *max_age* at *now* is refused.

    Raises:
        InventoryError: there is no such delivery, or it is damaged; the message says what was found instead.
    """
    found = _look(storage, inventory, as_of, max_age, now)
    if isinstance(found, str):
        raise InventoryError(found)
    return found


def newest_delivery(
    storage: Storage,
    inventory: S3Url,
    *,
    as_of: dt.datetime | None = None,
    max_age: dt.timedelta | None = None,
    now: dt.datetime,
) -> Dataset | None:
    """Return what `find_delivery` returns, ``None`` where there is none yet. Damaged ones are errors here too."""
    found = _look(storage, inventory, as_of, max_age, now)
    return None if isinstance(found, str) else found


def configuration_of(inventory: str) -> str:
    """Return the folder of the inventory configuration that *inventory*, as `find_delivery` takes it, belongs to."""
    return _IN_CONFIGURATION.sub("", inventory.rstrip("/"))


def _look(
    storage: Storage, inventory: S3Url, as_of: dt.datetime | None, max_age: dt.timedelta | None, now: dt.datetime
) -> Dataset | str:
    """Return the delivery, or the sentence that says why there is none yet."""
    direct = _manifest_url(inventory)
    found = _newest_complete(storage, inventory, as_of) if direct is None else read_delivery(storage, direct)
    if isinstance(found, str):
        return found
    created = found.created or now
    if direct is not None and as_of is not None and created > as_of:
        return f"{found.url}: created {_minute(created)}, after as_of={_minute(as_of)}"
    if max_age is not None and now - created > max_age:
        return (
            f"{found.url}: the newest complete delivery is of {_minute(created)}, older than max_age={max_age}; "
            "look whether the inventory configuration is still enabled, or raise max_age to use it all the same"
        )
    return found


def _manifest_url(inventory: S3Url) -> S3Url | None:
    """Return the ``manifest.json`` that *inventory* names directly, ``None`` if it is a configuration's prefix."""
    name = inventory.key.rstrip("/").rpartition("/")[2]
    if name == "manifest.json":
        return inventory
    return inventory / "manifest.json" if DELIVERY_NAME.fullmatch(name) else None


def _newest_complete(storage: Storage, prefix: S3Url, as_of: dt.datetime | None) -> Dataset | str:
    folders = sorted(storage.folders(prefix), reverse=True)
    deliveries = [name for name in folders if DELIVERY_NAME.fullmatch(name)]
    if not deliveries:
        return _nothing_at(storage, prefix, folders)
    latest = "" if as_of is None else f"{as_of.astimezone(dt.UTC):%Y-%m-%dT%H-%MZ}"
    reasons = []
    for name in deliveries:
        if latest and name > latest:
            continue
        found = read_delivery(storage, prefix / name / "manifest.json")
        if isinstance(found, Dataset):
            return found
        reasons.append(found)
    if not reasons:
        return f"{prefix}: the oldest of {len(deliveries)} deliveries is {deliveries[-1]}, after as_of={_minute(as_of)}"
    return f"{prefix}: none of {len(reasons)} deliveries is complete; the newest: {reasons[0]}"


def _nothing_at(storage: Storage, prefix: S3Url, folders: list[str]) -> str:
    """Return the sentence for a *prefix* that holds no deliveries, with the nearest one that does."""
    deeper = next(_configurations_below(storage, prefix, folders), None)
    if deeper is not None:
        return f"{prefix}: no deliveries here, but below {deeper}; name that configuration: inventory={str(deeper)!r}"
    found = f"it has the folders {', '.join(folders[:5])}" if folders else "nothing is there"
    return (
        f"{prefix}: no inventory delivery (folders like 2026-01-31T01-00Z) was found; {found}. "
        "Expected s3://destination/prefix/source-bucket/config-id, whose first delivery can take 48 hours"
    )


def _configurations_below(storage: Storage, prefix: S3Url, folders: list[str]) -> Iterator[S3Url]:
    """Yield the places up to three levels below *prefix* that hold deliveries; looks at a few folders only."""
    level = [prefix / name for name in folders[:5]]
    for _ in range(3):
        below = [(place, sorted(storage.folders(place))) for place in level]
        yield from (place for place, names in below if any(DELIVERY_NAME.fullmatch(name) for name in names))
        level = [place / name for place, names in below for name in names[:5]][:10]


def read_delivery(storage: Storage, url: S3Url) -> Dataset | str:
    """
    Return the delivery whose ``manifest.json`` is at *url*, or the sentence that says why it is not complete yet.

    Raises:
        InventoryError: it is damaged.
    """
    text = storage.read(url)
    if text is None:
        return f"{url}: there is no such object"
    checksum_url = S3Url(url.bucket, url.key.removesuffix("manifest.json") + CHECKSUM)
    checksum = storage.read(checksum_url)
    if checksum is None:
        return f"{checksum_url}: there is no such object, so the delivery is not complete; wait or name another one"
    md5 = hashlib.md5(text, usedforsecurity=False).hexdigest()
    told = checksum.decode("ascii", "replace").strip()
    if told.lower() != md5:
        raise InventoryError(
            f"{url}: its MD5 is {md5}, but {CHECKSUM} says {told[:64]!r}; the delivery is damaged. "
            "Name another one by its manifest.json, or wait for the next"
        )
    return _parse(text, url, md5)


def read_pinned(storage: Storage, url: S3Url, md5: str) -> Dataset:
    """
    Return the delivery that a job pinned: its ``manifest.json`` at *url* must still have *md5*.

    Raises:
        InventoryError: it is gone, or another one.
    """
    again = "Set resume=False to start a new job with the newest delivery"
    text = storage.read(url)
    if text is None:
        raise InventoryError(
            f"{url}: the delivery that this job was started with is gone (deleted or expired). {again}"
        )
    if hashlib.md5(text, usedforsecurity=False).hexdigest() != md5:
        raise InventoryError(f"{url}: the delivery that this job was started with has been altered since. {again}")
    return _parse(text, url, md5)


def _parse(text: bytes, url: S3Url, md5: str) -> Dataset:
    try:
        data: dict[str, Any] = json.loads(text)
        file_format = data["fileFormat"]
        if file_format not in FORMATS:
            raise InventoryError(f"{url}: fileFormat is {file_format!r}; this version reads {', '.join(FORMATS)}")
        return Dataset(
            url,
            md5,
            dt.datetime.fromtimestamp(int(data["creationTimestamp"]) / 1000, dt.UTC),
            data["sourceBucket"],
            data["destinationBucket"].rpartition(":")[2],
            file_format,
            parse_schema(file_format, data["fileSchema"], place=str(url)),
            tuple(_data_file(file, url) for file in data["files"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InventoryError(f"{url}: not the manifest.json of an S3 Inventory ({error!r})") from None


def _data_file(entry: Mapping[str, Any], url: S3Url) -> DataFile:
    if not entry.get("MD5checksum"):
        raise InventoryError(
            f"{url}: data file {entry['key']!r} has no MD5checksum, so nobody can tell whether it is whole; "
            "S3 Inventory writes one for each data file"
        )
    return DataFile(entry["key"], int(entry["size"]), entry["MD5checksum"].lower())


def _minute(moment: dt.datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
