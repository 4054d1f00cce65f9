"""Outcomes become commits, range by range."""

from __future__ import annotations

import hashlib
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_s3batch.core.commits import Commit, merge, ordinals_in
from airflow_s3batch.core.completion_report import parse_rows
from airflow_s3batch.core.errors import InfrastructureError
from airflow_s3batch.core.layout import GenerationLayout
from airflow_s3batch.core.manifest import ShardFile
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.shards.recorder import Recorder
from airflow_s3batch.testing.storage import MemoryStorage

GENERATION = GenerationLayout(S3Url("ops", "job/run/g0001"))
ATTEMPT = "0001-0000000000001-abcdef"
RANGE_ROWS = 10


def recorder(storage: MemoryStorage, rows: int) -> Recorder:
    """Return a recorder for a shard of *rows* rows."""
    ranges = {entry.index: entry for entry in ShardFile(0, "k", rows, 0, 0, "").ranges(RANGE_ROWS)}
    return Recorder(storage, GENERATION, 0, ATTEMPT, RANGE_ROWS, ranges, lambda: "2026-01-01T00:00:00.000Z")


def commits(storage: MemoryStorage) -> dict[int, Commit]:
    """Return the commits by range index, each file checked against its checksum."""
    found = {}
    for file in storage.list(GENERATION.shard(0)):
        if file.url.key.endswith(".commit.json"):
            commit = Commit.from_json(storage.read(file.url) or b"", place=str(file.url))
            for part in (commit.succeeded_file, commit.failed_file):
                if part:
                    body = storage.read(S3Url("ops", part.key)) or b""
                    assert (len(body), hashlib.md5(body).hexdigest()) == (part.bytes, part.md5)
                    assert len(list(parse_rows(body.decode(), place="x"))) == part.rows
            found[commit.range.index] = commit
    return found


@settings(deadline=None)
@given(st.integers(1, 57), st.randoms(), st.data())
def test_every_row_is_recorded_once_in_any_order_of_completion(
    rows: int, chance: random.Random, data: st.DataObject
) -> None:
    """Outcomes come in any order, some never; each that came is in exactly one commit, at its ordinal."""
    storage = MemoryStorage()
    wanted = sorted(data.draw(st.sets(st.integers(0, rows - 1))))
    failing = data.draw(st.sets(st.sampled_from(wanted or [0])))
    lost = data.draw(st.sets(st.sampled_from(wanted or [0])))
    subject = recorder(storage, rows)
    with subject:
        flying: list[int] = []
        for number in wanted:
            hand_out(subject, number)
            flying.append(number)
            while flying and chance.random() < 0.6:
                settle(subject, flying.pop(chance.randrange(len(flying))), failing, lost)
        chance.shuffle(flying)
        for number in flying:
            settle(subject, number, failing, lost)
        subject.finish()
    attempted, failed = set(), set()
    for index, commit in commits(storage).items():
        base = index * RANGE_ROWS
        attempted |= {base + ordinal for ordinal in ordinals_in(commit.attempted)}
        failed |= {base + ordinal for ordinal in ordinals_in(commit.failed)}
    assert attempted == set(wanted) - lost
    assert failed == (failing & set(wanted)) - lost
    assert (subject.tally.objects, subject.tally.failed) == (len(attempted), len(failed))


def hand_out(subject: Recorder, number: int) -> None:
    """Begin row *number*."""
    subject.begin(number // RANGE_ROWS).waiting += 1


def settle(subject: Recorder, number: int, failing: set[int], lost: set[int]) -> None:
    """Record row *number*, unless its outcome is lost."""
    if number not in lost:
        outcome = Outcome(403, "AccessDenied", "no") if number in failing else SUCCESS
        subject.record(number, S3Object("b", f"key {number}"), outcome)


def test_lines_stand_in_the_order_of_their_ordinals() -> None:
    """The n-th line of a file belongs to the n-th ordinal."""
    storage = MemoryStorage()
    with recorder(storage, 10) as subject:
        for number in range(10):
            hand_out(subject, number)
        for number in reversed(range(10)):
            settle(subject, number, {1, 4}, set())
        subject.finish()
    commit = commits(storage)[0]
    assert commit.succeeded_file
    body = storage.read(S3Url("ops", commit.succeeded_file.key)) or b""
    assert [row.key for row in parse_rows(body.decode(), place="x")] == [f"key%20{n}" for n in (0, 2, 3, 5, 6, 7, 8, 9)]


def test_the_commit_is_written_last() -> None:
    """A kill -9 before it: the range counts as not done, and its files are nobody's."""
    order: list[str] = []
    storage = MemoryStorage(before=lambda verb, url: order.append(url.key) if verb == "write" else None)
    with recorder(storage, 10) as subject:
        for number in range(10):
            hand_out(subject, number)
            settle(subject, number, {3}, set())
        subject.finish()
    assert [key.rpartition(".")[2] for key in order] == ["csv", "csv", "json"]


def test_a_full_range_is_committed_while_others_are_open() -> None:
    """Nothing waits for the end of the shard."""
    storage = MemoryStorage()
    subject = recorder(storage, 30)
    with subject:
        for number in range(11):
            hand_out(subject, number)
            settle(subject, number, set(), set())
    state = merge(commits(storage)[0].range, commits(storage).values())
    assert not state.missing
    assert list(commits(storage)) == [0]


def test_a_store_that_refuses_is_told_at_once() -> None:
    """
    The error comes out where the run can stop, and at the end once more.

    Whoever swallows it at first, as a pause does, can't end in order: the next attempt would take it for the truth.
    """

    def refuse(verb: str, url: S3Url) -> None:
        if verb == "write" and "range-000000" in url.key:
            raise InfrastructureError("can't write")

    subject = recorder(MemoryStorage(before=refuse), 40)
    with subject:
        for number in range(20):
            hand_out(subject, number)
            settle(subject, number, set(), set())
        subject.begin(2)
        subject._writers.shutdown(wait=True)
        with pytest.raises(InfrastructureError, match="can't write"):
            _ = subject.is_busy
        with pytest.raises(InfrastructureError, match="can't write"):
            subject.finish()


def test_a_second_outcome_of_a_row_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """While the range is open, and after it was committed: the first outcome is the row's."""
    storage = MemoryStorage()
    with recorder(storage, 20) as subject:
        for number in range(11):
            hand_out(subject, number)
        settle(subject, 0, set(), set())
        settle(subject, 0, {0}, set())
        for number in range(1, 10):
            settle(subject, number, set(), set())
        settle(subject, 3, {3}, set())
        subject.finish()
    assert list(commits(storage)) == [0]
    assert (subject.tally.succeeded, subject.tally.failed) == (10, 0)
    assert "second outcome" in caplog.text


def test_a_store_that_answers_nothing_is_not_waited_for_once_per_range(monkeypatch: pytest.MonkeyPatch) -> None:
    """One write fails while the others hang: those that have not begun never do."""
    monkeypatch.setattr("airflow_s3batch.engine.shards.recorder._GRACE_S", 0.0)
    release = threading.Event()
    begun: list[S3Url] = []

    def hang(verb: str, url: S3Url) -> None:
        begun.append(url)
        if "range-000000" not in url.key:
            release.wait(30)
        raise InfrastructureError(f"can't {verb} {url}")

    subject = recorder(MemoryStorage(hang), 40 * RANGE_ROWS)
    with subject:
        for number in range(0, 40 * RANGE_ROWS, RANGE_ROWS):
            hand_out(subject, number)
            settle(subject, number, set(), set())
        threading.Timer(0.2, release.set).start()
        with pytest.raises(InfrastructureError, match="range-000000"):
            subject.finish()
    assert len(begun) < 20
