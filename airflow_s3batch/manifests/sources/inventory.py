"""Deliveries of S3 Inventory, of one configuration or of several at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_s3batch.core.errors import ArgumentError, JobDamagedError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.sources.dataset import Dataset, Found, Place, Source, several
from airflow_s3batch.manifests.sources.delivery import configuration_of, find_delivery, read_pinned

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.manifests.columns import InventoryColumn


@dataclass(frozen=True, slots=True)
class Inventory:
    """
    One delivery of each of some inventories; their rows are taken together.

    Args:
        urls: of a ``manifest.json``, or prefix of an inventory configuration (then its newest delivery), each.
        as_of: with a prefix: the newest delivery that is not newer than this.
        max_age: refuse a delivery that is older than this when the job starts.
    """

    urls: str | tuple[str, ...]
    as_of: dt.datetime | None = None
    max_age: dt.timedelta | None = None

    kind: ClassVar[str] = "inventory"
    may_repeat: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Take one URL for a list of one."""
        object.__setattr__(self, "urls", several(self.urls))

    @classmethod
    def of(cls, *urls: str, as_of: dt.datetime | None = None, max_age: dt.timedelta | None = None) -> Inventory:
        """Return the inventories at *urls*."""
        return cls(urls, as_of, max_age)

    def problems(self) -> list[str]:  # noqa: D102 - the protocol's docstrings hold
        found = [] if self.urls else ["inventory names no inventory; expected s3://bucket/folder"]
        for url in self.urls:
            try:
                S3Url.parse(url, what="inventory")
            except ArgumentError as error:
                found.append(str(error))
        twice = sorted({url for url in self.urls if self.urls.count(url) > 1})
        found += [f"inventory names {url} twice, which would do everything twice" for url in twice]
        if self.as_of is not None and self.as_of.tzinfo is None:
            found.append(f"as_of={self.as_of.isoformat()} has no timezone; pass an aware datetime")
        if self.max_age is not None and self.max_age <= dt.timedelta(0):
            found.append(f"max_age={self.max_age} must be positive")
        return found

    def name(self) -> str:  # noqa: D102
        return ", ".join(self.urls)

    def essence(self) -> dict[str, Any]:  # noqa: D102
        return {
            "inventory": self.urls[0] if len(self.urls) == 1 else list(self.urls),
            "as_of": self.as_of and self.as_of.astimezone(dt.UTC).isoformat(),
        }

    def is_same(self, then: Mapping[str, Any], name: str) -> bool:
        """
        Return whether *name* of the essence is what it was.

        Another delivery of the same inventory configuration is no change: a cleared sensor finds a newer one, and the
        job stays with the one that it pinned.
        """
        if name != "inventory":
            return bool(then.get(name) == self.essence()[name])
        return _configurations(then.get(name)) == _configurations(list(self.urls))

    def known_columns(self) -> tuple[InventoryColumn, ...] | None:  # noqa: D102
        return None

    def find(self, place: Place) -> Found:  # noqa: D102
        return _found(
            find_delivery(place.storage, S3Url.parse(url), as_of=self.as_of, max_age=self.max_age, now=place.now)
            for url in self.urls
        )

    def again(self, place: Place, pinned: Mapping[str, Any]) -> Found:
        """Return the pinned deliveries; where others are asked for by now, the log says so."""
        try:
            entries = [(S3Url.parse(entry["manifest"]), str(entry["md5"])) for entry in _entries(pinned)]
        except (KeyError, TypeError, ArgumentError) as error:
            raise JobDamagedError(f"{place.layout.job}: its source can't be read ({error!r})") from None
        for line in kept_deliveries(self, pinned):
            place.log(line)
        return _found(read_pinned(place.storage, url, md5) for url, md5 in entries)


def kept_deliveries(source: Source, pinned: Mapping[str, Any]) -> list[str]:
    """Return what is to be said of the deliveries in which a job that *pinned* others does not follow *source*."""
    if not isinstance(source, Inventory):
        return []
    kept = [str(entry.get("manifest")) for entry in _entries(pinned)]
    asked = [str(S3Url.parse(url)).rstrip("/") for url in source.urls]
    return [
        f"this job stays with the delivery that it was started with, {', '.join(kept)}, though {url} is asked for; "
        "set resume=False to start a new job with that one"
        for url in asked
        if configuration_of(url) != url and url not in {*kept, *map(_folder, kept)}
    ]


def datasets_in(storage: Storage, pinned: Mapping[str, Any]) -> tuple[Dataset, ...]:
    """Return the deliveries that some job pinned, as its ``job.json`` says."""
    return tuple(read_pinned(storage, S3Url.parse(entry["manifest"]), entry["md5"]) for entry in _entries(pinned))


def pinned_dataset(dataset: Dataset) -> dict[str, Any]:
    """Return what pins *dataset*: its ``manifest.json`` and that file's MD5, which covers all data files."""
    return {
        "manifest": str(dataset.url),
        "md5": dataset.md5,
        "created": dataset.created.isoformat() if dataset.created else None,
        "source_bucket": dataset.source_bucket,
        "format": dataset.file_format,
        "columns": list(dataset.columns),
        "files": len(dataset.files),
        "bytes": dataset.bytes,
    }


def _found(datasets: Any) -> Found:
    found = tuple(datasets)
    pinned = [pinned_dataset(dataset) for dataset in found]
    return Found(found, pinned[0] if len(pinned) == 1 else {"datasets": pinned})


def _entries(pinned: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(pinned["datasets"]) if "datasets" in pinned else [pinned]


def _configurations(urls: Any) -> list[str]:
    return [configuration_of(url) for url in ([urls] if isinstance(urls, str) else urls or ())]


def _folder(url: str) -> str:
    return url.removesuffix("/manifest.json")
