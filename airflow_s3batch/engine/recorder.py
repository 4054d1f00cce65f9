"""
Turns outcomes into result files and commits, a row range at a time, while requests are in flight.

kill -9 at any point loses the outcomes of the ranges that are not committed yet, and nothing else: files are written
under names of this attempt alone, the commit object last.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

from airflow_s3batch.core.commits import Commit, PartFile, spans_of
from airflow_s3batch.core.completion_report import FAILED, SUCCEEDED, format_row
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.layout import GenerationLayout
from airflow_s3batch.core.manifest import RowRange
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome, Tally
from airflow_s3batch.engine.storage import Storage

_WRITERS = 2
_MOST_PENDING = 6
_MOST_OPEN = 64


@dataclass(slots=True)
class _OpenRange:
    """
    A range with outcomes to come.

    Attributes:
        waiting: objects handed out whose outcome is missing.
        is_handed_out: all objects that are wanted of the range were handed out.
        lines: by ordinal the report line, failures marked by `failed`.
    """

    range: RowRange
    started: str
    waiting: int = 0
    is_handed_out: bool = False
    lines: dict[int, str] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)


class Recorder:
    """
    Records the outcomes of one attempt at one shard. A context manager that waits for its writers.

    Args:
        ranges: the shard's row ranges by index.
        now: returns the ISO time, for the commits.
    """

    def __init__(
        self,
        storage: Storage,
        generation: GenerationLayout,
        shard: int,
        attempt: str,
        range_rows: int,
        ranges: dict[int, RowRange],
        now: Callable[[], str],
    ) -> None:
        self._storage = storage
        self._generation = generation
        self._shard = shard
        self._attempt = attempt
        self._range_rows = range_rows
        self._ranges = ranges
        self._now = now
        self._open: dict[int, _OpenRange] = {}
        self._newest = -1
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="s3batch-commit")
        self._pending: deque[Future[None]] = deque()
        self.tally = Tally()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writers.shutdown(wait=True)

    @property
    def is_busy(self) -> bool:
        """Whether so much is open or being written that no new object should be started."""
        while self._pending and self._pending[0].done():
            self._pending.popleft().result()
        return len(self._pending) >= _MOST_PENDING or len(self._open) >= _MOST_OPEN

    def hand_out(self, number: int) -> None:
        """Note that row *number* is about to be worked on; rows come in ascending order."""
        index = number // self._range_rows
        if index != self._newest:
            self._close(self._newest)
            self._open[index] = _OpenRange(self._ranges[index], self._now())
            self._newest = index
        self._open[index].waiting += 1

    def record(self, number: int, obj: S3Object, outcome: Outcome) -> None:
        """Take the outcome of row *number*."""
        index, ordinal = divmod(number, self._range_rows)
        entry = self._open[index]
        key = encode_key(obj.key)
        entry.lines[ordinal] = format_row(obj.bucket, key, obj.version_id, outcome)
        if outcome.error_code:
            entry.failed.add(ordinal)
            entry.tally.add_failures(outcome.error_code, 1, [f"s3://{obj.bucket}/{key}"])
        else:
            entry.tally.succeeded += 1
            entry.tally.bytes += obj.size or 0
        entry.waiting -= 1
        if not entry.waiting and entry.is_handed_out:
            self._commit(index)

    def finish(self) -> None:
        """
        Commit what has outcomes, whole ranges or not, and wait until everything is written.

        Raises:
            S3BatchError: a file could not be written; what was committed stays.
        """
        for index in list(self._open):
            self._commit(index)
        while self._pending:
            self._pending.popleft().result()

    def _close(self, index: int) -> None:
        entry = self._open.get(index)
        if entry is not None:
            entry.is_handed_out = True
            if not entry.waiting:
                self._commit(index)

    def _commit(self, index: int) -> None:
        entry = self._open.pop(index)
        if entry.lines:
            self.tally.add(entry.tally)
            self._pending.append(self._writers.submit(self._write, entry, self._now()))

    def _write(self, entry: _OpenRange, ended: str) -> None:
        ordinals = sorted(entry.lines)
        commit = Commit(
            self._attempt,
            entry.range,
            spans_of(ordinals),
            spans_of(sorted(entry.failed)),
            self._write_part(entry, SUCCEEDED, [n for n in ordinals if n not in entry.failed]),
            self._write_part(entry, FAILED, sorted(entry.failed)),
            entry.tally,
            entry.started,
            ended,
        )
        url = self._generation.commit(self._shard, entry.range.index, self._attempt)
        self._storage.write(url, commit.to_json().encode(), "application/json")

    def _write_part(self, entry: _OpenRange, status: str, ordinals: list[int]) -> PartFile | None:
        if not ordinals:
            return None
        body = "".join(entry.lines[ordinal] for ordinal in ordinals).encode()
        url = self._generation.part(self._shard, entry.range.index, self._attempt, status)
        e_tag = self._storage.write(url, body, "text/csv")
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return PartFile(url.key, len(ordinals), len(body), md5, e_tag)
