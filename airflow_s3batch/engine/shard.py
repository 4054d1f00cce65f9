"""`run_shard`: one attempt at one shard of a job, from its manifest rows to committed result files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.layout import GenerationLayout, JobLayout
from airflow_s3batch.core.manifest import ShardRef
from airflow_s3batch.core.outcomes import Summary, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.attempt import Attempt
from airflow_s3batch.engine.aws_rounds import refuse_beside_aws
from airflow_s3batch.engine.executor import Executor
from airflow_s3batch.engine.generation import open_generation
from airflow_s3batch.engine.job_manifest import check_columns, published_manifest
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.preflight import capabilities_for, verdict_from_json, verdict_to_json
from airflow_s3batch.engine.progress import Progress
from airflow_s3batch.engine.refusals import Refusals
from airflow_s3batch.engine.shard_file import fetch_shard
from airflow_s3batch.engine.shard_reader import ShardReader
from airflow_s3batch.engine.shard_state import ShardState, shard_state
from airflow_s3batch.engine.shard_verdict import judge_shard
from airflow_s3batch.engine.shard_work import ShardWork
from airflow_s3batch.engine.staging import staging_folder
from airflow_s3batch.engine.storage import Storage
from airflow_s3batch.engine.teamwork import Teamwork
from airflow_s3batch.engine.threshold import Threshold
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.declared import for_workers
from airflow_s3batch.operations.requests import Capabilities


def run_shard(
    ref: ShardRef,
    operation: Operation | Sequence[Operation],
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
        operation: what to do, or several such in order; their fields are checked first.
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
        ArgumentError: *operation* is none, or one that AWS alone can do.
        TooManyFailuresError: more failed than ``policy.allowed_failures``; everything is committed.
        JobChangedError: the job was begun with another operation, or an AWS job may be at work on its objects.
        JobDamagedError: the job's files are not as they were written.
        CapabilityError: the store does not do what the operation needs; no object was touched.
        AccessError: the store refuses.
        InfrastructureError: the store misbehaved for long, or *stop* was set; trying again may help.
    """
    chosen = for_workers(operation)
    run = _ShardRun(ref, chosen, access, storage, task_id, try_number, policy or Policy(), progress, stop)
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
        self.clock_started = time.monotonic()
        self.attempt = Attempt.begin(ref.shard, try_number)
        self.manifest = published_manifest(storage, self.layout)
        if not 0 <= ref.shard < len(self.manifest.shards):
            raise JobDamagedError(f"{self.layout.manifest}: there is no shard {ref.shard}")
        self.shard = self.manifest.shards[ref.shard]
        self.shares_store = True
        self.abandoned = 0
        self.refusals = Refusals(operation, policy, None)

    @property
    def name(self) -> str:
        """For log lines and errors."""
        return f"{self.operation.name}, shard {self.shard.index}"

    def execute(self, *, resume: bool) -> Summary:
        """Run all phases; see `run_shard`."""
        self.operation.check_machine()
        check_columns(self.operation, self.manifest)
        refuse_beside_aws(self.storage, self.task, self.name)
        generation = open_generation(
            self.storage,
            self.task,
            self.operation,
            self.policy,
            shard=self.shard.index,
            resume=resume,
            opened=self.attempt.started,
        )
        state = shard_state(self.storage, self.manifest, self.shard, generation)
        if not state.to_do:
            self.say(f"{self.name}: all {self.shard.rows:,} objects have succeeded already, nothing is left to do")
            return Summary(Tally(), earlier=self.shard.rows)
        threshold = Threshold(self.policy, earlier=state.succeeded)
        with (
            Executor(self.access, self.policy) as executor,
            self._team(generation, state, executor, threshold) as team,
        ):
            if threshold.keep_going():
                tally = self._work(executor, generation, state, threshold, team)
            else:
                self._announce(generation, state)
                tally = Tally()
            summary = self._summarize(executor, generation, state, tally, threshold, team)
        judge_shard(
            self.name,
            summary,
            state.to_do,
            self.shard.rows,
            self.policy,
            is_asked_to_stop=self.stop.is_set() and not (threshold.reason or self.refusals.reason),
            is_job_lost=threshold.is_job_lost,
            advice=self.refusals.advice,
        )
        return summary

    def _team(
        self, generation: GenerationLayout, state: ShardState, executor: Executor, threshold: Threshold
    ) -> Teamwork:
        return Teamwork(self.storage, generation, self.manifest, self.attempt, state, self.policy, executor, threshold)

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
        self.attempt.announce(self.storage, generation, self.policy)
        kept = f", {state.succeeded:,} succeeded in earlier attempts" if state.attempts else ""
        self.say(f"{self.name}: {state.to_do:,} of {self.shard.rows:,} objects to do{kept}")

    def _work(
        self,
        executor: Executor,
        generation: GenerationLayout,
        state: ShardState,
        threshold: Threshold,
        team: Teamwork,
    ) -> Tally:
        with staging_folder() as folder:
            path = fetch_shard(self.storage, self.manifest.job_url.bucket, self.shard, folder)
            reader = ShardReader(path, self.manifest.columns, self.manifest.range_rows)
            capabilities = self._capabilities(executor, generation, reader)
            self._announce(generation, state)
            return self._run(executor, generation, reader, state, capabilities, threshold, team)

    def _run(
        self,
        executor: Executor,
        generation: GenerationLayout,
        reader: ShardReader,
        state: ShardState,
        capabilities: Capabilities,
        threshold: Threshold,
        team: Teamwork,
    ) -> Tally:
        lines = Progress(
            self.operation.name,
            state.succeeded,
            self.shard.rows,
            every_s=self.policy.progress_every_s,
            load=team.load,
            write=self.say,
            clock=time.monotonic,
        )
        work = ShardWork(
            self.storage, generation, self.manifest, self.attempt, state, self.operation, self.policy, reader
        )
        self.refusals = work.refusals
        tally = work.run(executor, capabilities, lines, threshold, self.stop)
        self.abandoned = work.abandoned
        return tally

    def _summarize(
        self,
        executor: Executor,
        generation: GenerationLayout,
        state: ShardState,
        tally: Tally,
        threshold: Threshold,
        team: Teamwork,
    ) -> Summary:
        duration_s = time.monotonic() - self.clock_started
        summary = Summary(
            tally,
            executor.requests,
            executor.retries,
            executor.pace.window.slow_downs,
            duration_s,
            stopped=threshold.reason
            or self.refusals.reason
            or ("the task was asked to stop" if self.stop.is_set() else ""),
            earlier=state.succeeded,
        )
        self.attempt.conclude(self.storage, generation, summary, {"abandoned": self.abandoned, **team.account()})
        rate = tally.objects / duration_s if duration_s else 0.0
        self.say(
            f"{self.name}: {tally.sentence()} in {duration_s:,.1f} s ({rate:,.0f}/s, {summary.requests:,} requests)"
        )
        return summary
