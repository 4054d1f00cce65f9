"""A published job, and an Airflow that keeps what people are asked, for the tests of approvals."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from fakes import TaskInstance

from airflow_s3batch import BatchApprovalOperator
from airflow_s3batch.core.formats import JOB as JOB_FORMAT
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import FIXED_COLUMNS, Manifest, ShardFile
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.operations import DeleteObject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_s3batch.testing import MemoryStorage

JOB = S3Url("ops", "s3batch/job-1")
LAYOUT = JobLayout(JOB)
KEYS = ("plain.csv", "a b+ü.csv", "x")


class WaitsError(Exception):
    """The task waits for an answer."""


def publish(
    storage: MemoryStorage, keys: Sequence[str] = KEYS, *, shards: int = 1, where: str = "size > 5", **job: Any
) -> Manifest:
    """Publish a manifest of objects with these *keys*; *job* is what else ``job.json`` has."""
    rows = -(-len(keys) // shards) or 1
    files = tuple(
        _shard(storage, index, keys[first : first + rows]) for index, first in enumerate(range(0, len(keys), rows))
    )
    classes = {"STANDARD": (len(keys), 10 * len(keys))} if keys else {}
    manifest = Manifest(JOB, len(keys), 10 * len(keys), 250, (), files, "f", None, classes)
    storage.write(LAYOUT.manifest, manifest.to_json().encode())
    document = {
        "format": JOB_FORMAT,
        "selection": {"kind": "inventory", "inventory": "s3://inv/lake", "where": where, "guards": {"max_objects": 9}},
        "source": {"manifest": "s3://inv/lake/2026/manifest.json", "created": "2026-11-20T01:00:00+00:00"},
        **job,
    }
    storage.write(LAYOUT.job, json.dumps(document).encode())
    return manifest


def _shard(storage: MemoryStorage, index: int, keys: Sequence[str]) -> ShardFile:
    objects = [S3Object("lake", key, size=10, storage_class="STANDARD") for key in keys]
    types = {"size": pa.int64(), "is_latest": pa.bool_()}
    table = {
        name: pa.array([getattr(obj, name) for obj in objects], types.get(name, pa.string())) for name in FIXED_COLUMNS
    }
    stream = io.BytesIO()
    pq.write_table(pa.table(table), stream)
    body = stream.getvalue()
    digest = hashlib.sha256(body).hexdigest()
    url = LAYOUT.shard(index, digest)
    storage.write(url, body)
    return ShardFile(index, url.key, len(keys), 10 * len(keys), len(body), digest)


@dataclass
class Airflow:
    """
    What a task that asks does with Airflow.

    Attributes:
        asked: questions, one dict each.
        skipped: task ids that were skipped after a no.
    """

    asked: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def ask(self, **question: Any) -> None:
        self.asked.append(question)


def asking(**arguments: Any) -> BatchApprovalOperator:
    """Return the task ``job.approve``."""
    defaults = {"task_id": "job.approve", "manifest_task_id": "job.manifest", "operation": DeleteObject()}
    return BatchApprovalOperator(**{**defaults, **arguments})


class StateStore(dict[str, Any]):
    """What Airflow, from 3.3 on, keeps of a task instance when it is cleared."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


def context(manifest_try: int = 1, state: StateStore | None = None, **xcoms: Any) -> dict[str, Any]:
    """Return what Airflow gives the task once the manifest is published; before 3.3 there is no *state*."""
    ti = TaskInstance(task_id="job.approve")
    ti.id = "0191a6e4-0000-7000-8000-000000000000"  # type: ignore[attr-defined]
    ti.xcoms["job.manifest", "manifest"] = {"job": str(JOB), "rows": 3, "try_number": manifest_try}
    ti.xcoms.update({("job.rehearse", key): value for key, value in xcoms.items()})
    return {"ti": ti, "task_instance": ti, **({} if state is None else {"task_state_store": state})}
