"""The phase of an attempt in which objects are worked on: from the shard's rows to recorded outcomes."""

from __future__ import annotations

import functools
import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from airflow_s3batch.core.errors import InfrastructureError
from airflow_s3batch.core.iso_times import iso_now
from airflow_s3batch.core.layout import GenerationLayout
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.outcomes import DRY_RUN, OUTCOME_UNKNOWN, Outcome, Tally
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.engine.jobs.teamwork import Teamwork
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.loop.progress import Progress
from airflow_s3batch.engine.loop.refusals import Refusals
from airflow_s3batch.engine.loop.threshold import Threshold
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.attempt import Attempt
from airflow_s3batch.engine.shards.claims import Claims
from airflow_s3batch.engine.shards.doubts import Doubts
from airflow_s3batch.engine.shards.recorder import Recorder
from airflow_s3batch.engine.shards.shard_reader import ShardReader
from airflow_s3batch.engine.shards.shard_state import ShardState
from airflow_s3batch.engine.wire.exchange import Work
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.requests import Capabilities, RunContext

GRACE_S = 1.0
"""How long requests in flight are waited for once no new object is begun."""

log = logging.getLogger(__name__)

_UNKNOWN = Outcome(
    0,
    OUTCOME_UNKNOWN,
    "another attempt may have worked on this object and left no outcome; not done again unless replay_unsafe=True",
)


class ShardWork:
    """
    What one attempt does to what is left of its shard.

    Attributes:
        tally: of what has an outcome, also where `run` raises.
        abandoned: objects that were begun and have no outcome; likewise.
        is_recorded: all of that is committed.
        refusals: what failed for want of a permission.
    """

    def __init__(
        self,
        storage: Storage,
        generation: GenerationLayout,
        manifest: Manifest,
        attempt: Attempt,
        state: ShardState,
        operation: Operation,
        policy: Policy,
        reader: ShardReader,
    ) -> None:
        self._storage = storage
        self._generation = generation
        self._manifest = manifest
        self._attempt = attempt
        self._state = state
        self._operation = operation
        self._policy = policy
        self._reader = reader
        self.tally = Tally()
        self.is_recorded = False
        self.abandoned = 0
        self.refusals = Refusals(operation, policy, state.to_do)

    def run(
        self,
        executor: Executor,
        capabilities: Capabilities,
        lines: Progress,
        threshold: Threshold,
        stop: threading.Event,
        team: Teamwork,
    ) -> Tally:
        """
        Work until the shard is done, *threshold* or *team* says no, or *stop* is set; then all outcomes are committed.

        Where the job is paused, what was begun gets its answer: what must not be done twice for as long as that takes,
        and other objects for as long as one request may take; they are done again later.
        """
        state = self._state
        shard, attempt = self._attempt.shard, self._attempt.id
        recorder = Recorder(
            self._storage, self._generation, shard, attempt, self._manifest.range_rows, state.ranges, iso_now
        )
        done = failed = 0

        def record(work: Work, outcome: Outcome) -> None:
            nonlocal done, failed
            done += 1
            if not outcome.error_code:
                lines.bytes += work.obj.size or 0
            elif outcome.error_code != DRY_RUN:
                failed += 1
                self.refusals.count(work.obj, outcome, succeeded=done - failed)
                lines.failures.count(work.obj, outcome)
            threshold.count(outcome)
            recorder.record(work.number, work.obj, outcome)

        doubts = Doubts(self._storage, self._generation, self._attempt, state, self._operation, record)

        def keep_going() -> bool:
            doubts.tick()
            lines.tick(done, failed)
            goes_on = threshold.keep_going() and self.refusals.keep_going() and not stop.is_set()
            return team.keep_going() and goes_on

        def grace_s() -> float:
            return GRACE_S if stop.is_set() or not team.is_paused else paused_grace_s(self._operation, self._policy)

        with recorder, Claims(self._storage, self._generation, shard, attempt, state) as claims:
            threshold.begin()
            begun = time.monotonic()
            context = RunContext(
                capabilities,
                is_replay=bool(state.unsettled),
                elapsed_s=lambda: time.time() - state.began,
                attempt_s=lambda: time.monotonic() - begun,
                job_id=self._manifest.job_url.key.rpartition("/")[2],
            )
            works = self._source(recorder, claims, record)
            try:
                run = functools.partial(
                    executor.run,
                    keep_going=keep_going,
                    grace_s=grace_s,
                    on_withdrawn=lambda work: recorder.withdraw(work.number),
                    is_untouched=lambda number: state.is_untouched(*divmod(number, self._manifest.range_rows)),
                )
                run(self._operation, doubts.until_rival(works), context, doubts.take)
                doubts.settle()
                if doubts.has_rival and keep_going():
                    context = replace(context, is_replay=True, attempt_s=float)
                    context = replace(context, elapsed_s=lambda: time.time() - doubts.began)
                    rest = itertools.chain(doubts.again, works)
                    run(self._operation, rest, context, record, is_untouched=lambda _: False)  # the rival may have
            except InfrastructureError as error:
                if not team.is_paused:  # else what was in flight is done again later
                    raise
                log.info("while the job was being paused: %s", error)
            finally:
                doubts.settle()
                try:
                    recorder.finish()
                    self.is_recorded = True
                finally:
                    self.tally, self.abandoned = recorder.tally, recorder.abandoned
        return self.tally

    def _source(
        self, recorder: Recorder, claims: Claims, record: Callable[[Work, Outcome], None]
    ) -> Iterator[Work | None]:
        """Yield the objects to do; ``None`` where the recorder needs a moment, or a claim does."""
        is_unsafe = self._operation.replay is Replay.UNSAFE
        for index, works in self._reader.rows(self._state.unfinished):
            while recorder.is_busy or (is_unsafe and not claims.holds(index)):
                yield None
            begun = recorder.begin(index)
            for work in works:
                begun.waiting += 1
                if (
                    is_unsafe
                    and not self._policy.replay_unsafe
                    and claims.forbids(work.number % self._manifest.range_rows)
                ):
                    record(work, _UNKNOWN)
                else:
                    yield work


def paused_grace_s(operation: Operation, policy: Policy) -> float:
    """Return how long what was begun is waited for when the job is paused."""
    return math.inf if operation.replay is Replay.UNSAFE else policy.request_timeout_s
