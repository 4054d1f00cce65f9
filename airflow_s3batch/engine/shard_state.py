"""What earlier attempts at a shard left, and so what is left to do."""

from __future__ import annotations

from collections.abc import Collection
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
        ended: those that ended in order: what they have left without an outcome, they have not begun.
        began: Unix time at which the first of them was named, by its worker's clock; 0 if there was none.
    """

    ranges: dict[int, RangeState]
    attempts: int
    ended: frozenset[str] = frozenset()
    began: float = 0.0

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

    def doubts(self, index: int, claimants: Collection[str]) -> frozenset[int]:
        """
        Return the ordinals of range *index* that one of *claimants* may have worked on without leaving an outcome.

        Those are attempts that claimed the range, before this state was read or since.
        """
        state = self.ranges[index]
        found: set[int] = set()
        for attempt in set(claimants) - self.ended:
            told = {o for commit in state.commits if commit.attempt == attempt for o in ordinals_in(commit.attempted)}
            found.update(set(range(state.range.rows)) - told)
        return frozenset(found)


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
    ended = frozenset(attempt for attempt, told in evidence.summaries.items() if not told.abandoned)
    began = min((attempt_time(attempt) for attempt in evidence.attempts), default=0.0)
    return ShardState(states, len(evidence.attempts), ended, began)


def attempt_time(attempt: str) -> float:
    """Return the Unix time that is part of an attempt's name, ``<try>-<milliseconds>-<random>``; 0 if there is none."""
    milliseconds = attempt.split("-")[1:2]
    return int(milliseconds[0]) / 1000 if milliseconds and milliseconds[0].isdigit() else 0.0
