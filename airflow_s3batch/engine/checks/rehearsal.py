"""
A rehearsal: the operation is really done to a few random objects before the job is run.

It works as attempts at their shards, in the operation task's own generation. So the job does only the rest afterwards,
each object has one outcome, and whatever kills, retries or clears either of them is as harmless as ever.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.iso_times import iso_now
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import ShardRef
from airflow_s3batch.core.outcomes import NOT_ATTEMPTED, Summary, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.core.verdicts import is_transient
from airflow_s3batch.engine.checks.rehearsal_notes import BEGAN, ENDED, announced, write_note
from airflow_s3batch.engine.checks.sampling import sampled
from airflow_s3batch.engine.jobs.aws_rounds import refuse_beside_aws
from airflow_s3batch.engine.jobs.job_manifest import published_manifest
from airflow_s3batch.engine.policy import Policy, allowed_count
from airflow_s3batch.engine.shards.attempt import Attempt
from airflow_s3batch.engine.shards.generation import open_generation
from airflow_s3batch.engine.shards.shard import ShardRun
from airflow_s3batch.operations.declared import for_workers

if TYPE_CHECKING:
    from airflow_s3batch.core.layout import GenerationLayout
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.checks.sampling import Sample
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.engine.loop.threshold import Threshold
    from airflow_s3batch.engine.shards.shard_state import ShardState
    from airflow_s3batch.operations.base import Operation


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """
    What became of the sample.

    Attributes:
        operation: its name in logs.
        objects: in the sample; *of* so many in the manifest.
        tally: outcomes of the sample's objects, those of earlier attempts at it included; what was not reached is
            `NOT_ATTEMPTED`.
        counted: failures that are not tolerated; *allowed* would be no reason to stop.
        requests: that this attempt has sent; it took *seconds*.
        stopped: why this attempt ended before it had reached all; empty if it did not.
        advice: a sentence on the cause of the failures, if it is known.
    """

    operation: str
    objects: int
    of: int
    tally: Tally = field(default_factory=Tally)
    counted: int = 0
    allowed: int = 0
    requests: int = 0
    seconds: float = 0.0
    stopped: str = ""
    advice: str = ""

    @property
    def is_green(self) -> bool:
        """Whether the job may be run."""
        return self.counted <= self.allowed

    def sentence(self) -> str:
        """Return what was rehearsed and how it went, for people."""
        told = f"rehearsal of {self.operation} on {self.objects:,} random objects of {self.of:,}"
        codes = [code for code, urls in self.tally.examples.items() if urls]
        code = max(codes, key=lambda code: self.tally.codes[code], default="")
        first = f". First: {self.tally.examples[code][0]} ({code})" if code else ""
        counts = f"; {self.counted:,} count, {self.allowed:,} are allowed" if self.tally.failed else ""
        return f"{told}: {self.tally.sentence()}{counts}{first}"

    def counts(self) -> dict[str, Any]:
        """Return the numbers, JSON-ready, without any key: for XCom."""
        return {
            "objects": self.objects,
            "of": self.of,
            "succeeded": self.tally.succeeded,
            "failed": self.tally.failed,
            "counted_failures": self.counted,
            "allowed": self.allowed,
            "codes": dict(sorted(self.tally.codes.items(), key=lambda item: -item[1])[:20]),
            "bytes": self.tally.bytes,
            "requests": self.requests,
            "seconds": round(self.seconds, 1),
        }


def rehearse(
    job_url: str,
    operation: Operation | Sequence[Operation],
    objects: int,
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
) -> Rehearsal:
    """
    Do *operation* to *objects* random objects of the job's manifest, or to what is left of them; return the outcome.

    They are the same in every attempt. *policy* says what is tolerated, and how many of them may fail. *task_id* is the
    operation task's, which does the rest later. The other arguments are those of `run_shard`.

    Raises:
        TooManyFailuresError: more failed than ``policy.allowed_failures``; everything is recorded.
        InfrastructureError: what failed, or was not reached, may succeed in another attempt.

    Also what `run_shard` raises.
    """
    chosen = for_workers(operation)
    chosen.check_machine()
    layout = JobLayout(S3Url.parse(job_url, what="job"))
    manifest = published_manifest(storage, layout)
    began = Attempt.begin(0, try_number)
    sample = sampled(manifest, objects)
    policy = policy or Policy()
    refuse_beside_aws(storage, layout.operation(task_id), f"rehearsal of {chosen.name}")
    generation = _generation(storage, layout, task_id, chosen, policy, sample, began.started, resume=resume)
    attempts = {
        shard: Attempt.begin(shard, try_number).behind(announced(storage, generation, shard)) for shard in sample
    }
    note: dict[str, Any] = {
        "state": BEGAN,
        "objects": min(objects, manifest.rows),
        "of": manifest.rows,
        "attempts": {str(shard): attempt.id for shard, attempt in attempts.items()},
        "started": began.started,
    }
    write_note(storage, generation, began.id, note)

    def run_of(shard: int) -> SampleRun:
        run = SampleRun(
            ShardRef(job_url, shard, manifest.shards[shard].rows),
            chosen,
            access,
            storage,
            task_id,
            try_number,
            policy,
            progress,
            stop,
        )
        run.attempt = attempts[shard]
        run.shares_store = shares_store
        run.take(generation, sample[shard])
        return run

    rehearsal = _done(manifest, chosen.name, sample, policy, run_of)
    ended = {
        **note,
        "state": ENDED,
        **rehearsal.counts(),
        "examples": rehearsal.tally.examples,
        "is_green": rehearsal.is_green,
        "sentence": rehearsal.sentence(),
        "ended": iso_now(),
    }
    write_note(storage, generation, began.id, ended)
    _judge(rehearsal, policy, is_asked_to_stop=stop is not None and stop.is_set())
    return rehearsal


class SampleRun(ShardRun):
    """An attempt at some rows of a shard. It does not judge: a few failures say nothing of the shard."""

    def take(self, generation: GenerationLayout, rows: Mapping[int, bytes]) -> None:
        """Work in *generation*, and on *rows* alone."""
        self._own = generation
        self._rows = rows

    @property
    def name(self) -> str:
        """For log lines and errors."""
        return f"rehearsal: {super().name}"

    def _generation(self, *, resume: bool) -> GenerationLayout:  # noqa: ARG002 - it is open already
        return self._own

    def _state(self, generation: GenerationLayout) -> ShardState:
        return super()._state(generation).only(self._rows)

    def _named(self, state: ShardState) -> Attempt:  # noqa: ARG002 - the note has its name already
        return self.attempt

    def _judge(self, summary: Summary, state: ShardState, threshold: Threshold) -> None:  # noqa: ARG002 - see above
        left = state.to_do - summary.tally.objects
        if left:
            summary.tally.add_failures(NOT_ATTEMPTED, left, [])


def _generation(
    storage: Storage,
    layout: JobLayout,
    task_id: str,
    operation: Operation,
    policy: Policy,
    shards: Iterable[int],
    opened: str,
    *,
    resume: bool,
) -> GenerationLayout:
    """Return the generation for attempts at all *shards*; where one of them has to start over, all do."""
    task = layout.operation(task_id)
    found = [
        open_generation(storage, task, operation, policy, shard=shard, resume=resume, opened=opened) for shard in shards
    ]
    return found[-1]


def _done(
    manifest: Manifest, name: str, sample: Sample, policy: Policy, run_of: Callable[[int], SampleRun]
) -> Rehearsal:
    """Run the shards of *sample* one after the other; the first that is stopped ends it."""
    started = time.monotonic()
    meant = {shard: sum(map(sum, ranges.values())) for shard, ranges in sample.items()}
    tally, requests, stopped, advice = Tally(), 0, "", ""
    for shard, rows in meant.items():
        if stopped:
            tally.add_failures(NOT_ATTEMPTED, rows, [])
            continue
        run = run_of(shard)
        summary = run.execute(resume=True)
        tally.add(summary.tally)
        tally.succeeded += summary.earlier
        requests += summary.requests
        stopped, advice = summary.stopped, run.refusals.advice or advice
    objects = sum(meant.values())
    return replace(
        Rehearsal(name, objects, manifest.rows, tally),
        counted=tally.counted_failures(policy.tolerate),
        allowed=allowed_count(policy.allowed_failures, objects),
        requests=requests,
        seconds=time.monotonic() - started,
        stopped=stopped,
        advice=advice,
    )


def _judge(rehearsal: Rehearsal, policy: Policy, *, is_asked_to_stop: bool) -> None:
    codes = rehearsal.tally.codes
    skipped = codes.get(NOT_ATTEMPTED, 0)
    if skipped and is_asked_to_stop:
        raise InfrastructureError(f"{rehearsal.sentence()}. It was asked to stop; the next attempt does the rest")
    if rehearsal.is_green:
        return
    passing = sum(number for code, number in codes.items() if is_transient(code) and code not in policy.tolerate)
    if passing and rehearsal.counted - passing - skipped <= rehearsal.allowed:
        raise InfrastructureError(
            f"{rehearsal.sentence()}. These are troubles of the store or the network: the next attempt does them again"
        )
    stopped = f" Stopped early: {rehearsal.stopped}." if rehearsal.stopped else ""
    advice = f" {rehearsal.advice}" if rehearsal.advice else ""
    raise TooManyFailuresError(
        f"{rehearsal.sentence()}.{advice}{stopped} The job was not run. Fix the cause and clear this task: what failed "
        "is rehearsed again, and then the rest is run"
    )
