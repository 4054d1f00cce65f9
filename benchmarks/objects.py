"""The objects of all benchmarks: their names, how they get into a store, and the shard that lists them."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from airflow_s3batch import S3Object
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import FIXED_COLUMNS, Manifest, ShardFile, ShardRef
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import Policy, S3Access, run_batch
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.manifests.planning.cutting.shards import range_rows_for, write_shards
from airflow_s3batch.manifests.planning.cutting.stage_files import StagedFile, StageWriter
from airflow_s3batch.operations import Operation, Replay
from airflow_s3batch.operations.requests import Call, Request, RunContext, Steps
from benchmarks.servers import OBJECTS_BUCKET

BODY = b""
"""Empty: bodies never pass through a client that tags, copies or deletes, and storing them takes the most time."""
E_TAG = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
_STAGED_ROWS = 50_000
_TYPES = {"size": pa.int64(), "is_latest": pa.bool_()}


def key(number: int) -> str:
    """
    Return the key of object *number*: with a character that needs quoting, like many real ones.

    No spaces and plus signs: copies of such keys by s5cmd 2.3 fail on SeaweedFS with NoSuchKey.
    """
    return f"data/year=2026/part-{number % 16:02d}/object-{number:08d}.parquet"


def objects(count: int, first: int = 0) -> Iterator[S3Object]:
    """Yield *count* objects from number *first* on, as a manifest names them."""
    for number in range(first, first + count):
        yield S3Object(OBJECTS_BUCKET, key(number), None, len(BODY), E_TAG, "STANDARD", is_latest=True)


@dataclass(frozen=True)
class PutBody(Operation):
    """Store the benchmarks' body under each key."""

    name = "put_body"
    replay = Replay.SAFE
    call: ClassVar[Call] = Call("PutObject")

    def problems(self) -> list[str]:
        """Find nothing wrong."""
        return []

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002 - no need of it
        """Put it."""
        response = yield Request(self.call, obj.bucket, obj.key, body=BODY)
        return response.outcome()

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[dict[str, str]]:  # noqa: ARG002 - no need of them
        """Find nothing out."""
        yield from ()
        return {}

    def iam_actions(self) -> set[str]:
        """Name what a put needs."""
        return {"s3:PutObject"}


def store_objects(access: S3Access, count: int) -> None:
    """Put the first *count* objects into the store."""
    summary = run_batch(
        objects(count),
        PutBody(),
        session=access.session,
        endpoint_url=access.endpoint_url,
        policy=Policy(max_concurrency=32),
    )
    if summary.succeeded != count:
        raise SystemExit(f"only {summary.succeeded} of {count} objects could be stored")


def publish(storage: Storage, job_url: str, rows: int, range_rows: int | None = None) -> ShardRef:
    """
    Publish a job of one shard of *rows* rows, written as the planner writes it; memory does not grow with *rows*.

    *range_rows*, the rows committed at once, is the planner's choice unless given.
    """
    (ref,) = publish_shards(storage, job_url, [rows], range_rows)
    return ref


def publish_shards(
    storage: Storage, job_url: str, sizes: Sequence[int], range_rows: int | None = None
) -> list[ShardRef]:
    """Publish a job of shards of these *sizes* in rows, likewise."""
    layout = JobLayout(S3Url.parse(job_url))
    chosen = range_rows or range_rows_for(sizes)
    shards = []
    with tempfile.TemporaryDirectory(prefix="s3batch-bench-") as name:
        folder = Path(name)
        staged = _stage(folder / "staged.arrow", sum(sizes))
        for written in write_shards([staged], sizes, chosen, folder):
            url = layout.shard(written.index, written.sha256)
            size = written.path.stat().st_size
            shards.append(ShardFile(written.index, url.key, written.rows, written.bytes, size, written.sha256))
            storage.upload(written.path, url)
    size = sum(shard.bytes for shard in shards)
    manifest = Manifest(layout.url, sum(sizes), size, chosen, (), tuple(shards), "0" * 16)
    storage.write(layout.manifest, manifest.to_json().encode())
    return [ShardRef(job_url, shard.index, shard.rows) for shard in shards]


def _stage(path: Path, rows: int) -> StagedFile:
    schema = pa.schema([(name, _TYPES.get(name, pa.string())) for name in FIXED_COLUMNS])
    with StageWriter(path, schema) as writer:
        for first in range(0, rows, _STAGED_ROWS):
            columns = zip(*objects(min(_STAGED_ROWS, rows - first), first), strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=False)]
            writer.write(pa.record_batch(arrays, schema))
    return writer.file
