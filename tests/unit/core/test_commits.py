"""Commits and the rule that merges attempts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.core.commits import Commit, PartFile, merge, ordinals_in, spans_of
from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.manifest import RowRange
from airflow_s3batch.core.outcomes import Tally

RANGE = RowRange(3, 36, 12)


def commit(attempt: str, outcomes: dict[int, bool]) -> Commit:
    """Return a commit with these outcomes: by ordinal, whether it succeeded."""
    attempted = sorted(outcomes)
    failed = [ordinal for ordinal in attempted if not outcomes[ordinal]]
    good = len(attempted) - len(failed)
    return Commit(
        attempt,
        RANGE,
        spans_of(attempted),
        spans_of(failed),
        PartFile("s", good, 1, "m", "e") if good else None,
        PartFile("f", len(failed), 1, "m", "e") if failed else None,
        Tally(good, len(failed), 0, {"AccessDenied": len(failed)} if failed else {}),
        "a",
        "b",
    )


outcome_maps = st.dictionaries(st.integers(0, RANGE.rows - 1), st.booleans())


@given(st.lists(outcome_maps, max_size=5), st.randoms())
def test_each_row_has_one_outcome_by_the_rule(attempts: list[dict[int, bool]], chance: object) -> None:
    """A success wins (the oldest), else the newest failure; rows nobody attempted are missing. Order is irrelevant."""
    commits = [commit(f"{number:04d}", outcomes) for number, outcomes in enumerate(attempts)]
    shuffled = list(commits)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    state = merge(RANGE, shuffled)
    for ordinal in range(RANGE.rows):
        tries = [(n, outcomes[ordinal]) for n, outcomes in enumerate(attempts) if ordinal in outcomes]
        successes = [n for n, is_success in tries if is_success]
        owners = [n for n, spans in enumerate(state.succeeded) if ordinal in set(ordinals_in(spans))]
        losers = [n for n, spans in enumerate(state.failed) if ordinal in set(ordinals_in(spans))]
        missing = ordinal in set(ordinals_in(state.missing))
        assert owners == successes[:1]
        assert losers == ([] if successes else [n for n, _ in tries][-1:])
        assert missing == (not tries)
        assert (ordinal in set(ordinals_in(state.unfinished))) == (not successes)


@given(outcome_maps)
def test_commits_survive_json(outcomes: dict[int, bool]) -> None:
    """What is written is read back."""
    original = commit("0001", outcomes)
    assert Commit.from_json(original.to_json(), place="x") == original


def test_a_commit_that_contradicts_itself_is_refused() -> None:
    """Fewer rows in the file than ordinals in the commit: somebody altered it."""
    good = commit("1", {0: True, 1: True})
    bad = replace(good, succeeded_file=PartFile("s", 1, 1, "m", "e"))
    with pytest.raises(JobDamagedError, match="s3://place"):
        Commit.from_json(bad.to_json(), place="s3://place")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format":"x"}'])
def test_foreign_files_are_refused(text: str) -> None:
    """Anything that is not a commit of this package."""
    with pytest.raises(JobDamagedError):
        Commit.from_json(text, place="x")


def test_a_cut_commit_is_refused() -> None:
    """Every proper prefix of a commit's text is no commit."""
    text = commit("1", {0: True, 1: False}).to_json()
    assert json.loads(text)
    for length in range(0, len(text) - 1, 7):
        with pytest.raises(JobDamagedError):
            Commit.from_json(text[:length], place="x")
