"""What earlier attempts at a shard left, and so what is left to do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from airflow_s3batch.core.commits import RangeState, merge, ordinals_in
from airflow_s3batch.core.layout import GenerationLayout
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.engine.evidence import gather
from airflow_s3batch.engine.storage import Storage

_READERS = 8


@dataclass(frozen=True, slots=True)
class ShardState:
    """
    What earlier attempts at a shard left.

    Attributes:
        ranges: by index.
        attempts: how many there were.
        was_cut: one of them did not end in order: what has no outcome may have been worked on.
    """

    ranges: dict[int, RangeState]
    attempts: int
    was_cut: bool

    @property
    def unfinished(self) -> dict[int, frozenset[int] | None]:
        """The rows to do, by range index: ``None`` for a whole range."""
        wanted: dict[int, frozenset[int] | None] = {}
        for index, state in self.ranges.items():
            if not state.commits:
                wanted[index] = None
            elif spans := state.unfinished:
                wanted[index] = frozenset(ordinals_in(spans))
        return wanted

    @property
    def succeeded(self) -> int:
        """How many rows have succeeded."""
        return sum(state.range.rows for state in self.ranges.values()) - self.to_do

    @property
    def to_do(self) -> int:
        """How many rows are unfinished."""
        sizes = (
            self.ranges[index].range.rows if ordinals is None else len(ordinals)
            for index, ordinals in self.unfinished.items()
        )
        return sum(sizes)


def shard_state(storage: Storage, manifest: Manifest, shard: ShardFile, generation: GenerationLayout) -> ShardState:
    """
    Return what the files of *generation* tell about *shard*.

    Raises:
        JobDamagedError: they contradict the manifest or one another.
    """
    ranges = list(shard.ranges(manifest.range_rows))
    evidence = gather(storage, shard, generation.shard(shard.index), ranges[-1].index)
    with ThreadPoolExecutor(_READERS) as pool:
        commits = list(pool.map(lambda entry: evidence.read_commits(storage, entry), ranges))
    states = {entry.index: merge(entry, found) for entry, found in zip(ranges, commits, strict=True)}
    was_cut = any(attempt not in evidence.summaries for attempt in evidence.attempts)
    return ShardState(states, len(evidence.attempts), was_cut)
