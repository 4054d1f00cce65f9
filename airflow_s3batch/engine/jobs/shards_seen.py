"""How far a job's shards are, as seen from outside: from the pulses that attempts leave, without touching anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.engine.jobs.job_news import ALIVE_BEATS, Pulse, read_pulses
from airflow_s3batch.engine.policy import Policy

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_s3batch.core.layout import GenerationLayout
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.files.storage import Storage

SILENT_S = ALIVE_BEATS * Policy().pulse_every_s + 15.0
"""Older than that, a sign of life is none any more; clocks and listings are allowed to be some seconds off."""

RUNNING, DONE, STOPPED, SILENT, WAITING = "running", "done", "stopped", "silent", "waiting"


class ShardSeen(NamedTuple):
    """
    What is known of a shard from outside.

    Attributes:
        rows: objects of the shard; *done* have an outcome, *failed* of them in a way that another attempt won't change.
        state: ``running``; ``done``; ``stopped`` before its last object, in order; ``silent``, begun and not heard of
            for long; ``waiting``, never begun.
        age_s: seconds since it was heard of; ``None`` if never.
    """

    shard: int
    rows: int
    done: int = 0
    failed: int = 0
    state: str = WAITING
    age_s: float | None = None


def shards_seen(
    storage: Storage, manifest: Manifest, generation: GenerationLayout | None, now: datetime
) -> list[ShardSeen]:
    """Return what is known of each shard of *manifest*, in their order; of each its newest attempt counts."""
    pulses = read_pulses(storage.list(generation.pulses / ""), manifest) if generation else {}
    newest = {pulse.shard: pulse for _, pulse in sorted(pulses.items())}
    return [
        _seen(shard.index, shard.rows, newest.get(shard.index), now) if shard.rows else ShardSeen(shard.index, 0)
        for shard in manifest.shards
    ]


def _seen(shard: int, rows: int, pulse: Pulse | None, now: datetime) -> ShardSeen:
    if pulse is None:
        return ShardSeen(shard, rows)
    age_s = max(0.0, (now - pulse.at).total_seconds())
    how_ended, how_goes = DONE if pulse.done >= rows else STOPPED, RUNNING if age_s < SILENT_S else SILENT
    return ShardSeen(shard, rows, pulse.done, pulse.failed, how_ended if pulse.is_over else how_goes, age_s)
