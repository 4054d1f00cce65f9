"""
Claims: keeps two attempts from working on one object with an operation that forbids a replay.

Before the first object of a row range is begun, the attempt leaves a file that says so, then lists what others left.
Stores show a file in every listing from the moment on that it is written, so of two attempts that claim the same range
at least one sees the other. A crash therefore leaves the ranges in doubt that it had begun, and no others.
"""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from airflow_s3batch.core.commits import spans_of
from airflow_s3batch.core.outcomes import OUTCOME_UNKNOWN
from airflow_s3batch.engine.shards.evidence import claimants, ordinals_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from airflow_s3batch.core.commits import Commit, Spans
    from airflow_s3batch.core.layout import GenerationLayout
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.engine.shards.shard_state import ShardState


class Claims:
    """
    What one attempt at one shard has claimed. A context manager that waits for its writer.

    Belongs to one thread; files are written and listed by another, so that requests go on meanwhile.
    """

    def __init__(
        self, storage: Storage, generation: GenerationLayout, shard: int, attempt: str, state: ShardState
    ) -> None:
        """*state* is what was found before this attempt began."""
        self._storage = storage
        self._generation = generation
        self._shard = shard
        self._attempt = attempt
        self._state = state
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="s3batch-claim")
        self._index = -1
        self._claim: Future[frozenset[int]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.shutdown(wait=True, cancel_futures=True)

    def holds(self, index: int) -> bool:
        """
        Return whether the claim on range *index* is made; the first call begins with it. Ranges come in order.

        Raises:
            S3BatchError: the claim can't be written.
        """
        if index != self._index or self._claim is None:
            self._index = index
            self._claim = self._writer.submit(self._doubts, index)
        if self._claim.done():
            self._claim.result()
            return True
        return False

    def forbids(self, ordinal: int) -> bool:
        """Return whether another attempt may have worked on *ordinal* of the range that was claimed last."""
        return self._claim is not None and ordinal in self._claim.result()

    def _doubts(self, index: int) -> frozenset[int]:
        url = self._generation.claim(self._shard, index, self._attempt)
        self._storage.write(url, self._meant(index), "application/json")
        return in_doubt(self._storage, self._generation, self._shard, index, self._state, without={self._attempt})

    def _meant(self, index: int) -> bytes:
        """Return the body of a claim on range *index*: a rehearsal says which few rows it means."""
        flags = self._state.unfinished[index] if self._state.is_sample else None
        if flags is None:
            return b"{}"
        rows = spans_of(ordinal for ordinal, is_meant in enumerate(flags) if is_meant)
        return json.dumps({"rows": rows}, separators=(",", ":")).encode()


def in_doubt(
    storage: Storage,
    generation: GenerationLayout,
    shard: int,
    index: int,
    state: ShardState,
    *,
    without: Collection[str] = (),
    may_be_claimed: bool = True,
) -> frozenset[int]:
    """
    Return the ordinals of range *index* whose outcome is unknown, or lost; attempts *without* are passed over.

    Where it can't have been claimed, *may_be_claimed* saves a listing.
    """
    others = {
        attempt: _rows_of(storage, generation.claim(shard, index, attempt))
        for attempt in (claimants(storage, generation.shard(shard), index) if may_be_claimed else ())
        if attempt not in without and attempt not in state.ended
    }
    read = state.evidence.read_commits(storage, state.ranges[index])
    commits = [commit for commit in read if commit.attempt not in without]
    unknown = (unknown_in(storage, generation.url.bucket, commit) for commit in commits)
    return state.doubts(commits, index, others).union(*unknown)


def _rows_of(storage: Storage, claim: S3Url) -> Spans | None:
    """Return which rows are claimed; ``None`` for all, also where the *claim* does not tell."""
    try:
        body = json.loads(storage.read(claim) or b"{}")
        return tuple((int(start), int(end)) for start, end in body["rows"])
    except (ValueError, KeyError, TypeError):
        return None


def unknown_in(storage: Storage, bucket: str, commit: Commit) -> Iterator[int]:
    """Yield the ordinals that *commit* calls `OUTCOME_UNKNOWN`."""
    return ordinals_of(storage, bucket, commit, OUTCOME_UNKNOWN)
