"""`run_shard`: one attempt at one shard of a job, from its manifest rows to committed result files."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence

from airflow_s3batch.core.errors import AccessError, InfrastructureError, JobDamagedError, S3BatchError
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.layout import GenerationLayout, JobLayout
from airflow_s3batch.core.manifest import ShardRef
from airflow_s3batch.core.outcomes import DRY_RUN, Summary, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.checks.dry_run import DryRun, dry_policy
from airflow_s3batch.engine.checks.preflight import capabilities_for, looked_up, verdict_from_json, verdict_to_json
from airflow_s3batch.engine.files.staging import staging_folder
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.engine.jobs.aws_rounds import refuse_beside_aws
from airflow_s3batch.engine.jobs.job_manifest import check_columns, published_manifest
from airflow_s3batch.engine.jobs.rivalry import heed_rivals
from airflow_s3batch.engine.jobs.running import Running
from airflow_s3batch.engine.jobs.teamwork import Teamwork
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.loop.progress import Progress, Snapshot
from airflow_s3batch.engine.loop.refusals import Refusals
from airflow_s3batch.engine.loop.steering import Steering
from airflow_s3batch.engine.loop.threshold import Threshold
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.attempt import Attempt
from airflow_s3batch.engine.shards.generation import open_generation
from airflow_s3batch.engine.shards.shard_file import fetch_shard
from airflow_s3batch.engine.shards.shard_reader import ShardReader
from airflow_s3batch.engine.shards.shard_state import ShardState, shard_state
from airflow_s3batch.engine.shards.shard_verdict import judge_shard
from airflow_s3batch.engine.shards.shard_work import ShardWork
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.declared import for_workers
from airflow_s3batch.operations.requests import Capabilities

_MOST_WORDS = 200  # they stand in each row of the report that was not reached


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
    tell: Callable[[Snapshot], None] = lambda _: None,
    dry_run: bool = False,
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
        tell: takes a `Snapshot` when the work begins, with each line of *progress*, and at the end.
        dry_run: send only what reads. Each object fails with ``DryRun``, which is tolerated, or with what a look at it
            has shown; the store is not tried on scratch objects.

    Raises:
        ArgumentError: *operation* is none, or one that AWS alone can do.
        TooManyFailuresError: more failed than ``policy.allowed_failures``; everything is committed.
        RivalError: another job is at work on the same objects, and ``policy.if_running`` says not to begin then.
        JobChangedError: the job was begun with another operation, or as a dry run and this is none (or the other way
            round), or an AWS job may be at work on its objects.
        JobDamagedError: the job's files are not as they were written.
        CapabilityError: the store does not do what the operation needs; no object was touched.
        AccessError: the store refuses.
        PausedError: the job was paused by its ``control.json``, before the attempt or meanwhile; what has an outcome is
            committed.
        InfrastructureError: the store misbehaved for long, or *stop* was set; trying again may help.
    """
    chosen = for_workers(operation)
    run = ShardRun(ref, chosen, access, storage, task_id, try_number, policy or Policy(), progress, stop)
    run.shares_store = shares_store
    run.tell = tell
    run.dry_run = dry_run
    return run.execute(resume=resume)


class ShardRun:
    """
    The state that the phases of an attempt share.

    Attributes:
        shares_store: as `run_shard` documents it, and so are *dry_run* and *tell*.
    """

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
        self.dry_run = False
        self.tell: Callable[[Snapshot], None] = lambda _: None
        self.abandoned = 0
        self.notice = ""
        self.refusals = Refusals(operation, policy, None)
        self.steering = Steering(storage, self.layout, say=progress)

    @property
    def name(self) -> str:
        """For log lines and errors."""
        return f"{'dry run: ' if self.dry_run else ''}{self.operation.name}, shard {self.shard.index}"

    def execute(self, *, resume: bool) -> Summary:
        """Run all phases; see `run_shard`."""
        if self.dry_run:
            self.policy = dry_policy(self.policy)
        self.operation.check_machine()
        check_columns(self.operation, self.manifest)
        self.steering.begin(self.name)
        refuse_beside_aws(self.storage, self.task, self.name)
        generation = self._generation(resume=resume)
        self._look_around(generation)
        state = self._state(generation)
        self.attempt = self._named(state)
        lines = self._lines(state)
        if not state.to_do:
            lines.end()
            reached = "were looked at in a dry run" if self.dry_run else "have succeeded"
            self.say(f"{self.name}: all {state.rows:,} objects {reached} already, nothing is left to do")
            return Summary(Tally(), earlier=state.rows)
        threshold = Threshold(self.policy, earlier=state.succeeded)
        with (
            Executor(self.access, self.policy, is_read_only=self.dry_run) as executor,
            self._team(generation, state, executor, threshold) as team,
        ):
            if threshold.keep_going():
                tally = self._work(executor, generation, state, threshold, team, lines)
            else:
                self._announce(generation, state)
                tally = Tally()
            summary = self._summarize(executor, generation, state, tally, threshold, team)
            is_paused = self._is_paused(state, tally, threshold)
            lines.end(
                "paused" if is_paused else "stopped" if summary.stopped else "ended",
                summary.stopped,
                done=tally.objects,
            )
        if is_paused:
            raise self.steering.paused(f"{self.name}: stopped after {tally.objects:,} objects", has_begun=True)
        self._judge(summary, state, threshold)
        return summary

    def _look_around(self, generation: GenerationLayout) -> None:
        """Heed other jobs that are at work on the same objects; a dry run neither heeds nor disturbs anybody."""
        if self.dry_run:
            return
        running = Running(
            self.storage,
            self.layout,
            self.task.url.key.rpartition("/")[2],
            generation,
            self.manifest,
            operation=self.operation.name,
            what=fingerprint(self.operation.to_json()),
        )
        self.notice = heed_rivals(running, self.operation, self.policy.if_running, self.name)

    def _generation(self, *, resume: bool) -> GenerationLayout:
        return open_generation(
            self.storage,
            self.task,
            self.operation,
            self.policy,
            shard=self.shard.index,
            resume=resume,
            opened=self.attempt.started,
            dry_run=self.dry_run,
        )

    def _state(self, generation: GenerationLayout) -> ShardState:
        done_code = DRY_RUN if self.dry_run else ""
        return shard_state(self.storage, self.manifest, self.shard, generation, done_code=done_code)

    def _named(self, state: ShardState) -> Attempt:
        """Return the attempt, which sorts behind all before it: a rehearsal may have taken more tries."""
        return self.attempt.behind(state.evidence.attempts)

    def _judge(self, summary: Summary, state: ShardState, threshold: Threshold) -> None:
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

    def _lines(self, state: ShardState) -> Progress:
        return Progress(
            self.operation.name,
            state.succeeded,
            state.rows,
            every_s=self.policy.progress_every_s,
            write=self.say,
            clock=time.monotonic,
            tell=self.tell,
            shards=len(self.manifest.shards),
            notice=self.notice,
        )

    def _team(
        self, generation: GenerationLayout, state: ShardState, executor: Executor, threshold: Threshold
    ) -> Teamwork:
        return Teamwork(
            self.storage,
            generation,
            self.manifest,
            self.attempt,
            state,
            self.policy,
            executor,
            threshold,
            self.steering,
        )

    def _is_paused(self, state: ShardState, tally: Tally, threshold: Threshold) -> bool:
        """Whether a pause, and nothing else, keeps objects of the shard from being done."""
        others = threshold.reason or self.refusals.reason or self.stop.is_set()
        return self.steering.pause is not None and tally.objects < state.to_do and not others

    def _capabilities(self, executor: Executor, generation: GenerationLayout, reader: ShardReader) -> Capabilities:
        body = self.storage.read(generation.verdict)
        endpoint = self.access.endpoint
        known = verdict_from_json(body, endpoint, place=str(generation.verdict)) if body is not None else None
        if known is not None:
            return known
        sample = reader.first()
        if sample is None:
            raise JobDamagedError(f"{self.manifest.job_url}: shard {self.shard.index} has no rows")
        if self.dry_run:
            return looked_up(executor, self.access, self.operation, sample, self.manifest.buckets)
        scratch = generation.scratch if self.shares_store else S3Url(sample.bucket, ".s3batch-scratch")
        found = capabilities_for(executor, self.access, self.operation, sample, scratch, self.manifest.buckets)
        self.storage.write(generation.verdict, verdict_to_json(found, endpoint).encode(), "application/json")
        return found

    def _announce(self, generation: GenerationLayout, state: ShardState) -> None:
        self.attempt.announce(self.storage, generation, self.policy)
        done, to_do = ("looked at", "to look at: a dry run") if self.dry_run else ("succeeded", "to do")
        kept = f", {state.succeeded:,} {done} in earlier attempts" if state.attempts else ""
        self.say(f"{self.name}: {state.to_do:,} of {state.rows:,} objects {to_do}{kept}")

    def _work(
        self,
        executor: Executor,
        generation: GenerationLayout,
        state: ShardState,
        threshold: Threshold,
        team: Teamwork,
        lines: Progress,
    ) -> Tally:
        with staging_folder() as folder:
            path = fetch_shard(self.storage, self.manifest.job_url.bucket, self.shard, folder)
            reader = ShardReader(path, self.manifest.columns, self.manifest.range_rows)
            capabilities = self._capabilities(executor, generation, reader)
            self._announce(generation, state)
            lines.follow(team.load)
            team.heed = lines.heed
            lines.heed(self.steering.control)
            return self._run(executor, generation, reader, state, capabilities, threshold, lines, team)

    def _run(
        self,
        executor: Executor,
        generation: GenerationLayout,
        reader: ShardReader,
        state: ShardState,
        capabilities: Capabilities,
        threshold: Threshold,
        lines: Progress,
        team: Teamwork,
    ) -> Tally:
        operation = DryRun(self.operation) if self.dry_run else self.operation
        work = ShardWork(self.storage, generation, self.manifest, self.attempt, state, operation, self.policy, reader)
        self.refusals = work.refusals
        try:
            return work.run(executor, capabilities, lines, threshold, self.stop, team)
        except (AccessError, InfrastructureError) as error:
            if work.is_recorded:
                self._leave_word(executor, generation, work, team, str(error)[:_MOST_WORDS])
            raise
        finally:
            self.abandoned = work.abandoned

    def _leave_word(
        self, executor: Executor, generation: GenerationLayout, work: ShardWork, team: Teamwork, stopped: str
    ) -> None:
        """Say how an attempt ends that an error ends: what has no outcome was never begun, unless it says otherwise."""
        sent = executor.requests, executor.retries, executor.pace.window.slow_downs
        summary = Summary(work.tally, *sent, time.monotonic() - self.clock_started, stopped)
        with contextlib.suppress(S3BatchError):  # it is better off with it, and bears to be without
            self.attempt.conclude(self.storage, generation, summary, {"abandoned": work.abandoned, **team.account()})

    def _summarize(
        self,
        executor: Executor,
        generation: GenerationLayout,
        state: ShardState,
        tally: Tally,
        threshold: Threshold,
        team: Teamwork,
    ) -> Summary:
        duration_s, pause = time.monotonic() - self.clock_started, self.steering.pause
        summary = Summary(
            tally,
            executor.requests,
            executor.retries,
            executor.pace.window.slow_downs,
            duration_s,
            stopped=threshold.reason
            or self.refusals.reason
            or ("the task was asked to stop" if self.stop.is_set() else "")
            or (f"the job is {pause.sentence()}" if pause and tally.objects < state.to_do else ""),
            earlier=state.succeeded,
        )
        self.attempt.conclude(self.storage, generation, summary, {"abandoned": self.abandoned, **team.account()})
        rate = tally.objects / duration_s if duration_s else 0.0
        self.say(
            f"{self.name}: {tally.sentence()} in {duration_s:,.1f} s ({rate:,.0f}/s, {summary.requests:,} requests)"
        )
        return summary
