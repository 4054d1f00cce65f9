"""
Turns outcomes into result files and commits, a row range at a time, while requests are in flight.

kill -9 at any point loses the outcomes of the ranges that are not committed yet, and nothing else: files are written
under names of this attempt alone, the commit object last.
"""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Self

from airflow_s3batch.core.commits import Commit, PartFile, spans_of
from airflow_s3batch.core.completion_report import FAILED, SUCCEEDED, format_row
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.layout import GenerationLayout
from airflow_s3batch.core.manifest import RowRange
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import DRY_RUN, Outcome, Tally
from airflow_s3batch.engine.files.storage import Storage

log = logging.getLogger(__name__)

_WRITERS = 8  # as many as are needed are started; a stop has to write up to _MOST_OPEN ranges within seconds
_MOST_PENDING = 6
_MOST_OPEN = 64
_GRACE_S = 20.0


@dataclass(slots=True)
class OpenRange:
    """
    A range with outcomes to come.

    Attributes:
        lines: by ordinal the report line, ``None`` without an outcome; failures marked by `failed`.
        waiting: objects handed out whose outcome is missing.
        is_handed_out: all objects that are wanted of the range were handed out.
    """

    range: RowRange
    started: str
    lines: list[str | None]
    waiting: int = 0
    is_handed_out: bool = False
    failed: set[int] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)


class Recorder:
    """
    Records the outcomes of one attempt at one shard. A context manager that waits for its writers.

    Args:
        ranges: the shard's row ranges by index.
        now: returns the ISO time, for the commits.
        began: ISO time at which work on the ranges began; by default when each is begun here.

    Attributes:
        tally: of what is committed, or about to be.
        abandoned: objects that were handed out and had no outcome when `finish` was called.
    """

    def __init__(
        self,
        storage: Storage,
        generation: GenerationLayout,
        shard: int,
        attempt: str,
        range_rows: int,
        ranges: Mapping[int, RowRange],
        now: Callable[[], str],
        began: str = "",
    ) -> None:
        self._storage = storage
        self._generation = generation
        self._shard = shard
        self._attempt = attempt
        self._range_rows = range_rows
        self._ranges = ranges
        self._now = now
        self._began = began
        self._open: dict[int, OpenRange] = {}
        self._newest = -1
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="s3batch-commit")
        self._pending: deque[Future[None]] = deque()
        self.tally = Tally()
        self.abandoned = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writers.shutdown(wait=True)

    @property
    def is_busy(self) -> bool:
        """
        Whether so much is open or being written that no new object should be started.

        Raises:
            S3BatchError: a file could not be written; `finish` will say so, too, whatever the caller makes of it here.
        """
        while self._pending and self._pending[0].done():
            self._pending[0].result()
            self._pending.popleft()
        return len(self._pending) >= _MOST_PENDING or len(self._open) >= _MOST_OPEN

    def wait_for_writers(self) -> None:
        """Wait until no more is being written than may be, for callers that have nothing else to do meanwhile."""
        while self.is_busy and self._pending:
            self._pending[0].result()

    def begin(self, index: int) -> OpenRange:
        """
        Return row range *index*, whose objects are about to be worked on; the caller counts those up in `waiting`.

        Ranges are begun in ascending order: the one before has no more objects to come.
        """
        if index != self._newest:
            self._close(self._newest)
            entry = self._ranges[index]
            self._open[index] = OpenRange(entry, self._began or self._now(), [None] * entry.rows)
            self._newest = index
        return self._open[index]

    def record(self, number: int, obj: S3Object, outcome: Outcome) -> None:
        """Take the outcome of row *number*; a second one for the same row is not looked at."""
        index, ordinal = divmod(number, self._range_rows)
        entry = self._open.get(index)
        if entry is None or entry.lines[ordinal] is not None:
            log.warning("row %d was given a second outcome (%s), the first one stands", number, outcome.error_code)
            return
        key = encode_key(obj.key)
        entry.lines[ordinal] = format_row(obj.bucket, key, obj.version_id, outcome)
        if outcome.error_code:
            entry.failed.add(ordinal)
            if outcome.error_code == DRY_RUN:
                entry.tally.bytes += obj.size or 0
            entry.tally.add_failures(outcome.error_code, 1, [f"s3://{obj.bucket}/{key}"])
        else:
            entry.tally.succeeded += 1
            entry.tally.bytes += obj.size or 0
        entry.waiting -= 1
        if not entry.waiting and entry.is_handed_out:
            self._commit(index)

    def withdraw(self, number: int) -> None:
        """Take note that row *number* was handed out and was not begun after all."""
        entry = self._open.get(number // self._range_rows)
        if entry is not None:
            entry.waiting -= 1

    def finish(self) -> None:
        """
        Commit what has outcomes, whole ranges or not, and wait until everything is written.

        Once a file could not be written, the others get `_GRACE_S` seconds to be begun: a store that answers nothing
        would else be waited for once per file.

        Raises:
            S3BatchError: a file could not be written; what was committed stays.
        """
        self.abandoned = sum(entry.waiting for entry in self._open.values())
        for index in list(self._open):
            self._commit(index)
        _, late = wait(self._pending, return_when=FIRST_EXCEPTION)
        if late:
            wait(late, timeout=_GRACE_S)
        written = [future for future in self._pending if not future.cancel()]
        self._pending.clear()
        for future in written:
            future.result()

    def _close(self, index: int) -> None:
        entry = self._open.get(index)
        if entry is not None:
            entry.is_handed_out = True
            if not entry.waiting:
                self._commit(index)

    def _commit(self, index: int) -> None:
        entry = self._open.pop(index)
        if entry.tally.objects:
            self.tally.add(entry.tally)
            self._pending.append(self._writers.submit(self._write, entry, self._now()))

    def _write(self, entry: OpenRange, ended: str) -> None:
        failed = sorted(entry.failed)
        failed_lines = [entry.lines[ordinal] for ordinal in failed]
        attempted = spans_of(ordinal for ordinal, line in enumerate(entry.lines) if line is not None)
        for ordinal in failed:
            entry.lines[ordinal] = None
        commit = Commit(
            self._attempt,
            entry.range,
            attempted,
            spans_of(failed),
            self._write_part(entry, SUCCEEDED, entry.lines),
            self._write_part(entry, FAILED, failed_lines),
            entry.tally,
            entry.started,
            ended,
        )
        url = self._generation.commit(self._shard, entry.range.index, self._attempt)
        self._storage.write(url, commit.to_json().encode(), "application/json")

    def _write_part(self, entry: OpenRange, status: str, lines: list[str | None]) -> PartFile | None:
        rows = len(lines) - lines.count(None)
        if not rows:
            return None
        body = "".join(line for line in lines if line is not None).encode()
        url = self._generation.part(self._shard, entry.range.index, self._attempt, status)
        e_tag = self._storage.write(url, body, "text/csv")
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return PartFile(url.key, rows, len(body), md5, e_tag)
