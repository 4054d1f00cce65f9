"""One attempt at looking again at what was done to one shard: from its commits to committed verdicts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from airflow_s3batch.core.iso_times import iso_now
from airflow_s3batch.core.layout import GenerationLayout, JobLayout
from airflow_s3batch.core.outcomes import Outcome, Summary, Tally
from airflow_s3batch.core.row_samples import sample_sizes, sampled_rows
from airflow_s3batch.engine.files.staging import staging_folder
from airflow_s3batch.engine.jobs.teamwork import Teamwork
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.loop.progress import Progress
from airflow_s3batch.engine.loop.steering import Steering
from airflow_s3batch.engine.loop.threshold import Threshold
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.attempt import Attempt
from airflow_s3batch.engine.shards.done_rows import DoneRows
from airflow_s3batch.engine.shards.recorder import Recorder
from airflow_s3batch.engine.shards.shard_file import fetch_shard
from airflow_s3batch.engine.shards.shard_reader import ShardReader
from airflow_s3batch.engine.shards.shard_state import ShardState, shard_state
from airflow_s3batch.engine.wire.exchange import Work
from airflow_s3batch.operations.requests import RunContext
from airflow_s3batch.operations.second_look import SecondLook, with_done

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_s3batch.core.manifest import Manifest, ShardFile
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.checks.verification import Verification

Wanted = dict[int, bytes]
"""By range index a byte per row of the range: 1 if the row is to be looked at."""


class ShardLook:
    """
    One attempt at a shard, as *whole* wants it.

    Args:
        folder: where the attempts at the operation have left their files.
        try_number: of Airflow, from 1.
    """

    def __init__(
        self, whole: Verification, manifest: Manifest, shard: ShardFile, folder: S3Url, try_number: int
    ) -> None:
        generation = folder.key.rstrip("/").rpartition("/")[0].rpartition("/")[2]
        self._whole = whole
        self._storage = whole.storage
        self._manifest = manifest
        self._shard = shard
        self._layout: GenerationLayout = whole.task.second_looks(generation)
        self._attempt = Attempt.begin(shard.index, try_number)
        self._name = f"verify {whole.operation.name}, shard {shard.index}"
        self._began = time.monotonic()
        self._steering = Steering(whole.storage, JobLayout(whole.job_url), say=whole.progress)
        self._done = DoneRows.read(self._storage, manifest, shard, folder)
        self._state = shard_state(self._storage, manifest, shard, self._layout)

    def run(self) -> Summary:
        """Look at what is left; see `Verification.look_at_shard`."""
        self._steering.begin(self._name)
        chosen = self._chosen()
        wanted = _without_verdict(chosen, self._state)
        number, of = (sum(flags.count(1) for flags in each.values()) for each in (wanted, chosen))
        say, policy = self._whole.progress, self._whole.policy
        say(f"{self._name}: {number:,} objects to look at, {of - number:,} are known to be right")
        if not number:
            return Summary(Tally(), earlier=of)
        self._attempt.announce(self._storage, self._layout, policy)
        lines = Progress(
            self._name.partition(",")[0],
            of - number,
            of,
            every_s=policy.progress_every_s,
            write=say,
            clock=time.monotonic,
            shards=len(self._manifest.shards),
        )
        with (
            Executor(self._whole.access, policy, is_read_only=True) as executor,
            self._team(executor) as team,
            staging_folder() as folder,
        ):
            tally = self._look(executor, team, lines, wanted, folder)
            return self._concluded(executor, team, tally, of - number)

    def _team(self, executor: Executor) -> Teamwork:
        """Return what this attempt shares with the others that look: the limit, and what people ask for."""
        return Teamwork(
            self._storage,
            self._layout,
            self._manifest,
            self._attempt,
            self._state,
            self._whole.policy,
            executor,
            Threshold(Policy(keep_going=True)),
            self._steering,
        )

    def _chosen(self) -> dict[int, bytearray]:
        """Return the rows that this verification is about: for each range a byte per row, 1 where it is one."""
        if self._whole.objects is None:
            return self._done.flags()
        seed = str(self._whole.job_url)
        sizes = sample_sizes(self._whole.objects, [shard.rows for shard in self._manifest.shards], seed)
        index = self._shard.index
        return self._done.flags(sampled_rows(sizes[index], self._done.rows(), f"{seed} {index}"))

    def _look(self, executor: Executor, team: Teamwork, lines: Progress, wanted: Wanted, folder: Path) -> Tally:
        whole, seen = self._whole, 0
        path = fetch_shard(self._storage, self._manifest.job_url.bucket, self._shard, folder)
        reader = ShardReader(path, self._manifest.columns, self._manifest.range_rows)
        recorder = self._recorder()

        def record(work: Work, outcome: Outcome) -> None:
            nonlocal seen
            seen += 1
            lines.failures.count(work.obj, outcome)
            recorder.record(work.number, work.obj, outcome)

        def keep_going() -> bool:
            lines.tick(seen, lines.failures.number)
            return team.keep_going() and not whole.stop.is_set()

        lines.follow(team.load)
        with recorder:
            try:
                works = self._works(reader, recorder, wanted)
                executor.run(SecondLook(whole.operation), works, RunContext(), record, keep_going=keep_going)
            finally:
                recorder.finish()
        lines.end(done=seen)
        return recorder.tally

    def _recorder(self) -> Recorder:
        rows, ranges = self._manifest.range_rows, self._state.ranges
        return Recorder(self._storage, self._layout, self._shard.index, self._attempt.id, rows, ranges, iso_now)

    def _works(self, reader: ShardReader, recorder: Recorder, wanted: Wanted) -> Iterator[Work | None]:
        """Yield the objects to look at, with what is known of them; ``None`` where the recorder needs a moment."""
        known, facts = -1, {}
        for index, works in reader.rows(wanted):
            while recorder.is_busy:
                yield None
            if index != known:
                facts = self._done.facts(self._storage, index, with_messages=self._whole.operation.reads_messages)
                known = index
            begun = recorder.begin(index)
            for work in works:
                if self._whole.concerns(work.obj):
                    begun.waiting += 1
                    yield work._replace(obj=with_done(work.obj, facts[work.number]))

    def _concluded(self, executor: Executor, team: Teamwork, tally: Tally, earlier: int) -> Summary:
        """
        Leave the attempt's last word, and return what it did.

        Raises:
            PausedError: the job is paused, and objects are left.
        """
        duration_s = time.monotonic() - self._began
        pause, is_stopped = self._steering.pause, self._whole.stop.is_set()
        stopped = "the task was asked to stop" if is_stopped else pause.sentence() if pause else ""
        pace, sent = executor.pace.window, (executor.requests, executor.retries)
        summary = Summary(tally, *sent, pace.slow_downs, duration_s, stopped=stopped, earlier=earlier)
        self._attempt.conclude(self._storage, self._layout, summary, team.account())
        self._whole.progress(f"{self._name}: {_told(tally)} in {duration_s:,.1f} s, {executor.requests:,} requests")
        if pause and not is_stopped:
            raise self._steering.paused(f"{self._name}: stopped after {tally.objects:,} objects", has_begun=True)
        return summary


def _without_verdict(chosen: Mapping[int, bytearray], state: ShardState) -> Wanted:
    """Return those of the *chosen* rows that *state* has no verdict of, or not that they are right; ascending."""
    wanted: Wanted = {}
    for index in sorted(chosen):
        left = state.unfinished.get(index, b"")  # no entry: all are right; None: all are left
        flags = bytes(chosen[index]) if left is None else bytes(map(int.__and__, chosen[index], left))
        if any(flags):
            wanted[index] = flags
    return wanted


def _told(tally: Tally) -> str:
    """Return ``1,000 objects looked at: all are as they should be``, or how many are not."""
    if not tally.failed:
        return f"{tally.objects:,} objects looked at: all are as they should be"
    codes = ", ".join(f"{code} {n:,}" for code, n in sorted(tally.codes.items(), key=lambda item: -item[1]))
    return f"{tally.objects:,} objects looked at: {tally.failed:,} are not as they should be, or not readable ({codes})"
