"""Which rows of a shard the operation succeeded on, when, and what the outcomes said."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_s3batch.core.commits import Commit, PartFile, Spans, merge, ordinals_in
from airflow_s3batch.core.completion_report import parse_rows
from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.shards.evidence import gather
from airflow_s3batch.operations.verification import Done

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import Manifest, RowRange, ShardFile
    from airflow_s3batch.engine.files.storage import Storage

_READERS = 8


@dataclass(frozen=True, slots=True)
class DoneRows:
    """
    The rows of one shard that succeeded; takes memory for its row ranges, not for its rows.

    Attributes:
        ranges: of each row range that has any, by index: the ordinals that succeeded, by the commit that tells.
    """

    range_rows: int
    bucket: str
    ranges: dict[int, tuple[tuple[Commit, Spans], ...]]

    @classmethod
    def read(cls, storage: Storage, manifest: Manifest, shard: ShardFile, folder: S3Url | None) -> DoneRows:
        """
        Read what the attempts at *shard* have left in *folder*; nothing was ever done without one.

        Raises:
            JobDamagedError: the files contradict the manifest or one another.
        """
        ranges = list(shard.ranges(manifest.range_rows))
        evidence = gather(storage, shard, folder, ranges[-1].index)

        def succeeded(row_range: RowRange) -> tuple[tuple[Commit, Spans], ...]:
            state = merge(row_range, evidence.read_commits(storage, row_range))
            return tuple((commit, kept) for commit, kept in zip(state.commits, state.succeeded, strict=True) if kept)

        with ThreadPoolExecutor(_READERS) as pool:
            found = {entry.index: told for entry, told in zip(ranges, pool.map(succeeded, ranges), strict=True) if told}
        return cls(manifest.range_rows, manifest.job_url.bucket, found)

    def rows(self) -> Iterator[int]:
        """Yield the numbers of the rows, from 0 for the shard's first, ascending within a commit's rows."""
        for index, told in self.ranges.items():
            for _, spans in told:
                for ordinal in ordinals_in(spans):
                    yield index * self.range_rows + ordinal

    def flags(self, rows: Iterable[int] | None = None) -> dict[int, bytearray]:
        """Return for each range that has any a byte per row, 1 for these *rows*, or for all that succeeded."""
        found: dict[int, bytearray] = {}
        if rows is not None:
            for row in rows:
                index, ordinal = divmod(row, self.range_rows)
                found.setdefault(index, bytearray(self.range_rows))[ordinal] = 1
            return found
        for index, told in self.ranges.items():
            flags = found[index] = bytearray(self.range_rows)
            for start, end in (span for _, spans in told for span in spans):
                flags[start:end] = b"\1" * (end - start)
        return found

    def facts(self, storage: Storage, index: int, *, with_messages: bool) -> dict[int, Done]:
        """
        Return what is known of each row of range *index*, by its number in the shard.

        Raises:
            JobDamagedError: a result file is missing or altered; only read *with_messages*.
        """
        found: dict[int, Done] = {}
        for commit, spans in self.ranges[index]:
            ended = datetime.fromisoformat(commit.ended)
            done = Done(datetime.fromisoformat(commit.started), ended, _seconds_since(ended))
            messages = _messages(storage, self.bucket, commit) if with_messages else {}
            for ordinal in ordinals_in(spans):
                message = messages.get(ordinal, "")
                found[index * self.range_rows + ordinal] = done._replace(message=message) if message else done
        return found


def _seconds_since(moment: datetime) -> _Elapsed:
    return _Elapsed(moment.timestamp())


@dataclass(frozen=True, slots=True)
class _Elapsed:
    """Seconds since a Unix time, by this machine's clock."""

    since: float

    def __call__(self) -> float:
        return time.time() - self.since


def _messages(storage: Storage, bucket: str, commit: Commit) -> dict[int, str]:
    part: PartFile | None = commit.succeeded_file
    if part is None:
        return {}
    url = S3Url(bucket, part.key)
    body = storage.read(url)
    if body is None or hashlib.md5(body, usedforsecurity=False).hexdigest() != part.md5:
        raise JobDamagedError(f"{url}: missing or altered since it was written: its MD5 is not {part.md5}")
    failed = set(ordinals_in(commit.failed))
    ordinals = (ordinal for ordinal in ordinals_in(commit.attempted) if ordinal not in failed)
    rows = parse_rows(body.decode(), place=str(url))
    return {ordinal: row.message for ordinal, row in zip(ordinals, rows, strict=True)}
