"""Jobs in memory for the tests of the managed engine."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fake_aws import FakeAws

from airflow_s3batch.core.errors import InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import FIXED_COLUMNS, Manifest, ShardFile
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Summary
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.managed import BucketRef, ManagedSettings, Round, begin_round, bucket_refs, harvest
from airflow_s3batch.operations import Operation, PutObjectTagging
from airflow_s3batch.reports import JobSummary, build_report, read_rows
from airflow_s3batch.testing.storage import MemoryStorage

JOB = S3Url("ops", "s3batch/classify-0123456789ab")
TASK = "quarantine.run"
SETTINGS = ManagedSettings("123456789012", "eu-west-1", "arn:aws:iam::123456789012:role/batch")
TAGGING = PutObjectTagging({"quarantine": "true"})
NOW = dt.datetime(2026, 11, 22, 11, tzinfo=dt.UTC)
STRICT = Policy(tolerate=frozenset())
TYPES = {"size": pa.int64(), "is_latest": pa.bool_()}


def keys(*names: str, bucket: str = "lake", version_id: str | None = None) -> list[S3Object]:
    """Return objects of one byte each."""
    return [S3Object(bucket, name, version_id, 1) for name in names]


class ManagedJob:
    """A published manifest of *rows*, and AWS beside it."""

    def __init__(self, folder: Path, rows: Sequence[S3Object], *, shard_rows: int = 4, range_rows: int = 2) -> None:
        self.storage = MemoryStorage()
        self.aws = FakeAws(self.storage)
        self.rows = list(rows)
        self.layout = JobLayout(JOB)
        self.tries = 0
        shards = tuple(
            self._shard(folder, index, self.rows[first : first + shard_rows])
            for index, first in enumerate(range(0, len(rows), shard_rows))
        )
        self.manifest = Manifest(JOB, len(rows), len(rows), range_rows, (), shards, "f" * 16)
        self.storage.write(self.layout.manifest, self.manifest.to_json().encode())

    def _shard(self, folder: Path, index: int, rows: Sequence[S3Object]) -> ShardFile:
        columns = {
            name: pa.array([getattr(row, name) for row in rows], TYPES.get(name, pa.string())) for name in FIXED_COLUMNS
        }
        path = folder / "shard.parquet"
        pq.write_table(pa.table(columns), path, row_group_size=3)
        body = path.read_bytes()
        sha256 = hashlib.sha256(body).hexdigest()
        url = self.layout.shard(index, sha256)
        self.storage.write(url, body)
        return ShardFile(index, url.key, len(rows), len(rows), len(body), sha256)

    def refs(self) -> list[BucketRef]:
        return bucket_refs(self.manifest, self.storage)

    def begin(
        self,
        ref: BucketRef | None = None,
        operation: Operation = TAGGING,
        *,
        settings: ManagedSettings = SETTINGS,
        policy: Policy = STRICT,
        resume: bool = True,
        says: Callable[[str], None] = lambda line: None,
    ) -> Round | None:
        self.tries += 1
        return begin_round(
            ref or self.refs()[0],
            operation,
            storage=self.storage,
            control=self.aws,
            task_id=TASK,
            settings=settings,
            policy=policy,
            resume=resume,
            try_number=self.tries,
            progress=says,
        )

    def begun(self, ref: BucketRef | None = None, **more: Any) -> Round:
        """Begin a round, of which there must be something to do."""
        found = self.begin(ref, **more)
        assert found is not None
        return found

    def harvest(self, round_: Round, *, policy: Policy = STRICT, now: dt.datetime = NOW) -> Summary:
        return harvest(round_, storage=self.storage, control=self.aws, policy=policy, now=now)

    def harvest_quietly(self, round_: Round) -> None:
        """Harvest, however that is judged."""
        with contextlib.suppress(TooManyFailuresError, InfrastructureError):
            self.harvest(round_)

    def report(self) -> JobSummary:
        return build_report(self.storage, JOB, TASK, now=NOW)

    def told(self) -> Counter[tuple[str, str, str, str]]:
        """Return how often each ``(bucket, key, version id, error code)`` is in the job's completion report."""
        self.report()
        return Counter(self._told())

    def _told(self) -> Iterator[tuple[str, str, str, str]]:
        for row in read_rows(self.storage, str(JOB)):
            yield row.bucket, row.key, row.version_id, row.error_code

    def asked(self, round_: Round) -> list[list[str]]:
        """Return the rows of the manifest that AWS was given for *round_*."""
        return self.aws.manifest_rows(round_.job_id)
