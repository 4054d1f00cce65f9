"""Writes jobs as planner and workers would leave them, for the tests of the reporter."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_s3batch.core.commits import Commit, PartFile, spans_of
from airflow_s3batch.core.completion_report import format_row
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.layout import GenerationLayout, JobLayout
from airflow_s3batch.core.manifest import FIXED_COLUMNS, Manifest, RowRange, ShardFile
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.testing.storage import MemoryStorage

JOB = S3Url("ops", "s3batch/classify-0123456789ab")
TASK = "quarantine.run"
OPERATION = {"operation": "PutObjectTagging", "tags": {"quarantine": "true"}}
OK = Outcome(200)
DENIED = Outcome(403, "AccessDenied", "Access Denied")
GONE = Outcome(404, "NoSuchKey", "The specified key does not exist.")


def attempt_id(number: int, salt: int = 0, *, started_ms: int = 0) -> str:
    """Return the id of the *number*-th attempt; *salt* tells apart two with the same number."""
    return f"{number:04d}-{1_790_000_000_000 + number + started_ms:013d}-{salt:06x}"


def objects(number: int, *, bucket: str = "lake", version_id: str | None = None) -> list[S3Object]:
    """Return objects of 10, 11, 12, … bytes."""
    return [S3Object(bucket, f"a/{n:04d}.csv", version_id, 10 + n) for n in range(number)]


class Job:
    """A job in a `MemoryStorage`."""

    def __init__(
        self,
        rows: Sequence[S3Object],
        *,
        shard_rows: int = 100,
        range_rows: int = 10,
        group_rows: int = 7,
        columns: tuple[str, ...] = (),
    ) -> None:
        self.storage = MemoryStorage()
        self.rows = list(rows)
        self.layout = JobLayout(JOB)
        self.columns = columns
        self.shards = [
            self._write_shard(index, self.rows[first : first + shard_rows], group_rows)
            for index, first in enumerate(range(0, len(self.rows), shard_rows))
        ]
        self.shard_rows = shard_rows
        total = sum(row.size or 0 for row in self.rows)
        self.manifest = Manifest(JOB, len(self.rows), total, range_rows, columns, tuple(self.shards), "f" * 16)
        self.storage.write(self.layout.manifest, self.manifest.to_json().encode())

    def open(
        self,
        number: int = 1,
        *,
        operation: Mapping[str, object] = OPERATION,
        policy: Mapping[str, object] | None = None,
    ) -> None:
        """Write ``operation.json`` of generation *number*."""
        document = {
            "format": "airflow-s3batch-operation/1",
            "operation": operation,
            "fingerprint": fingerprint(operation),
            "policy": {"tolerate": ["NoSuchKey", "NoSuchVersion"], "allowed_failures": 0} if policy is None else policy,
            "task_id": TASK,
            "generation": number,
            "opened": "2026-11-22T10:00:00.000Z",
        }
        self.storage.write(self.generation(number).operation, json.dumps(document).encode())

    def generation(self, number: int = 1) -> GenerationLayout:
        return self.layout.operation(TASK).generation(number)

    def ranges(self, shard: int = 0) -> list[RowRange]:
        return list(self.shards[shard].ranges(self.manifest.range_rows))

    def rows_of(self, shard: int, row_range: RowRange) -> list[S3Object]:
        first = shard * self.shard_rows + row_range.first
        return self.rows[first : first + row_range.rows]

    def start(
        self,
        shard: int = 0,
        attempt: int = 1,
        *,
        generation: int = 1,
        started_ms: int = 0,
        policy: Mapping[str, object] | None = None,
    ) -> None:
        """Write what an attempt leaves when it starts, *started_ms* later than its number says."""
        document = {} if policy is None else {"policy": policy}
        url = self.generation(generation).attempt(shard, attempt_id(attempt, started_ms=started_ms))
        self.storage.write(url, json.dumps(document).encode())

    def commit(
        self,
        outcomes: Mapping[int, Outcome],
        *,
        shard: int = 0,
        index: int = 0,
        attempt: int = 1,
        salt: int = 0,
        generation: int = 1,
        started: str = "2026-11-22T10:00:00.000Z",
        ended: str = "2026-11-22T10:00:10.000Z",
    ) -> Commit:
        """Commit *outcomes*, by ordinal in the range, as one attempt."""
        row_range = self.ranges(shard)[index]
        rows = self.rows_of(shard, row_range)
        name = attempt_id(attempt, salt)
        attempted = sorted(outcomes)
        failed = [n for n in attempted if not outcomes[n].is_success]
        succeeded = [n for n in attempted if outcomes[n].is_success]
        tally = Tally(succeeded=len(succeeded), bytes=sum(rows[n].size or 0 for n in succeeded))
        for n in failed:
            tally.add_failures(outcomes[n].error_code, 1, [f"s3://{rows[n].bucket}/{encode_key(rows[n].key)}"])
        layout = self.generation(generation)
        commit = Commit(
            name,
            row_range,
            spans_of(attempted),
            spans_of(failed),
            self._part(layout.part(shard, index, name, "succeeded"), [(rows[n], outcomes[n]) for n in succeeded]),
            self._part(layout.part(shard, index, name, "failed"), [(rows[n], outcomes[n]) for n in failed]),
            tally,
            started,
            ended,
        )
        self.storage.write(layout.commit(shard, index, name), commit.to_json().encode())
        return commit

    def commit_all(self, outcome: Outcome = OK, **how: int) -> None:
        """Commit every range of every shard with *outcome*, as one attempt per shard."""
        for shard in range(len(self.shards)):
            for row_range in self.ranges(shard):
                self.commit(dict.fromkeys(range(row_range.rows), outcome), shard=shard, index=row_range.index, **how)

    def finish(
        self, shard: int = 0, attempt: int = 1, *, stopped: str = "", requests: int = 0, generation: int = 1
    ) -> None:
        """Write the summary that an attempt leaves when it ends in order."""
        document = {
            "format": "airflow-s3batch-shard/1",
            "shard": shard,
            "attempt": attempt_id(attempt),
            "tally": Tally().to_json(),
            "requests": requests,
            "retries": requests // 10,
            "slow_downs": requests // 100,
            "duration_s": 1.0,
            "stopped": stopped,
            "started": "2026-11-22T10:00:00.000Z",
            "ended": "2026-11-22T10:00:10.000Z",
        }
        self.storage.write(
            self.generation(generation).summary(shard, attempt_id(attempt)), json.dumps(document).encode()
        )

    def _part(self, url: S3Url, rows: Iterable[tuple[S3Object, Outcome]]) -> PartFile | None:
        lines = [format_row(row.bucket, encode_key(row.key), row.version_id, outcome) for row, outcome in rows]
        if not lines:
            return None
        body = "".join(lines).encode()
        e_tag = self.storage.write(url, body)
        return PartFile(url.key, len(lines), len(body), hashlib.md5(body).hexdigest(), e_tag)

    def _write_shard(self, index: int, rows: Sequence[S3Object], group_rows: int) -> ShardFile:
        table = pa.table({name: [getattr(row, name) for row in rows] for name in FIXED_COLUMNS}, schema=SCHEMA)
        for name in self.columns:
            table = table.append_column(name, [[row.columns[name] for row in rows]])
        buffer = io.BytesIO()
        pq.write_table(table, buffer, row_group_size=group_rows)
        body = buffer.getvalue()
        sha256 = hashlib.sha256(body).hexdigest()
        url = self.layout.shard(index, sha256)
        self.storage.write(url, body)
        return ShardFile(index, url.key, len(rows), sum(row.size or 0 for row in rows), len(body), sha256)


SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("bucket", "key", "version_id")),
        ("size", pa.int64()),
        *((name, pa.string()) for name in ("e_tag", "storage_class")),
        ("is_latest", pa.bool_()),
    ]
)
