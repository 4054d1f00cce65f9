"""What earlier attempts mean for the next: what is left, what is a replay, what is in doubt."""

from __future__ import annotations

import pytest

from airflow_s3batch.core.manifest import RowRange, ShardFile
from airflow_s3batch.engine.shards.evidence import AttemptSummary, ShardEvidence
from airflow_s3batch.engine.shards.shard_state import ShardState

EARLY, LATE = "0001-0000000001000-aaaaaa", "0001-0000000002000-bbbbbb"
WELL = AttemptSummary(1, 0, 0, "", "2026-11-22T12:00:00Z", "2026-11-22T12:00:01Z")
RANGES = {index: RowRange(index, 4 * index, 4) for index in range(3)}


def state(summaries: dict[str, AttemptSummary], attempts: tuple[str, ...] = (EARLY,)) -> ShardState:
    shard = ShardFile(0, "shard", 12, 0, 0, "")
    evidence = ShardEvidence(shard, attempts=attempts, summaries=summaries)
    ended = frozenset(name for name, told in summaries.items() if not told.abandoned)
    return ShardState(evidence, RANGES, {0: None, 2: b"\1\0\0\1"}, 6, ended, 12)


@pytest.mark.parametrize(
    ("summary", "is_replay", "is_fresh"),
    [
        (WELL, False, True),
        (WELL._replace(stopped="the job is lost"), False, False),
        (WELL._replace(failed=1), True, False),
        (WELL._replace(abandoned=1), True, False),
        (WELL._replace(aws_job="f3cc4f60"), True, False),
        (None, True, False),
    ],
    ids=["went well", "stopped early", "failed", "abandoned", "AWS's", "killed"],
)
def test_only_an_attempt_that_left_nothing_open_makes_no_replay(
    summary: AttemptSummary | None, is_replay: bool, is_fresh: bool
) -> None:
    """One that was stopped has begun nothing that is left, but has heard why it was stopped."""
    found = state({EARLY: summary} if summary else {})
    assert (bool(found.unsettled), found.is_fresh) == (is_replay, is_fresh)
    assert found.began == (1.0 if is_replay else 0.0)


def test_without_an_attempt_nothing_is_a_replay() -> None:
    found = state({}, attempts=())
    assert (found.unsettled, found.is_fresh, found.began) == (frozenset(), True, 0.0)


def test_of_a_sample_only_what_is_unfinished_is_to_do() -> None:
    """Rows of it that are done are counted as such; other rows are no part of it."""
    found = state({}).only({0: b"\0\1\0\0", 1: b"\1\1\1\1", 2: b"\1\1\0\0"})
    assert found.unfinished == {0: b"\0\1\0\0", 2: b"\1\0\0\0"}
    assert (found.rows, found.to_do, found.succeeded, found.is_sample) == (7, 2, 5, True)


def test_a_claim_that_names_rows_leaves_the_others_out_of_doubt() -> None:
    found = state({EARLY: WELL}, attempts=(EARLY, LATE))
    assert found.doubts([], 0, {LATE: ((1, 2), (3, 4))}) == {1, 3}
    assert found.doubts([], 0, {LATE: None}) == {0, 1, 2, 3}
    assert found.doubts([], 0, {EARLY: None}) == frozenset()
