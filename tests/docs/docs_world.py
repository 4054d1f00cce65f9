"""The S3 that the blocks of a page work on: what `python -m airflow_s3batch.testing` has, and one finished job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch import S3Object
from airflow_s3batch.engine import run_batch
from airflow_s3batch.operations import DeleteObjectTagging
from airflow_s3batch.reports import read_report
from airflow_s3batch.testing import S3BatchEmulator, Server, write_inventory
from airflow_s3batch.testing.playground import furnish, lake

if TYPE_CHECKING:
    import pandas as pd
    from dag_runs import Run

LAKE, INVENTORIES, OPS, ARCHIVE = "prod-lake", "inventories", "ops", "analytics-archive"
JOB_URL = f"s3://{OPS}/s3batch"
WRITERS = 12

Rows = list[dict[str, Any]]
Stored = Mapping[tuple[str, str], bytes]


class Version(NamedTuple):
    """One version of an object, or a delete marker; a write to an unversioned object shows by its time."""

    key: str
    version_id: str
    e_tag: str
    written: str


@dataclass
class World:
    """
    What hidden Python of a page sees as ``world``.

    Attributes:
        emulator: of AWS S3 Batch Operations, on the same server.
        run: the Dag run that ended last.
        is_fresh: whether nothing was done to it since it was made.
        finished_job: the files of the job that is always there.
    """

    server: Server
    emulator: S3BatchEmulator
    run: Run | None = None
    is_fresh: bool = False
    finished_job: Stored = field(default_factory=dict)
    made: Made | None = None

    def __post_init__(self) -> None:
        self.client = self.server.client(max_pool_connections=WRITERS)

    def environment(self) -> dict[str, str]:
        """Return the environment variables by which boto3, `s3batch` and Airflow reach it."""
        return {
            "AWS_ENDPOINT_URL_S3": self.server.endpoint_url,
            "AWS_ENDPOINT_URL_S3_CONTROL": self.emulator.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.server.access_key,
            "AWS_SECRET_ACCESS_KEY": self.server.secret_key,
            "AWS_DEFAULT_REGION": self.server.region,
            "AWS_REGION": self.server.region,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AIRFLOW_CONN_AWS_DEFAULT": self.emulator.airflow_connection_uri(),
        }

    def put(self, bucket: str, keys: Iterable[str], **arguments: Any) -> None:
        """Store an object under each of *keys*; the bucket is made if need be."""
        if bucket not in self._buckets():
            self.client.create_bucket(Bucket=bucket)

        def put_one(key: str) -> None:
            self.client.put_object(Bucket=bucket, Key=key, Body=f"body of {key}".encode(), **arguments)

        _each(put_one, keys)

    def deliver(self, bucket: str, configuration: str = "daily", age: timedelta = timedelta(hours=3)) -> str:
        """Write an inventory of what is in *bucket* now; return the URL of its ``manifest.json``."""
        versioning = self.client.get_bucket_versioning(Bucket=bucket).get("Status")
        rows = self._version_rows(bucket) if versioning == "Enabled" else self._object_rows(bucket)
        created = datetime.now(UTC) - age
        place = f"s3://{INVENTORIES}"
        return write_inventory(self.client, place, bucket, rows, created=created, config_id=configuration)

    def tags(self, bucket: str, key: str) -> dict[str, str]:
        """Return the object's tags."""
        found = self.client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def keys(self, bucket: str) -> set[str]:
        """Return all keys of *bucket*."""
        return {entry["Key"] for entry in self._objects(bucket)}

    @property
    def job(self) -> str:
        """URL of the newest job."""
        found = [entry for entry in self._objects(OPS) if entry["Key"].endswith("/job.json")]
        assert found, f"there is no job below {JOB_URL}"
        newest = max(found, key=lambda entry: (entry["LastModified"], entry["Key"]))
        return f"s3://{OPS}/{newest['Key'].removesuffix('/job.json')}"

    def report(self) -> pd.DataFrame:
        """Return the completion report of the newest job."""
        return read_report(self.job, session=self.server.session(), endpoint_url=self.server.endpoint_url)

    def make(self) -> None:
        """Make everything anew, unless it is."""
        if self.is_fresh:
            return
        if self.made is None or not restored(self, self.made):
            for bucket in self._buckets():
                self._remove(bucket)
            furnish(self.server)
            self.store(self.finished_job)
            self.made = Made.of(self)
        self.is_fresh, self.run = True, None

    def keep_job(self) -> None:
        """Have the job that was run be there always, and nothing else that it did."""
        self.finished_job = self.stored(OPS)
        assert self.made is not None
        assert restored(self, self.made)
        self.store(self.finished_job)
        self.made = Made.of(self)
        self.is_fresh = True

    def stored(self, bucket: str) -> dict[tuple[str, str], bytes]:
        """Return everything in *bucket*, by bucket and key."""
        keys = sorted(self.keys(bucket))
        bodies = _each(lambda key: self.client.get_object(Bucket=bucket, Key=key)["Body"].read(), keys)
        return {(bucket, key): body for key, body in zip(keys, bodies, strict=True)}

    def store(self, files: Stored) -> None:
        """Store what `stored` returned; reports last: one older than results is taken for outdated."""

        def put_one(place: tuple[str, str]) -> None:
            self.client.put_object(Bucket=place[0], Key=place[1], Body=files[place])

        reports = {place for place in files if "/report/" in place[1]}
        _each(put_one, files.keys() - reports)
        _each(put_one, reports)

    def _object_rows(self, bucket: str) -> Rows:
        return [
            {
                "key": entry["Key"],
                "size": entry["Size"],
                "last_modified_date": entry["LastModified"],
                "e_tag": entry["ETag"].strip('"'),
                "storage_class": entry.get("StorageClass", "STANDARD"),
                "encryption_status": self._encryption(bucket, entry["Key"]),
            }
            for entry in self._objects(bucket)
        ]

    def _encryption(self, bucket: str, key: str) -> str:
        kind = self.client.head_object(Bucket=bucket, Key=key).get("ServerSideEncryption")
        return {None: "NOT-SSE", "AES256": "SSE-S3", "aws:kms": "SSE-KMS"}[kind]

    def _version_rows(self, bucket: str) -> Rows:
        return [
            {
                "key": entry["Key"],
                "version_id": entry["VersionId"],
                "is_latest": entry["IsLatest"],
                "is_delete_marker": "ETag" not in entry,
                "size": entry.get("Size"),
                "last_modified_date": entry["LastModified"],
                "e_tag": entry["ETag"].strip('"') if "ETag" in entry else None,
                "storage_class": entry.get("StorageClass", "STANDARD") if "ETag" in entry else None,
                "encryption_status": "NOT-SSE" if "ETag" in entry else None,
            }
            for entry in self._versions(bucket)
        ]

    def versions(self, bucket: str) -> set[Version]:
        """Return all that is in *bucket*."""
        return {
            Version(entry["Key"], entry["VersionId"], entry.get("ETag", ""), str(entry["LastModified"]))
            for entry in self._versions(bucket)
        }

    def _versions(self, bucket: str) -> Iterator[dict[str, Any]]:
        for page in self.client.get_paginator("list_object_versions").paginate(Bucket=bucket):
            yield from page.get("Versions", ())
            yield from page.get("DeleteMarkers", ())

    def _objects(self, bucket: str) -> Iterator[dict[str, Any]]:
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            yield from page.get("Contents", ())

    def _buckets(self) -> set[str]:
        return {each["Name"] for each in self.client.list_buckets()["Buckets"]}

    def _remove(self, bucket: str) -> None:
        found = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in self._versions(bucket)]
        held = self._delete(bucket, found)
        for each in held:
            self.client.put_object_legal_hold(Bucket=bucket, **each, LegalHold={"Status": "OFF"})
        assert self._delete(bucket, held) == []
        self.client.delete_bucket(Bucket=bucket)

    def _delete(self, bucket: str, found: list[dict[str, str]]) -> list[dict[str, str]]:
        """Delete what was *found*; return what the store keeps, as it does where a page has left a legal hold."""
        kept = []
        for start in range(0, len(found), 1_000):
            few = {"Objects": found[start : start + 1_000], "Quiet": True}
            told = self.client.delete_objects(Bucket=bucket, Delete=few, BypassGovernanceRetention=True)
            kept += [{"Key": error["Key"], "VersionId": error["VersionId"]} for error in told.get("Errors", ())]
        return kept


@dataclass(frozen=True)
class Made:
    """
    How the world was when it was made.

    Attributes:
        versions: every version and delete marker, by bucket.
        files: what was in the buckets of inventories and jobs.
    """

    versions: Mapping[str, set[Version]]
    files: Stored

    @classmethod
    def of(cls, world: World) -> Made:
        """Return how *world* is now."""
        versions = {bucket: world.versions(bucket) for bucket in world._buckets()}
        return cls(versions, {**world.stored(INVENTORIES), **world.stored(OPS)})


def restored(world: World, made: Made) -> bool:
    """
    Make *world* what it was, which takes a tenth of the time of making it; return whether that could be done.

    Versions can't be made anew under their ids. What was written since shows by its time; tags are removed, for they
    show nowhere. Of ACLs nothing is known: a page that changes them had better make objects of its own.
    """
    for bucket in world._buckets() - made.versions.keys():
        world._remove(bucket)
    if world._buckets() != made.versions.keys():
        return False
    plain = {LAKE, INVENTORIES, OPS, ARCHIVE}
    changed = {bucket: world.versions(bucket) ^ before for bucket, before in made.versions.items()}
    if any(changed[bucket] for bucket in made.versions.keys() - plain):
        return False
    keys = {bucket: {version.key for version in changed[bucket]} for bucket in plain}
    for bucket, gone in keys.items():
        world._delete(bucket, [{"Key": key} for key in gone])
    objects = {stored.key: stored for stored in lake() if not stored.is_gone}
    _each(
        lambda key: world.client.put_object(Bucket=LAKE, Key=key, Body=objects[key].body, **objects[key].arguments),
        keys[LAKE] & objects.keys(),
    )
    world.store({place: body for place, body in made.files.items() if place[1] in keys[place[0]]})
    tagged = (S3Object(LAKE, key) for key in objects.keys() - keys[LAKE])
    run_batch(tagged, DeleteObjectTagging(), session=world.server.session(), endpoint_url=world.server.endpoint_url)
    now = {bucket: world.versions(bucket) for bucket in plain}
    world.made = Made({**made.versions, **now}, made.files)
    return True


def _each(work: Callable[[Any], Any], things: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(work, things))
