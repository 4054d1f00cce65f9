"""`run_shard`: one attempt at one shard of a job, from its manifest rows to committed result files."""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from airflow_s3batch.core.errors import JobDamagedError, ManifestError
from airflow_s3batch.core.layout import GenerationLayout, JobLayout
from airflow_s3batch.core.manifest import FIXED_COLUMNS, Manifest, ShardRef
from airflow_s3batch.core.outcomes import OUTCOME_UNKNOWN, Outcome, Summary, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.evidence import SUMMARY_FORMAT
from airflow_s3batch.engine.exchange import Work
from airflow_s3batch.engine.executor import Executor
from airflow_s3batch.engine.generation import open_generation
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.preflight import capabilities_for, verdict_from_json, verdict_to_json
from airflow_s3batch.engine.progress import Progress
from airflow_s3batch.engine.recorder import Recorder
from airflow_s3batch.engine.shard_file import fetch_shard
from airflow_s3batch.engine.shard_reader import ShardReader
from airflow_s3batch.engine.shard_state import ShardState, shard_state
from airflow_s3batch.engine.shard_verdict import judge_shard
from airflow_s3batch.engine.storage import Storage
from airflow_s3batch.engine.threshold import Threshold
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.requests import Capabilities, RunContext


def run_shard(
    ref: ShardRef,
    operation: Operation,
    *,
    access: S3Access,
    storage: Storage,
    task_id: str,
    try_number: int = 1,
    policy: Policy | None = None,
    resume: bool = True,
    progress: Callable[[str], None] = lambda _: None,
    stop: threading.Event | None = None,
    shares_store: bool = True,
) -> Summary:
    """
    Do what is left of one shard and commit every outcome; return what this attempt did.

    Args:
        ref: which shard of which job.
        operation: what to do; its fields are checked first.
        access: the store that holds the objects.
        storage: where the job's files are.
        task_id: of the operation task; names its folder in the job's.
        try_number: of Airflow, from 1; makes later attempts sort behind earlier ones.
        policy: limits and tolerances.
        resume: keep what earlier attempts achieved; else start over in a new generation.
        progress: takes a line every ``policy.progress_every_s`` seconds, and one at start and end.
        stop: once set, no new object is started, and what has an outcome is committed.
        shares_store: the job's files and the objects lie in the same store, so that the preflight can try the
            operation in the job's folder; else it does so in the objects' bucket, under ``.s3batch-scratch/``.

    Raises:
        TooManyFailuresError: more failed than ``policy.allowed_failures``; everything is committed.
        JobChangedError: the job was begun with another operation.
        JobDamagedError: the job's files are not as they were written.
        CapabilityError: the store does not do what the operation needs; no object was touched.
        AccessError: the store refuses.
        InfrastructureError: the store misbehaved for long, or *stop* was set; trying again may help.
    """
    run = _ShardRun(ref, operation, access, storage, task_id, try_number, policy or Policy(), progress, stop)
    run.shares_store = shares_store
    return run.execute(resume=resume)


class _ShardRun:
    """The state that the phases of `run_shard` share."""

    def __init__(
        self,
        ref: ShardRef,
        operation: Operation,
        access: S3Access,
        storage: Storage,
        task_id: str,
        try_number: int,
        policy: Policy,
        progress: Callable[[str], None],
        stop: threading.Event | None,
    ) -> None:
        self.operation = operation
        self.access = access
        self.storage = storage
        self.policy = policy
        self.say = progress
        self.stop = stop or threading.Event()
        self.layout = JobLayout(S3Url.parse(ref.job_url, what="job"))
        self.task = self.layout.operation(task_id)
        self.started = _now()
        self.clock_started = time.monotonic()
        self.attempt = f"{try_number:04d}-{int(time.time() * 1000):013d}-{secrets.token_hex(3)}"
        self.manifest = _read_manifest(storage, self.layout)
        if not 0 <= ref.shard < len(self.manifest.shards):
            raise JobDamagedError(f"{self.layout.manifest}: there is no shard {ref.shard}")
        self.shard = self.manifest.shards[ref.shard]
        self.threshold = Threshold(policy)
        self.shares_store = True

    @property
    def name(self) -> str:
        """For log lines and errors."""
        return f"{self.operation.name}, shard {self.shard.index}"

    def execute(self, *, resume: bool) -> Summary:
        """Run all phases; see `run_shard`."""
        self.operation.validate()
        _check_columns(self.operation, self.manifest)
        generation = open_generation(
            self.storage,
            self.task,
            self.operation,
            self.policy,
            shard=self.shard.index,
            resume=resume,
            opened=self.started,
        )
        state = shard_state(self.storage, self.manifest, self.shard, generation)
        if not state.to_do:
            self.say(f"{self.name}: all {self.shard.rows:,} objects have succeeded already, nothing is left to do")
            return Summary(Tally(), earlier=self.shard.rows)
        with (
            tempfile.TemporaryDirectory(prefix="s3batch-") as folder,
            Executor(self.access, self.policy) as executor,
        ):
            path = fetch_shard(self.storage, self.manifest.job_url.bucket, self.shard, Path(folder))
            reader = ShardReader(path, self.manifest.columns, self.manifest.range_rows)
            capabilities = self._capabilities(executor, generation, reader)
            self._announce(generation, state)
            tally = self._work(executor, generation, reader, state, capabilities)
            summary = replace(self._summarize(executor, generation, tally), earlier=state.succeeded)
        is_asked_to_stop = self.stop.is_set() and not self.threshold.reason
        judge_shard(self.name, summary, state.to_do, self.shard.rows, self.policy, is_asked_to_stop=is_asked_to_stop)
        return summary

    def _capabilities(self, executor: Executor, generation: GenerationLayout, reader: ShardReader) -> Capabilities:
        body = self.storage.read(generation.verdict)
        endpoint = self.access.endpoint
        known = verdict_from_json(body, endpoint, place=str(generation.verdict)) if body is not None else None
        if known is not None:
            return known
        sample = reader.first()
        if sample is None:
            raise JobDamagedError(f"{self.manifest.job_url}: shard {self.shard.index} has no rows")
        scratch = generation.scratch if self.shares_store else S3Url(sample.bucket, ".s3batch-scratch")
        found = capabilities_for(executor, self.access, self.operation, sample, scratch)
        self.storage.write(generation.verdict, verdict_to_json(found, endpoint).encode(), "application/json")
        return found

    def _announce(self, generation: GenerationLayout, state: ShardState) -> None:
        document = {
            "attempt": self.attempt,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": self.started,
            "policy": self.policy.to_json(),
        }
        url = generation.attempt(self.shard.index, self.attempt)
        self.storage.write(url, json.dumps(document).encode(), "application/json")
        kept = f", {state.succeeded:,} succeeded in earlier attempts" if state.attempts else ""
        self.say(f"{self.name}: {state.to_do:,} of {self.shard.rows:,} objects to do{kept}")

    def _work(
        self,
        executor: Executor,
        generation: GenerationLayout,
        reader: ShardReader,
        state: ShardState,
        capabilities: Capabilities,
    ) -> Tally:
        ranges = {index: entry.range for index, entry in state.ranges.items()}
        lines = Progress(
            self.operation.name,
            state.succeeded,
            self.shard.rows,
            every_s=self.policy.progress_every_s,
            write=self.say,
            clock=time.monotonic,
        )
        recorder = Recorder(
            self.storage, generation, self.shard.index, self.attempt, self.manifest.range_rows, ranges, _now
        )
        done = failed = 0

        def settle(work: Work, outcome: Outcome) -> None:
            nonlocal done, failed
            done += 1
            failed += bool(outcome.error_code)
            self.threshold.count(outcome)
            recorder.record(work.number, work.obj, outcome)

        def keep_going() -> bool:
            lines.tick(done, failed, executor.window.slow_downs)
            return self.threshold.keep_going() and not self.stop.is_set()

        with recorder:
            try:
                executor.run(
                    self.operation,
                    self._source(reader, state, recorder, settle),
                    RunContext(capabilities, is_replay=state.attempts > 0),
                    settle,
                    keep_going=keep_going,
                )
            finally:
                recorder.finish()
        return recorder.tally

    def _source(
        self,
        reader: ShardReader,
        state: ShardState,
        recorder: Recorder,
        settle: Callable[[Work, Outcome], None],
    ) -> Iterator[Work | None]:
        """Yield the objects to do; ``None`` where the recorder needs a moment."""
        forbids_replay = self.operation.replay is Replay.UNSAFE and state.was_cut and not self.policy.replay_unsafe
        for number, obj in reader.rows(state.unfinished):
            while recorder.is_busy:
                yield None
            recorder.hand_out(number)
            index, ordinal = divmod(number, self.manifest.range_rows)
            if forbids_replay and state.ranges[index].lacks(ordinal):
                settle(Work(number, obj), _UNKNOWN)
            else:
                yield Work(number, obj)

    def _summarize(self, executor: Executor, generation: GenerationLayout, tally: Tally) -> Summary:
        stopped = self.threshold.reason or ("the task was asked to stop" if self.stop.is_set() else "")
        duration_s = time.monotonic() - self.clock_started
        summary = Summary(tally, executor.requests, executor.retries, executor.window.slow_downs, duration_s, stopped)
        document = {
            "format": SUMMARY_FORMAT,
            "shard": self.shard.index,
            "attempt": self.attempt,
            "tally": tally.to_json(),
            "requests": summary.requests,
            "retries": summary.retries,
            "slow_downs": summary.slow_downs,
            "duration_s": round(duration_s, 3),
            "stopped": stopped,
            "started": self.started,
            "ended": _now(),
        }
        url = generation.summary(self.shard.index, self.attempt)
        self.storage.write(url, json.dumps(document).encode(), "application/json")
        rate = tally.objects / duration_s if duration_s else 0.0
        self.say(
            f"{self.name}: {tally.sentence()} in {duration_s:,.1f} s ({rate:,.0f}/s, {summary.requests:,} requests)"
        )
        return summary


_UNKNOWN = Outcome(
    0, OUTCOME_UNKNOWN, "an earlier attempt may have worked on this object before it died; not done again"
)


def _read_manifest(storage: Storage, layout: JobLayout) -> Manifest:
    body = storage.read(layout.manifest)
    if body is None:
        raise JobDamagedError(f"{layout.manifest}: missing; clear the manifest task to publish it again")
    return Manifest.from_json(body, place=str(layout.manifest))


def _check_columns(operation: Operation, manifest: Manifest) -> None:
    known = {*FIXED_COLUMNS, *manifest.columns}
    if missing := sorted(operation.columns() - known):
        raise ManifestError(
            f"{operation.name}: Column({missing[0]!r}) is not in the manifest, which has {', '.join(sorted(known))}; "
            "add it to columns="
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
