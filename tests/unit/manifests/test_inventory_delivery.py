"""Which delivery is found, and what is said where there is none."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest
from deliveries import NOW, PREFIX, deliver, objects, rewrite

from airflow_s3batch.core.errors import InventoryError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.sources.dataset import Dataset
from airflow_s3batch.manifests.sources.delivery import configuration_of, find_delivery, newest_delivery

if TYPE_CHECKING:
    from airflow_s3batch.testing.storage import MemoryStorage


def find(storage: MemoryStorage, inventory: str = PREFIX, **more: dt.datetime | dt.timedelta) -> Dataset:
    return find_delivery(storage, S3Url.parse(inventory), now=NOW, **more)  # type: ignore[arg-type]


def checksum_of(manifest: S3Url) -> S3Url:
    return S3Url(manifest.bucket, manifest.key.replace("manifest.json", "manifest.checksum"))


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_prefix_stands_for_its_newest_delivery(storage: MemoryStorage, slash: str) -> None:
    deliver(storage, objects(3), days_ago=8)
    newest = deliver(storage, objects(4), days_ago=1)
    found = find(storage, PREFIX + slash)
    assert found.url == newest
    assert found.created == NOW - dt.timedelta(days=1)
    assert (found.source_bucket, found.bucket, found.file_format) == ("lake", "inventories", "CSV")
    assert found.columns == ("bucket", "key", "size", "e_tag", "storage_class", "encryption_status")
    assert not found.is_versioned
    assert [storage.read(S3Url(found.bucket, file.key)) is not None for file in found.files] == [True, True]


def test_a_manifest_or_its_folder_can_be_named_directly(storage: MemoryStorage) -> None:
    older = deliver(storage, objects(3), days_ago=8)
    deliver(storage, objects(3), days_ago=1)
    assert find(storage, str(older)).url == older
    assert find(storage, str(older).removesuffix("manifest.json")).url == older


def test_an_incomplete_newest_delivery_is_passed_over(storage: MemoryStorage) -> None:
    older = deliver(storage, objects(3), days_ago=8)
    storage.delete(checksum_of(deliver(storage, objects(3), days_ago=1)))
    assert find(storage).url == older


def test_a_damaged_newest_delivery_is_an_error_though_an_older_one_is_sound(storage: MemoryStorage) -> None:
    """Objects are not worked on after an older list without anybody knowing."""
    older = deliver(storage, objects(3), days_ago=8)
    damaged = deliver(storage, objects(3), days_ago=1)
    storage.write(checksum_of(damaged), b"0" * 32)
    for look in (find_delivery, newest_delivery):
        with pytest.raises(
            InventoryError, match=rf"^{damaged}: its MD5 is .* the delivery is damaged\. Name another one"
        ):
            look(storage, S3Url.parse(PREFIX), now=NOW)
    assert find(storage, str(older)).url == older
    assert find(storage, as_of=NOW - dt.timedelta(days=2)).url == older


@pytest.mark.parametrize(
    "within", ["", "/", "/2026-11-21T12-00Z", "/2026-11-21T12-00Z/", "/2026-11-21T12-00Z/manifest.json"]
)
def test_a_delivery_belongs_to_its_configuration(within: str) -> None:
    assert configuration_of(PREFIX + within) == PREFIX


def test_a_manifest_that_lies_elsewhere_belongs_to_no_configuration() -> None:
    assert configuration_of("s3://i/copies/manifest.json") == "s3://i/copies/manifest.json"


def test_an_inventory_with_any_column_of_versions_lists_versions(storage: MemoryStorage) -> None:
    for name in ("version_id", "is_latest", "is_delete_marker"):
        assert find(storage, str(deliver(storage, objects(1), schema=("bucket", "key", name)))).is_versioned


def test_a_direct_manifest_without_checksum_is_not_complete(storage: MemoryStorage) -> None:
    url = deliver(storage, objects(3))
    storage.delete(checksum_of(url))
    with pytest.raises(InventoryError, match=r"manifest\.checksum: .* not complete"):
        find(storage, str(url))
    assert newest_delivery(storage, url, now=NOW) is None


def test_a_direct_manifest_with_a_wrong_checksum_is_damaged(storage: MemoryStorage) -> None:
    url = deliver(storage, objects(3))
    storage.write(checksum_of(url), b"0" * 32)
    for look in (find_delivery, newest_delivery):
        with pytest.raises(InventoryError, match=r"MD5 is [0-9a-f]{32}, but manifest\.checksum says '0{32}'"):
            look(storage, url, now=NOW)


def test_as_of_takes_the_newest_that_is_not_newer(storage: MemoryStorage) -> None:
    older = deliver(storage, objects(3), days_ago=8)
    deliver(storage, objects(3), days_ago=1)
    assert find(storage, as_of=NOW - dt.timedelta(days=8)).url == older
    with pytest.raises(
        InventoryError, match=r"the oldest of 2 deliveries is 2026-11-14T12-00Z, after as_of=2026-11-13"
    ):
        find(storage, as_of=NOW - dt.timedelta(days=9))


def test_max_age_refuses_what_is_older(storage: MemoryStorage) -> None:
    url = deliver(storage, objects(3), days_ago=8)
    assert find(storage, max_age=dt.timedelta(days=8)).url == url
    with pytest.raises(InventoryError, match=r"of 2026-11-14 12:00 UTC, older than max_age=7 days"):
        find(storage, max_age=dt.timedelta(days=7))
    assert newest_delivery(storage, S3Url.parse(PREFIX), max_age=dt.timedelta(days=7), now=NOW) is None


@pytest.mark.parametrize("above", ["s3://inventories/all/lake", "s3://inventories/all/", "s3://inventories"])
def test_a_prefix_above_the_configuration_is_told_where_the_deliveries_are(storage: MemoryStorage, above: str) -> None:
    deliver(storage, objects(3))
    with pytest.raises(InventoryError, match=f"inventory='{PREFIX}'"):
        find(storage, above)


def test_a_prefix_without_anything_says_so(storage: MemoryStorage) -> None:
    with pytest.raises(InventoryError, match=r"no inventory delivery .* was found; nothing is there"):
        find(storage)
    storage.write(S3Url.parse(PREFIX) / "hive/dt=1/symlink.txt", b"")
    with pytest.raises(InventoryError, match="it has the folders hive"):
        find(storage)
    assert newest_delivery(storage, S3Url.parse(PREFIX), now=NOW) is None


def test_a_missing_manifest_is_one_sentence(storage: MemoryStorage) -> None:
    with pytest.raises(InventoryError, match=r"s3://inventories/x/manifest\.json: there is no such object"):
        find(storage, "s3://inventories/x/manifest.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fileFormat": "Avro"}, "fileFormat is 'Avro'; this version reads CSV, ORC, Parquet"),
        ({"fileSchema": "Bucket, Size"}, "fileSchema has no 'Key'; it has 'Bucket, Size'"),
        ({"files": [{"MD5checksum": "0"}]}, r"not the manifest\.json of an S3 Inventory"),
        ({"files": [{"key": "x", "size": 1}]}, r"^s3://.*manifest\.json: data file 'x' has no MD5checksum, so nobody"),
        ({"creationTimestamp": "soon"}, r"not the manifest\.json of an S3 Inventory"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(storage: MemoryStorage, change: dict[str, object], message: str) -> None:
    url = deliver(storage, objects(3))
    rewrite(storage, url, json.loads(storage.files[url]) | change)
    with pytest.raises(InventoryError, match=message):
        find(storage)
