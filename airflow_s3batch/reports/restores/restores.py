"""
Looks whether the objects of a restore job can be read, with as few requests as possible.

Restores of one kind that were asked for at about the same time are finished at about the same time. So the objects are
gone through in order until some are met that are not ready; these stand for the rest, and are all that is asked until
they are ready. In sum that is one HEAD for each object, and a row range and `MOST_WAITING` more for each look.
"""

from __future__ import annotations

import itertools
import json
import time
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.commits import merge
from airflow_s3batch.core.errors import AccessError, ArgumentError, JobDamagedError, TooManyFailuresError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.engine.files.staging import staging_folder
from airflow_s3batch.engine.jobs.job_manifest import published_manifest
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.shards.evidence import gather
from airflow_s3batch.engine.shards.shard_file import fetch_shard
from airflow_s3batch.engine.shards.shard_reader import ShardReader
from airflow_s3batch.engine.wire.exchange import Work
from airflow_s3batch.operations.archives.readability import ARCHIVED
from airflow_s3batch.operations.requests import RunContext
from airflow_s3batch.reports.accounts.generations import find_run
from airflow_s3batch.reports.restores.restore_look import LOOK, Seen, expired, unseen
from airflow_s3batch.reports.restores.restore_state import RestoreState, Waiting
from airflow_s3batch.reports.summary import FORMAT as SUMMARY_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from pathlib import Path

    from airflow_s3batch.core.manifest import Manifest, RowRange, ShardFile
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.engine.policy import Policy

MOST_WAITING = 100
"""So many objects that are not ready stand for all that are not."""

_SAVE_EVERY_S = 10.0


class RestoreWatch:
    """
    The look at one restore job's objects. What was seen is kept in the job's folder, so that a new watch goes on there.

    Attributes:
        rows: objects of the job.
        state: what was seen.
        requests: sent so far, repeats included.
    """

    def __init__(
        self,
        storage: Storage,
        access: S3Access,
        job_url: S3Url,
        operation_task_id: str,
        policy: Policy,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Read the job's manifest, and what an earlier watch has seen; one that had seen all is no reason not to look.

        Raises:
            ArgumentError: the job's report is of another operation task.
            JobDamagedError: files of the job are missing or altered.
        """
        layout = JobLayout(job_url)
        self._storage = storage
        self._access = access
        self._job_url = job_url
        self._task = layout.operation(operation_task_id)
        self._policy = policy
        self._clock = clock
        self._manifest: Manifest = published_manifest(storage, layout)
        self.rows = self._manifest.rows
        self.requests = 0
        begun = max((name for name in storage.folders(self._task.url) if name.startswith("g")), default="")
        told = _report_fingerprint(storage, layout, operation_task_id if not begun else "")
        self._has_report = bool(told)
        found = RestoreState.read(storage, self.state_url)
        self.state = RestoreState(f"{begun} {told}")
        if found and found.mark == self.state.mark and not self._is_end(found):
            self.state = found

    @property
    def state_url(self) -> S3Url:
        """Where the state is kept."""
        return self._task.restores

    @property
    def is_done(self) -> bool:
        """Whether no object is waited for."""
        return self._is_end(self.state)

    def _is_end(self, state: RestoreState) -> bool:
        return state.shard >= len(self._manifest.shards) and not state.waiting

    def sentence(self) -> str:
        """Return a line about how far it is."""
        state = self.state
        told = [f"{state.readable:,} of {self.rows:,} objects can be read"]
        told += [f"{state.gone:,} are gone"] * bool(state.gone)
        told += [f"{state.unrestored:,} are archived, for their restore failed"] * bool(state.unrestored)
        end = "" if self._has_report else ", or will be: the job has no report yet"
        told += [f"{len(state.waiting)} that were looked at are being restored{end}"] * bool(state.waiting)
        return f"{self._job_url}: {', '.join(told)}; {self.requests:,} requests"

    def look(self, seconds: float) -> bool:
        """
        Look at what may be ready by now; return whether there is more to look at at once, for *seconds* were over.

        Raises:
            TooManyFailuresError: an object is archived although its restore was accepted.
            AccessError: the store does not let us look.
            InfrastructureError: the store does not answer.
        """
        until = self._clock() + seconds
        with Executor(self._access, self._policy) as executor, staging_folder() as folder:
            try:
                if not self._ask_waiting(executor):
                    return False
                return self._sweep(executor, folder, until)
            finally:
                self.requests += executor.requests
                self.state.write(self._storage, self.state_url)

    def _ask_waiting(self, executor: Executor) -> bool:
        """Ask those that were not ready; return whether all are now."""
        entries = self.state.waiting
        if not entries:
            return True
        seen = Seen(self._has_report)
        executor.run(LOOK, (Work(number, entry.obj) for number, entry in enumerate(entries)), RunContext(), seen.note)
        for work, outcome in seen.barred:
            entry = entries[work.number]
            shard = self._manifest.shards[entry.shard]
            row_range = list(shard.ranges(self._manifest.range_rows))[entry.row // self._manifest.range_rows]
            self._judge(shard, row_range, [(work._replace(number=entry.row), outcome)])
        owed = {number for number, entry in enumerate(entries) if entry.is_owed}
        self._count(seen, owed)
        self.state.waiting = [entries[work.number] for work in seen.pending]
        return not seen.pending

    def _count(self, seen: Seen, numbers: Container[int]) -> None:
        """Count those of *numbers* that need not be looked at again."""
        self.state.readable += sum(work.number in numbers for work in seen.readable)
        self.state.gone += sum(work.number in numbers for work in seen.gone)
        self.state.unrestored += sum(work.number in numbers for work, _ in seen.barred)

    def _sweep(self, executor: Executor, folder: Path, until: float) -> bool:
        state = self.state
        saved = self._clock()
        while state.shard < len(self._manifest.shards):
            shard = self._manifest.shards[state.shard]
            path = fetch_shard(self._storage, self._job_url.bucket, shard, folder)
            reader = ShardReader(path, self._manifest.columns, self._manifest.range_rows)
            for row_range in itertools.islice(shard.ranges(self._manifest.range_rows), state.range, None):
                if not self._look_at_range(executor, reader, shard, row_range):
                    return False
                state.range = row_range.index + 1
                if len(state.waiting) >= MOST_WAITING:
                    return False
                if self._clock() >= until:
                    return True
                if self._clock() >= saved + _SAVE_EVERY_S:
                    state.write(self._storage, self.state_url)
                    saved = self._clock()
            path.unlink()
            state.shard, state.range = shard.index + 1, 0
        return False

    def _look_at_range(self, executor: Executor, reader: ShardReader, shard: ShardFile, row_range: RowRange) -> bool:
        """Look at the objects of a range until too many are not ready; return whether all were looked at."""
        seen = Seen(self._has_report)
        works = (work for _, batch in reader.rows({row_range.index: None}) for work in batch)
        executor.run(LOOK, works, RunContext(), seen.note, keep_going=lambda: len(seen.pending) < MOST_WAITING)
        self._judge(shard, row_range, seen.barred)
        is_whole = seen.total == row_range.rows
        if is_whole:
            self._count(seen, range(row_range.first, row_range.first + row_range.rows))
        self.state.waiting += [
            Waiting(shard.index, work.number, work.obj.bucket, work.obj.key, work.obj.version_id, is_whole)
            for work in (seen.pending if is_whole else seen.pending[:MOST_WAITING])
        ]
        return is_whole

    def _judge(self, shard: ShardFile, row_range: RowRange, barred: list[tuple[Work, Outcome]]) -> None:
        """
        Check that none of the objects of a range that can't be read was restored, as far as the job has told.

        Raises:
            TooManyFailuresError: one was, and is archived.
            AccessError: one was, and we may not look at it.
        """
        if not barred:
            return
        run = find_run(self._storage, self._task)
        last = (shard.rows - 1) // self._manifest.range_rows
        evidence = gather(self._storage, shard, run.folders.get(shard.index), last)
        spans = merge(row_range, evidence.read_commits(self._storage, row_range)).unfinished
        undone = {row_range.first + ordinal for start, end in spans for ordinal in range(start, end)}
        restored = [(work.obj, outcome) for work, outcome in barred if work.number not in undone]
        for obj, outcome in restored:
            if outcome.error_code != ARCHIVED:
                raise AccessError(unseen(obj, outcome))
        if restored:
            raise TooManyFailuresError(expired(self._job_url, [obj for obj, _ in restored]))


def _report_fingerprint(storage: Storage, layout: JobLayout, unknown_task_id: str) -> str:
    """
    Return the fingerprint of the job's report, which is another one once outcomes have changed; empty without one.

    Raises:
        ArgumentError: there is one, so of another task than *unknown_task_id*, which has left no trace.
        JobDamagedError: it can't be read.
    """
    place = layout.report / "summary.json"
    body = storage.read(place)
    if body is None:
        return ""
    try:
        summary: dict[str, Any] = json.loads(body)
        check_format(summary["format"], SUMMARY_FORMAT, place=str(place))
        task_id, fingerprint, objects = summary["task_id"], str(summary["fingerprint"]), summary["objects"]
    except (ValueError, KeyError, TypeError) as error:
        raise JobDamagedError(f"{place}: not of this package ({error!r})") from None
    if unknown_task_id and objects and task_id != unknown_task_id:
        raise ArgumentError(
            f"operation_task_id={unknown_task_id!r}: none such worked on {layout.url}; its report is of {task_id!r}"
        )
    return fingerprint
