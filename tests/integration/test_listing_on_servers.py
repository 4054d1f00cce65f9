"""A live listing has the rows that boto3's paginator sees, on real servers, whatever happens on the way."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from server_jobs import access_of, client_of, put_many, put_objects
from test_nasty_keys import KEYS_OF_ANY_STORE, KEYS_OF_S3_ALONE

from airflow_s3batch.core.errors import AccessError, InventoryError, ManifestError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.manifests.planning.publish import publish_manifest
from airflow_s3batch.manifests.planning.selection import Selection
from airflow_s3batch.manifests.sources.dataset import Dataset, Place
from airflow_s3batch.manifests.sources.delivery import find_delivery
from airflow_s3batch.manifests.sources.inventory import Inventory
from airflow_s3batch.manifests.sources.listing import run as listing_run
from airflow_s3batch.manifests.sources.listing.files import ListingFiles
from airflow_s3batch.manifests.sources.listing.ranges import Target
from airflow_s3batch.manifests.sources.listing.source import Listing
from airflow_s3batch.operations.requests import Call
from airflow_s3batch.testing import (
    CutAnswer,
    ErrorIn200,
    FaultProxy,
    ResetAfter,
    Server,
    SlowDown,
    every,
    is_api,
    is_try,
    write_inventory,
)

if TYPE_CHECKING:
    from server_users import BucketFactory

    from airflow_s3batch.core.manifest import Manifest

LISTING, PLANNING = "airflow_s3batch.manifests.sources", "airflow_s3batch.manifests.planning"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(params=["seaweedfs", "ministack"])
def server(request: pytest.FixtureRequest) -> Server:
    running: Server = request.getfixturevalue(request.param)
    return running


def place_for(server: Server, ops: str, folder: str, log: list[str] | None = None) -> Place:
    told = [] if log is None else log
    layout = JobLayout(S3Url(ops, folder))
    return Place(S3Storage(access_of(server)), layout, lambda: access_of(server), NOW, told.append)


def rows_in(server: Server, dataset: Dataset) -> list[dict[str, Any]]:
    found = []
    for file in dataset.files:
        body = client_of(server).get_object(Bucket=dataset.bucket, Key=file.key)["Body"].read()
        found += pq.read_table(io.BytesIO(body)).to_pylist()
    return sorted(found, key=lambda row: (row["key"], row.get("version_id") or ""))


def seen_by_boto3(server: Server, bucket: str, *, versions: bool = False, **more: Any) -> list[dict[str, Any]]:
    api, kinds = (
        ("list_object_versions", ("Versions", "DeleteMarkers")) if versions else ("list_objects_v2", ("Contents",))
    )
    rows = []
    for page in client_of(server).get_paginator(api).paginate(Bucket=bucket, **more):
        for kind in kinds:
            for entry in page.get(kind, ()):
                row = {
                    "bucket": bucket,
                    "key": entry["Key"],
                    "size": entry.get("Size"),
                    "last_modified_date": entry["LastModified"].replace(tzinfo=None),
                    "e_tag": entry["ETag"].strip('"') if "ETag" in entry else None,
                    "storage_class": entry.get("StorageClass"),
                }
                if versions:
                    row |= {"version_id": entry["VersionId"], "is_latest": entry["IsLatest"]}
                    row["is_delete_marker"] = kind == "DeleteMarkers"
                rows.append(row)
    return sorted(rows, key=lambda row: (row["key"], row.get("version_id") or ""))


def shown(rows: list[dict[str, Any]], like: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return *rows* with the columns that *like* has."""
    return [{name: row[name] for name in like[0]} for row in rows]


def test_every_key_is_listed_as_it_is(request: pytest.FixtureRequest, server: Server, bucket: BucketFactory) -> None:
    data, ops = bucket(server, "nasty"), bucket(server, "ops")
    is_ministack = request.node.callspec.params["server"] == "ministack"
    keys = KEYS_OF_ANY_STORE + (KEYS_OF_S3_ALONE if is_ministack else [])
    put_objects(server, data, keys)
    for versions in (False, True):
        found = Listing.of(f"s3://{data}", versions=versions).find(place_for(server, ops, f"job-{versions}"))
        rows = rows_in(server, found.datasets[0])
        assert sorted(row["key"] for row in rows) == sorted(keys)
    seen = seen_by_boto3(server, data)
    assert (
        shown(rows_in(server, Listing.of(f"s3://{data}").find(place_for(server, ops, "again")).datasets[0]), seen)
        == seen
    )


def test_versions_delete_markers_and_null_versions_are_listed(server: Server, bucket: BucketFactory) -> None:
    data, ops = bucket(server, "versions"), bucket(server, "ops")
    client = client_of(server)
    put_objects(server, data, ["a", "b", "c/ü"])
    client.put_bucket_versioning(Bucket=data, VersioningConfiguration={"Status": "Enabled"})
    put_objects(server, data, ["a", "a", "b", "d"])
    client.delete_object(Bucket=data, Key="b")
    client.delete_object(Bucket=data, Key="c/ü")
    client.put_bucket_versioning(Bucket=data, VersioningConfiguration={"Status": "Suspended"})
    put_objects(server, data, ["d"])
    seen = seen_by_boto3(server, data, versions=True)
    found = Listing.of(f"s3://{data}", versions=True).find(place_for(server, ops, "job")).datasets[0]
    assert shown(rows_in(server, found), seen) == seen
    assert {row["is_delete_marker"] for row in seen} == {True, False}
    current = Listing.of(f"s3://{data}").find(place_for(server, ops, "current")).datasets[0]
    assert [row["key"] for row in rows_in(server, current)] == ["a", "d"]
    assert current.sql_columns != found.sql_columns


KEYS = sorted(
    {f"logs/2026/{n % 12:02d}/{n:05d}.gz" for n in range(150)}
    | {f"flat-{n:04d}" for n in range(200)}
    | {f"hot/one/{n * 7919 % 10007:05x}" for n in range(150)}
)


def listed(
    server: Server, data: str, ops: str, folder: Path, *, api: str = "ListObjectsV2"
) -> tuple[list[str], Any, list[str]]:
    """List with small pages, so that there is something to share; return keys, costs and what was logged."""
    log: list[str] = []
    numbers = iter(range(9))

    def files() -> ListingFiles:
        place = folder / str(next(numbers))
        place.mkdir()
        storage, columns = S3Storage(access_of(server)), ("bucket", "key", "e_tag")
        return ListingFiles(storage, S3Url(ops, place.name), place, columns, group_rows=64, file_rows=128)

    target = Target(data, "", Call(api, {"EncodingType": "url", "MaxKeys": 20}), has_versions=api != "ListObjectsV2")
    done, cost = listing_run.list_into(
        files, access_of(server), Policy(max_concurrency=8, max_attempts=12), [target], log=log.append
    )
    with done:
        url = done.deliver(NOW, data)
    rows = rows_in(server, find_delivery(S3Storage(access_of(server)), url, now=NOW))
    return [row["key"] for row in rows], cost, log


@pytest.fixture(scope="module")
def filled() -> dict[str, tuple[str, str]]:
    return {}


def fill(server: Server, bucket: BucketFactory, filled: dict[str, tuple[str, str]]) -> tuple[str, str]:
    if server.endpoint_url not in filled:
        filled[server.endpoint_url] = bucket(server, "data"), bucket(server, "ops")
        put_many(server, filled[server.endpoint_url][0], KEYS)
    return filled[server.endpoint_url]


@pytest.fixture
def shared(server: Server, bucket: BucketFactory, filled: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """A bucket with `KEYS`, and one for what is written."""
    return fill(server, bucket, filled)


@pytest.fixture
def on_seaweedfs(seaweedfs: Server, bucket: BucketFactory, filled: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """Likewise, on SeaweedFS alone."""
    return fill(seaweedfs, bucket, filled)


@pytest.mark.parametrize("api", ["ListObjectsV2", "ListObjectVersions"])
def test_many_requests_at_a_time_find_each_key_once(
    server: Server, seaweedfs: Server, shared: tuple[str, str], tmp_path: Path, api: str
) -> None:
    keys, cost, log = listed(server, *shared, tmp_path, api=api)
    assert keys == KEYS
    # SeaweedFS lists by folders; whether that shows depends on where the requests happen to split the keys.
    assert not log or (len(log) == 1 and "folder by folder" in log[0] and server.endpoint_url == seaweedfs.endpoint_url)
    assert cost.probes > 0
    assert cost.requests < 4 * len(KEYS) / 20 * (1 + len(log))


def test_a_store_in_folder_order_is_listed_in_parallel_all_the_same(
    seaweedfs: Server, bucket: BucketFactory, tmp_path: Path
) -> None:
    """SeaweedFS lists ``a/…`` before ``a-…``, which S3 does not."""
    data, ops = bucket(seaweedfs, "folders"), bucket(seaweedfs, "ops")
    keys = [f"{folder}/{n:03d}" for folder in ("a", "a-b", "a-b/c", "ab") for n in range(60)]
    put_many(seaweedfs, data, keys)
    found, cost, log = listed(seaweedfs, data, ops, tmp_path)
    assert found == sorted(keys)
    assert len(log) == 1
    assert "does not list in UTF-8 binary order" in log[0]
    assert cost.order == "folder by folder"
    assert cost.probes > 0
    left = {entry["Key"] for entry in client_of(seaweedfs).list_objects_v2(Bucket=ops)["Contents"]}
    assert not any(key.startswith("0/") for key in left)  # what was listed in vain


def test_a_store_that_errs_and_throttles_is_listed_all_the_same(
    seaweedfs: Server, proxy: FaultProxy, on_seaweedfs: tuple[str, str], tmp_path: Path
) -> None:
    is_listing = is_api("ListObjectsV2")
    first = every(is_listing, is_try(1))
    slow = proxy.inject(SlowDown(), when=first, share=0.1, seed=1)
    proxy.inject(ResetAfter(), when=first, share=0.1, seed=2)
    proxy.inject(CutAnswer(), when=first, share=0.1, seed=3)
    proxy.inject(ErrorIn200(), when=first, share=0.1, seed=4)
    keys, _, _ = listed(proxy.server, *on_seaweedfs, tmp_path)
    assert keys == KEYS
    assert slow.happened
    assert sum(proxy.injected.values()) > 4


def published(server: Server, ops: str, job: str, source: Any, where: str, log: list[str] | None = None) -> Manifest:
    return publish_manifest(
        S3Storage(access_of(server)),
        S3Url(ops, "jobs"),
        job,
        Selection(source, where, {"folder": "split_part(key, '/', 1)"}),
        access=lambda: access_of(server),
        now=NOW,
        log=(log if log is not None else []).append,
    )


def manifest_rows(server: Server, manifest: Manifest) -> list[dict[str, Any]]:
    found = []
    for shard in manifest.shards:
        body = client_of(server).get_object(Bucket=manifest.job_url.bucket, Key=shard.key)["Body"].read()
        found += pq.read_table(io.BytesIO(body)).to_pylist()
    return sorted(found, key=lambda row: row["key"])


def test_a_filter_selects_the_same_from_a_listing_and_from_an_inventory(
    server: Server, shared: tuple[str, str]
) -> None:
    data, ops = shared
    inventory = write_inventory(
        client_of(server), f"s3://{ops}/inventories", data, seen_by_boto3(server, data), created=NOW, file_format="CSV"
    )
    where = "is_latest AND size > 9 AND (key LIKE 'logs/%/0_/%' OR storage_class IS NULL) AND e_tag <> ''"
    ours = manifest_rows(server, published(server, ops, "listed", Listing.of(f"s3://{data}"), where))
    theirs = manifest_rows(server, published(server, ops, "delivered", Inventory.of(inventory), where))
    assert ours == theirs
    assert 0 < len(ours) < len(KEYS)


def test_several_buckets_and_prefixes_are_one_set_of_rows(
    seaweedfs: Server, on_seaweedfs: tuple[str, str], bucket: BucketFactory
) -> None:
    data, ops = on_seaweedfs
    other = bucket(seaweedfs, "other")
    put_objects(seaweedfs, other, ["x", "y"])
    source = Listing.of(f"s3://{data}/flat-000", f"s3://{data}/logs/2026/00/", f"s3://{other}")
    rows = manifest_rows(seaweedfs, published(seaweedfs, ops, "several", source, "TRUE"))
    wanted = [(data, key) for key in KEYS if key.startswith(("flat-000", "logs/2026/00/"))]
    assert [(row["bucket"], row["key"]) for row in rows] == [*wanted, (other, "x"), (other, "y")]


def test_a_later_attempt_filters_the_same_listing(
    seaweedfs: Server, bucket: BucketFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it lists, an attempt leaves files that nobody names; killed later, its listing is gone on with."""
    data, ops = bucket(seaweedfs, "kept"), bucket(seaweedfs, "ops")
    put_objects(seaweedfs, data, ["a", "b"])
    source = Listing.of(f"s3://{data}")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    for deadly in (f"{LISTING}.listing.files.ListingFiles._manifest", f"{PLANNING}.publish.write_shards"):
        with monkeypatch.context() as dying:
            dying.setattr(deadly, die)
            with pytest.raises(KeyboardInterrupt):
                published(seaweedfs, ops, "job", source, "TRUE")
    put_objects(seaweedfs, data, ["c"])
    log: list[str] = []
    assert [row["key"] for row in manifest_rows(seaweedfs, published(seaweedfs, ops, "job", source, "TRUE", log))] == [
        "a",
        "b",
    ]
    assert not any(line.startswith("listing ") for line in log)


def test_a_listing_that_was_altered_is_refused(seaweedfs: Server, bucket: BucketFactory) -> None:
    data, ops = bucket(seaweedfs, "altered"), bucket(seaweedfs, "ops")
    put_objects(seaweedfs, data, ["a"])
    place, source = place_for(seaweedfs, ops, "job"), Listing.of(f"s3://{data}")
    found = source.find(place)
    assert source.again(place, found.pinned) == found
    client_of(seaweedfs).put_object(Bucket=ops, Key=found.datasets[0].url.key, Body=b"{}")
    with pytest.raises(InventoryError, match="has been altered since"):
        source.again(place, found.pinned)


def test_wrong_sql_fails_before_anything_is_listed(seaweedfs: Server, on_seaweedfs: tuple[str, str]) -> None:
    data, ops = on_seaweedfs
    log: list[str] = []
    with pytest.raises(
        ManifestError, match=r"no column 'encryption_status': an inventory has it.*a listing never does"
    ):
        published(seaweedfs, ops, "wrong", Listing.of(f"s3://{data}"), "encryption_status = 'NOT-SSE'", log)
    assert log == []


def test_a_bucket_that_is_not_there_or_not_ours_is_told(seaweedfs: Server, bucket: BucketFactory) -> None:
    ops = bucket(seaweedfs, "ops")
    with pytest.raises(AccessError, match="can't list s3://not-there: there is no such bucket"):
        published(seaweedfs, ops, "job", Listing.of("s3://not-there"), "TRUE")
