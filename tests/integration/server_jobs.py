"""Jobs on real servers: their objects, manifests, attempts and reports, in few words."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote_plus

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config

from airflow_s3batch.core.commits import Commit
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import FIXED_COLUMNS, Manifest, ShardFile, ShardRef
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome, Summary
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import Policy, S3Access, run_batch, run_shard
from airflow_s3batch.engine.files.storage import S3Storage, Storage
from airflow_s3batch.operations import Call, Operation, Replay, Request, RunContext
from airflow_s3batch.operations.requests import Steps
from airflow_s3batch.reports import JobSummary, build_report
from airflow_s3batch.testing import Server

TASK = "group.run"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TYPES = {"size": pa.int64(), "is_latest": pa.bool_()}


@functools.cache
def _access(endpoint_url: str, access_key: str, secret_key: str, region: str) -> S3Access:
    session = boto3.session.Session(access_key, secret_key, region_name=region)
    endpoints = (("lambda", endpoint_url),)  # of use where the server has it
    return S3Access(session, endpoint_url, region, config=Config(max_pool_connections=16), endpoints=endpoints)


@functools.cache
def _client(access: S3Access) -> Any:
    return access.client()


def access_of(server: Server) -> S3Access:
    """Return how to reach *server*, the same each time: a botocore session takes long to make."""
    return _access(server.endpoint_url, server.access_key, server.secret_key, server.region)


def client_of(server: Server) -> Any:
    """Return a boto3 client for *server*, the same each time."""
    return _client(access_of(server))


def allow_acls(client: Any, bucket: str) -> None:
    """
    Let objects of a new *bucket* have ACLs.

    SeaweedFS leaves out the ownership that a bucket is made with. Set afterwards, it answers one time in some hundreds
    that there is no such bucket (26 of 10,800, by six clients at once), for less than 0.2 s.
    """
    rules = [{"ObjectOwnership": "ObjectWriter"}]
    give_up = time.monotonic() + 30
    while True:
        try:
            client.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": rules})
        except client.exceptions.NoSuchBucket:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.05)
        else:
            return


def put_objects(server: Server, bucket: str, keys: Iterable[str], **arguments: Any) -> list[S3Object]:
    """Store an object under each of *keys*, its body the key, and return them as a manifest would name them."""
    client = client_of(server)

    def put(key: str) -> S3Object:
        body = key.encode()
        reply = client.put_object(Bucket=bucket, Key=key, Body=body, **arguments)
        return S3Object(bucket, key, size=len(body), e_tag=reply["ETag"].strip('"'))

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(put, keys))


@dataclass(frozen=True)
class PutKeyAsBody(Operation):
    """Store an object whose body is its key: boto3 takes too long for thousands. The message is the ETag."""

    name = "put_key_as_body"
    replay = Replay.SAFE
    call: ClassVar[Call] = Call("PutObject", wants_headers=True)

    def problems(self) -> list[str]:
        return []

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:
        response = yield Request(self.call, obj.bucket, obj.key, body=obj.key.encode())
        return response.outcome()._replace(message=response.headers.get("etag", "").strip('"'))

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[dict[str, str]]:
        yield from ()
        return {}

    def iam_actions(self) -> set[str]:
        return {"s3:PutObject"}


def put_many(server: Server, bucket: str, keys: Sequence[str]) -> list[S3Object]:
    """Do as `put_objects` does, for thousands of objects."""
    stored = outcomes_of(server, [S3Object(bucket, key) for key in keys], PutKeyAsBody(), max_concurrency=16)
    return [S3Object(bucket, key, size=len(key.encode()), e_tag=stored[key, None].message) for key in keys]


def tags(server: Server, obj: S3Object) -> dict[str, str]:
    """Return the tags that the server shows for *obj*."""
    version = {"VersionId": obj.version_id} if obj.version_id else {}
    shown = client_of(server).get_object_tagging(Bucket=obj.bucket, Key=obj.key, **version)["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in shown}


def set_tags(server: Server, objects: Iterable[S3Object], value: str) -> None:
    """Tag each of *objects* with ``by=value``, to see later whether it was touched again."""
    client = client_of(server)
    for obj in objects:
        client.put_object_tagging(Bucket=obj.bucket, Key=obj.key, Tagging={"TagSet": [{"Key": "by", "Value": value}]})


def outcomes_of(
    server: Server, objects: Iterable[S3Object], operation: Operation, **arguments: Any
) -> dict[tuple[str, str | None], Outcome]:
    """Run *operation* through `run_batch` and return the outcome by key and version id."""
    found: dict[tuple[str, str | None], Outcome] = {}

    def keep(obj: S3Object, outcome: Outcome) -> None:
        assert (obj.key, obj.version_id) not in found
        found[obj.key, obj.version_id] = outcome

    run_batch(
        objects,
        operation,
        session=access_of(server).session,
        endpoint_url=server.endpoint_url,
        endpoints={"lambda": server.endpoint_url},
        on_outcome=keep,
        **arguments,
    )
    return found


def failures_of(server: Server, objects: Iterable[S3Object], operation: Operation, **arguments: Any) -> dict[str, str]:
    """Run *operation* through `run_batch` and return the error codes by key; empty if all succeeded."""
    found = outcomes_of(server, objects, operation, **arguments)
    return {key: outcome.error_code for (key, _), outcome in found.items() if outcome.error_code}


def watched(operation: type[Operation], before: Callable[[S3Object], None]) -> type[Any]:
    """Return *operation* with *before* called for each object that is begun; its fingerprint stays the same."""

    def steps(self: Operation, obj: S3Object, context: RunContext) -> Any:
        if "/scratch/" not in obj.key:
            before(obj)
        return operation.steps(self, obj, context)

    return type(operation.__name__, (operation,), {"steps": steps})


class ServerJob(NamedTuple):
    """A published job, mostly of one shard, in the eyes of tests."""

    server: Server
    storage: Storage
    manifest: Manifest
    objects: Sequence[S3Object]

    @property
    def ref(self) -> ShardRef:
        return self.ref_of(0)

    def ref_of(self, shard: int) -> ShardRef:
        return ShardRef(str(self.manifest.job_url), shard, self.manifest.shards[shard].rows)

    def attempt(self, operation: Operation, shard: int = 0, **arguments: Any) -> Summary:
        """Run one of the job's shards once."""
        arguments.setdefault("storage", self.storage)
        arguments.setdefault("access", access_of(self.server))
        return run_shard(self.ref_of(shard), operation, task_id=TASK, **arguments)

    def report(self) -> JobSummary:
        return build_report(self.storage, self.manifest.job_url, TASK, now=NOW)

    def report_rows(self) -> list[AwsRow]:
        """Build the report, and read it as a tool written for AWS's reports would."""
        return list(aws_report_rows(client_of(self.server), self.report().report_url))

    def commits(self, generation: int = 1) -> list[Commit]:
        """Return all commits, oldest attempt first."""
        return [Commit.from_json(body, place=key) for key, body in self.files(".commit.json", generation)]

    def files(self, suffix: str, generation: int = 1) -> list[tuple[str, bytes]]:
        """Return key and body of the shard's files whose names end in *suffix*."""
        folder = JobLayout(self.manifest.job_url).operation(TASK).generation(generation).shard(0)
        urls = [file.url for file in self.storage.list(folder / "") if file.url.key.endswith(suffix)]
        bodies = [(url.key, self.storage.read(url) or b"") for url in urls]
        return sorted(bodies, key=lambda item: item[0])


class AwsRow(NamedTuple):
    """A row of a completion report as AWS's documentation describes it."""

    bucket: str
    key: str
    version_id: str
    status: str
    http_status: str
    error_code: str
    message: str


def aws_report_rows(client: Any, manifest_url: str) -> Iterator[AwsRow]:
    """Yield the rows of a completion report, with nothing of the package but the URL."""
    bucket, _, key = manifest_url.removeprefix("s3://").partition("/")
    manifest = json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())
    assert manifest["Format"] == "Report_CSV_20180820"
    for result in manifest["Results"]:
        body = client.get_object(Bucket=result["Bucket"], Key=result["Key"])["Body"].read()
        assert hashlib.md5(body).hexdigest() == result["MD5Checksum"]
        for fields in csv.reader(io.StringIO(body.decode(), newline="")):
            row = AwsRow(*fields)
            assert row.status == result["TaskExecutionStatus"]
            yield row._replace(key=unquote_plus(row.key))


def publish(
    server: Server,
    job_url: str,
    objects: Sequence[S3Object],
    folder: Path,
    *,
    range_rows: int,
    storage: Storage | None = None,
    shards: int = 1,
) -> ServerJob:
    """Publish a manifest of *objects* in *shards* of ranges of *range_rows* rows, in *storage* or on the *server*."""
    job = JobLayout(S3Url.parse(job_url))
    storage = storage or S3Storage(access_of(server))
    rows = -(-len(objects) // shards)
    parts = [objects[first : first + rows] for first in range(0, len(objects), rows)]
    files = tuple(
        _publish_shard(storage, job, index, part, folder, range_rows=range_rows) for index, part in enumerate(parts)
    )
    size = sum(obj.size or 0 for obj in objects)
    buckets = Counter(obj.bucket for obj in objects)
    columns = tuple(objects[0].columns)
    manifest = Manifest(job.url, len(objects), size, range_rows, columns, files, "0" * 16, buckets=buckets)
    storage.write(job.manifest, manifest.to_json().encode())
    return ServerJob(server, storage, manifest, objects)


def _publish_shard(
    storage: Storage, job: JobLayout, index: int, objects: Sequence[S3Object], folder: Path, *, range_rows: int
) -> ShardFile:
    path = folder / f"shard-{index}.parquet"
    extra = tuple(objects[0].columns)
    columns: dict[str, Any] = {
        name: pa.array([getattr(obj, name) for obj in objects], TYPES.get(name, pa.string())) for name in FIXED_COLUMNS
    }
    columns |= {name: pa.array([obj.columns[name] for obj in objects]) for name in extra}
    pq.write_table(pa.table(columns), path, row_group_size=range_rows)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    size = sum(obj.size or 0 for obj in objects)
    url = job.shard(index, digest)
    storage.upload(path, url)
    return ShardFile(index, url.key, len(objects), size, path.stat().st_size, digest)


STRICT = Policy(tolerate=frozenset())
"""Vanished objects count as failures."""
