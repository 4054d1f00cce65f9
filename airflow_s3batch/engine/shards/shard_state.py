"""What earlier attempts at a shard left, and so what is left to do."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from airflow_s3batch.core.commits import Commit, RangeState, Spans, merge, ordinals_in, spans_of
from airflow_s3batch.core.layout import GenerationLayout
from airflow_s3batch.core.manifest import Manifest, RowRange, ShardFile
from airflow_s3batch.core.outcomes import UNTOUCHED
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.engine.shards.evidence import ShardEvidence, gather, ordinals_of

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
        ended: attempts that ended in order, and all of whose outcomes are here: what they have left without one, they
            have not begun. Of one that ends while its files are listed, the end may be seen and its last commits not.
        rows: how many rows are meant: the shard's, or those of a sample.
        is_sample: only a sample of the rows is meant.
        untouched: rows of which the last that is known says that they were left as they were, or that were never
            begun, by range index: a byte for each of its rows, 1 if it is such a row.
    """

    evidence: ShardEvidence
    ranges: Mapping[int, RowRange]
    unfinished: Mapping[int, bytes | None]
    to_do: int
    ended: frozenset[str]
    rows: int
    is_sample: bool = False
    untouched: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def attempts(self) -> int:
        """How many attempts there were."""
        return len(self.evidence.attempts)

    @property
    def succeeded(self) -> int:
        """How many rows have succeeded; in a dry run, how many were looked at and would be done."""
        return self.rows - self.to_do

    @property
    def settled(self) -> frozenset[str]:
        """
        Workers' attempts that ended in order and without a failure: nothing that is left was ever begun by them.

        AWS does not tell what it had begun when a job was cancelled.
        """
        told = ((attempt, self.evidence.summaries[attempt]) for attempt in self.ended)
        return frozenset(attempt for attempt, summary in told if not (summary.failed or summary.aws_job))

    @property
    def unsettled(self) -> frozenset[str]:
        """The other attempts; what is left to do may have been begun by one of them."""
        return frozenset(self.evidence.attempts) - self.settled

    @property
    def is_fresh(self) -> bool:
        """Whether no attempt has failed at anything, or stopped early: there was none, or a rehearsal went well."""
        return not self.unsettled and not any(self.evidence.summaries[attempt].stopped for attempt in self.settled)

    @property
    def began(self) -> float:
        """Unix time at which the first of those was named, by its worker's clock; 0 if there was none."""
        return min((attempt_time(attempt) for attempt in self.unsettled), default=0.0)

    def is_untouched(self, index: int, ordinal: int) -> bool:
        """Return whether no attempt has done anything to row *ordinal* of range *index*, as far as it is known."""
        flags = self.untouched.get(index)
        return flags is not None and flags[ordinal] == 1

    def only(self, sample: Mapping[int, bytes]) -> ShardState:
        """Return the same, with nothing to do but the rows of *sample*: by range index a byte per row, 1 if meant."""
        unfinished = {}
        for index, wanted in sample.items():
            if index not in self.unfinished:
                continue
            flags = self.unfinished[index]
            left = wanted if flags is None else bytes(a & b for a, b in zip(flags, wanted, strict=True))
            if any(left):
                unfinished[index] = left
        to_do = sum(sum(flags) for flags in unfinished.values())
        rows = sum(sum(flags) for flags in sample.values())
        return replace(self, unfinished=unfinished, to_do=to_do, rows=rows, is_sample=True)

    def doubts(self, commits: Collection[Commit], index: int, claims: Mapping[str, Spans | None]) -> frozenset[int]:
        """
        Return the ordinals of range *index* that another attempt may have worked on without leaving an outcome.

        *claims* has the attempts that claimed the range, before this state was read or since, with the rows that they
        meant, ``None`` for all; *commits* are the range's.
        """
        found: set[int] = set()
        for attempt in set(claims) - self.ended:
            told = {o for commit in commits if commit.attempt == attempt for o in ordinals_in(commit.attempted)}
            spans = claims[attempt]
            meant = range(self.ranges[index].rows) if spans is None else ordinals_in(spans)
            found.update(set(meant) - told)
        return frozenset(found)


def shard_state(
    storage: Storage,
    manifest: Manifest,
    shard: ShardFile,
    generation: GenerationLayout,
    *,
    without: Collection[str] = (),
    done_code: str = "",
) -> ShardState:
    """
    Return what the files of *generation* tell about *shard*; commits of the attempts *without* are passed over.

    Rows that failed with *done_code* are done all the same: in a dry run.

    Raises:
        JobDamagedError: they contradict the manifest or one another.
    """
    ranges = list(shard.ranges(manifest.range_rows))
    evidence = gather(storage, shard, generation.shard(shard.index), ranges[-1].index)

    found, counting = Counter[str](), threading.Lock()
    spared: dict[int, dict[str, bytes]] = {}

    def left(row_range: RowRange) -> Spans:
        commits = evidence.read_commits(storage, row_range)
        with counting:
            found.update({commit.attempt: commit.tally.objects for commit in commits})
        merged = merge(row_range, (commit for commit in commits if commit.attempt not in without))
        if evidence.attempts and (told := _untouched(storage, generation.url.bucket, merged)):
            spared[row_range.index] = told
        return _without_code(storage, generation.url.bucket, merged, done_code) if done_code else merged.unfinished

    unfinished: dict[int, bytes | None] = {}
    to_do = 0
    with ThreadPoolExecutor(_READERS) as pool:
        for row_range, spans in zip(ranges, pool.map(left, ranges), strict=True):
            rows = sum(end - start for start, end in spans)
            to_do += rows
            if rows:
                unfinished[row_range.index] = _flags(spans, row_range.rows) if rows < row_range.rows else None
    ended = frozenset(
        attempt for attempt, told in evidence.summaries.items() if not told.abandoned and found[attempt] == told.objects
    )
    is_told = {attempt for attempt in ended if not evidence.summaries[attempt].aws_job}
    newest_open = max(set(evidence.attempts) - is_told, default="")
    untouched = {
        index: bytes(map(max, zip(*flags, strict=True)))
        for index, told in spared.items()
        if (flags := [flags for attempt, flags in told.items() if attempt >= newest_open])
    }
    by_index = {entry.index: entry for entry in ranges}
    return ShardState(evidence, by_index, unfinished, to_do, ended, shard.rows, untouched=untouched)


def _untouched(storage: Storage, bucket: str, state: RangeState) -> dict[str, bytes]:
    """
    Return by attempt a byte per row of *state*: 1 if it is left, and the attempt said last that it left it alone.

    Of rows without an outcome, which stand under no name, each attempt says so that has ended in order.
    """
    found = {"": _flags(state.missing, state.range.rows)} if state.missing else {}
    for commit, kept in zip(state.commits, state.failed, strict=True):
        codes = UNTOUCHED & commit.tally.codes.keys() if kept else frozenset()
        told = {ordinal for code in codes for ordinal in ordinals_of(storage, bucket, commit, code)}
        if spans := spans_of(sorted(told.intersection(ordinals_in(kept)))):
            found[commit.attempt] = _flags(spans, state.range.rows)
    return found


def _without_code(storage: Storage, bucket: str, state: RangeState, code: str) -> Spans:
    """Return the unfinished ordinals of *state*, but for those that failed with *code*."""
    unfinished = set(ordinals_in(state.unfinished))
    for commit, kept in zip(state.commits, state.failed, strict=True):
        unfinished -= set(ordinals_in(kept)).intersection(ordinals_of(storage, bucket, commit, code))
    return spans_of(sorted(unfinished))


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
