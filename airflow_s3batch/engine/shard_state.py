"""What earlier attempts at a shard left, and so what is left to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from airflow_s3batch.core.commits import Commit, Spans, merge, ordinals_in
from airflow_s3batch.core.layout import GenerationLayout
from airflow_s3batch.core.manifest import Manifest, RowRange, ShardFile
from airflow_s3batch.engine.evidence import ShardEvidence, gather
from airflow_s3batch.engine.storage import Storage

_READERS = 8


@dataclass(frozen=True, slots=True)
class ShardState:
    """
    What earlier attempts at a shard left.

    Attributes:
        evidence: their files.
        ranges: the shard's row ranges, by index.
        unfinished: what is to be done of them, by index: ``None`` for a whole range, else a byte for each of its rows
            that is 1 if the row is to be done. Ranges that are done are left out. At most a byte per row of the shard.
        to_do: how many rows that are.
        ended: attempts that ended in order: what they have left without an outcome, they have not begun.
        began: Unix time at which the first attempt was named, by its worker's clock; 0 if there was none.
    """

    evidence: ShardEvidence
    ranges: Mapping[int, RowRange]
    unfinished: Mapping[int, bytes | None]
    to_do: int
    ended: frozenset[str]
    began: float

    @property
    def attempts(self) -> int:
        """How many attempts there were."""
        return len(self.evidence.attempts)

    @property
    def succeeded(self) -> int:
        """How many rows have succeeded."""
        return self.evidence.shard.rows - self.to_do

    def doubts(self, commits: Collection[Commit], index: int, claimants: Collection[str]) -> frozenset[int]:
        """
        Return the ordinals of range *index* that one of *claimants* may have worked on without leaving an outcome.

        Those are attempts that claimed the range, before this state was read or since; *commits* are the range's.
        """
        found: set[int] = set()
        for attempt in set(claimants) - self.ended:
            told = {o for commit in commits if commit.attempt == attempt for o in ordinals_in(commit.attempted)}
            found.update(set(range(self.ranges[index].rows)) - told)
        return frozenset(found)


def shard_state(
    storage: Storage,
    manifest: Manifest,
    shard: ShardFile,
    generation: GenerationLayout,
    *,
    without: Collection[str] = (),
) -> ShardState:
    """
    Return what the files of *generation* tell about *shard*; commits of the attempts *without* are passed over.

    Raises:
        JobDamagedError: they contradict the manifest or one another.
    """
    ranges = list(shard.ranges(manifest.range_rows))
    evidence = gather(storage, shard, generation.shard(shard.index), ranges[-1].index)

    def left(row_range: RowRange) -> Spans:
        commits = evidence.read_commits(storage, row_range)
        return merge(row_range, (commit for commit in commits if commit.attempt not in without)).unfinished

    unfinished: dict[int, bytes | None] = {}
    to_do = 0
    with ThreadPoolExecutor(_READERS) as pool:
        for row_range, spans in zip(ranges, pool.map(left, ranges), strict=True):
            rows = sum(end - start for start, end in spans)
            to_do += rows
            if rows:
                unfinished[row_range.index] = _flags(spans, row_range.rows) if rows < row_range.rows else None
    ended = frozenset(attempt for attempt, told in evidence.summaries.items() if not told.abandoned)
    began = min((attempt_time(attempt) for attempt in evidence.attempts), default=0.0)
    return ShardState(evidence, {entry.index: entry for entry in ranges}, unfinished, to_do, ended, began)


def _flags(spans: Spans, rows: int) -> bytes:
    """Return *rows* bytes, 1 for each ordinal in *spans*."""
    flags = bytearray(rows)
    for start, end in spans:
        flags[start:end] = b"\1" * (end - start)
    return bytes(flags)


def attempt_time(attempt: str) -> float:
    """Return the Unix time that is part of an attempt's name, ``<try>-<milliseconds>-<random>``; 0 if there is none."""
    milliseconds = attempt.split("-")[1:2]
    return int(milliseconds[0]) / 1000 if milliseconds and milliseconds[0].isdigit() else 0.0
