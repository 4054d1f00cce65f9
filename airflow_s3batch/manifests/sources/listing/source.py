"""Live listings: what is in some buckets right now, with the columns of an inventory."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_s3batch.core.errors import ArgumentError, InventoryError, JobDamagedError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.columns import SUPPLIED, TYPES, InventoryColumn
from airflow_s3batch.manifests.sources.dataset import Found, Place, several
from airflow_s3batch.manifests.sources.delivery import read_pinned
from airflow_s3batch.manifests.sources.inventory import pinned_dataset

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_s3batch.manifests.sources.listing.files import ListingFiles
    from airflow_s3batch.manifests.sources.listing.ranges import Target

MAX_CONCURRENCY = 32

_OF_VERSIONS = ("version_id", "is_latest", "is_delete_marker")
_OF_OBJECTS = (
    "size",
    "last_modified_date",
    "e_tag",
    "storage_class",
    "is_multipart_uploaded",
    "checksum_algorithm",
)


@dataclass(frozen=True, slots=True)
class Listing:
    """
    A listing of buckets, made when the job starts and kept in its folder in the form of an inventory.

    It has the columns ``bucket``, ``key``, ``size``, ``last_modified_date``, ``e_tag``, ``storage_class``,
    ``is_multipart_uploaded`` (told by the ETag's form) and ``checksum_algorithm``; with *versions* also
    ``version_id``, ``is_latest`` and ``is_delete_marker``; with *owners* ``object_owner``. What else an inventory can
    have, such as ``encryption_status``, no listing tells.

    Args:
        urls: ``s3://bucket`` or ``s3://bucket/prefix`` each; a prefix is the beginning of keys, as it stands.
        versions: list all versions and delete markers rather than current objects.
        owners: ask for the owners, too.
        max_concurrency: requests in flight.
        max_requests_per_s: no more requests a second than this.
    """

    urls: str | tuple[str, ...]
    versions: bool = False
    owners: bool = False
    max_concurrency: int = MAX_CONCURRENCY
    max_requests_per_s: float | None = None

    kind: ClassVar[str] = "listing"
    may_repeat: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Take one URL for a list of one."""
        object.__setattr__(self, "urls", several(self.urls))

    @classmethod
    def of(cls, *urls: str, **settings: Any) -> Listing:
        """Return the listing of *urls*, with *settings* as the fields."""
        return cls(urls, **settings)

    def problems(self) -> list[str]:  # noqa: D102 - the protocol's docstrings hold
        found = [] if self.urls else ["prefix names no bucket; expected s3://bucket/prefix"]
        places = []
        for url in self.urls:
            try:
                places.append(S3Url.parse(url, what="prefix"))
            except ArgumentError as error:
                found.append(str(error))
        found += _overlaps(places)
        if self.max_concurrency < 1:
            found.append(f"max_concurrency={self.max_concurrency} must be at least 1")
        if self.max_requests_per_s is not None and not self.max_requests_per_s > 0:
            found.append(f"max_requests_per_s={self.max_requests_per_s} must be above 0")
        return found

    def name(self) -> str:  # noqa: D102
        return ", ".join(self.urls)

    def essence(self) -> dict[str, Any]:  # noqa: D102
        asked = {"versions": self.versions, "owners": self.owners}
        return {
            "listing": self.urls[0] if len(self.urls) == 1 else list(self.urls),
            **{name: value for name, value in asked.items() if value},
        }

    def is_same(self, then: Mapping[str, Any], name: str) -> bool:  # noqa: D102
        return bool(then.get(name) == self.essence().get(name))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that are written, in an inventory's order."""
        wanted = {"bucket", "key", *_OF_OBJECTS, *(_OF_VERSIONS if self.versions else ())}
        wanted |= {"object_owner"} if self.owners else set()
        return tuple(name for name in TYPES if name in wanted)

    def known_columns(self) -> tuple[InventoryColumn, ...]:  # noqa: D102
        names = self.columns + (() if self.versions else tuple(SUPPLIED))
        return tuple(InventoryColumn(name, TYPES[name]) for name in names)

    def find(self, place: Place) -> Found:
        """List, and write what was listed below the job's folder."""
        from airflow_s3batch.engine.files.staging import staging_folder

        if place.access is None:
            raise ArgumentError("a listing sends requests of its own, and there is no access= to the store")
        with staging_folder(place.staging_dir) as folder:
            url = self._write(place, folder)
        body = place.storage.read(url)
        if body is None:
            raise InventoryError(f"{url}: written, but it can't be read back; is the bucket's lifecycle deleting it?")
        return self._found(place, {"manifest": str(url), "md5": _md5(body)})

    def again(self, place: Place, pinned: Mapping[str, Any]) -> Found:  # noqa: D102
        return self._found(place, pinned)

    def _found(self, place: Place, pinned: Mapping[str, Any]) -> Found:
        try:
            url, md5 = S3Url.parse(pinned["manifest"]), str(pinned["md5"])
        except (KeyError, TypeError, ArgumentError) as error:
            raise JobDamagedError(f"{place.layout.job}: its source can't be read ({error!r})") from None
        dataset = read_pinned(place.storage, url, md5)
        return Found((dataset,), pinned_dataset(dataset))

    def _write(self, place: Place, folder: Path) -> S3Url:
        """List into files, and return the URL of the ``manifest.json`` that names them."""
        from airflow_s3batch.engine.policy import Policy
        from airflow_s3batch.manifests.sources.listing.files import ListingFiles
        from airflow_s3batch.manifests.sources.listing.run import list_into

        assert place.access is not None  # noqa: S101 - looked at by `find`
        policy = Policy(max_concurrency=self.max_concurrency, max_requests_per_s=self.max_requests_per_s)
        targets = [self._target(S3Url.parse(url)) for url in self.urls]

        def new_files() -> ListingFiles:
            attempt = secrets.token_hex(6)
            (folder / attempt).mkdir()
            return ListingFiles(place.storage, place.layout.source / attempt, folder / attempt, self.columns)

        place.log(f"listing {self.name()}")
        files, listed = list_into(new_files, place.access(), policy, targets, log=place.log)
        with files:
            buckets = {target.bucket for target in targets}
            url = files.deliver(place.now, buckets.pop() if len(buckets) == 1 else "")
        rate = files.rows / max(listed.seconds, 0.001)
        requests = f"{listed.requests:,} requests, {listed.probes:,} of them only to find where to share the work"
        place.log(f"listed {files.rows:,} entries in {listed.seconds:,.1f} s ({rate:,.0f}/s; {requests})")
        return url

    def _target(self, url: S3Url) -> Target:
        from airflow_s3batch.manifests.sources.listing.ranges import Target
        from airflow_s3batch.operations.requests import Call

        params: dict[str, Any] = {"EncodingType": "url", **({"Prefix": url.key} if url.key else {})}
        if self.versions:
            return Target(url.bucket, url.key, Call("ListObjectVersions", params), has_versions=True)
        if self.owners:
            params["FetchOwner"] = True
        return Target(url.bucket, url.key, Call("ListObjectsV2", params), has_versions=False)


def _overlaps(places: list[S3Url]) -> list[str]:
    """Return what is wrong with places of which one lies in another: its objects would be listed twice."""
    return [
        f"prefix names {inner}, which {outer} has in it, so its objects would come twice; name only one of them"
        for number, inner in enumerate(places)
        for other, outer in enumerate(places)
        if number != other
        and inner.bucket == outer.bucket
        and inner.key.startswith(outer.key)
        and (inner.key != outer.key or number > other)
    ]


def _md5(body: bytes) -> str:
    import hashlib

    return hashlib.md5(body, usedforsecurity=False).hexdigest()
