"""
What an attempt leaves behind for a row range, and how several attempts become one outcome per row.

A commit names the immutable result files of one attempt at one range. Rows are numbered from 0 within the range
(their *ordinal*); sets of ordinals are kept as spans ``[start, end)``. The rows of a file are in the order of
their ordinals, so that the n-th line belongs to the n-th ordinal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.manifest import RowRange
from airflow_s3batch.core.outcomes import Tally

FORMAT = "airflow-s3batch-commit/1"

Spans = tuple[tuple[int, int], ...]


def spans_of(ordinals: Iterable[int]) -> Spans:
    """Return ascending *ordinals* as spans ``[start, end)``."""
    spans: list[tuple[int, int]] = []
    for ordinal in ordinals:
        if spans and spans[-1][1] == ordinal:
            spans[-1] = (spans[-1][0], ordinal + 1)
        else:
            spans.append((ordinal, ordinal + 1))
    return tuple(spans)


def ordinals_in(spans: Spans) -> Iterator[int]:
    """Yield the ordinals of *spans*, ascending."""
    for start, end in spans:
        yield from range(start, end)


def number_in(spans: Spans) -> int:
    """Return how many ordinals *spans* hold."""
    return sum(end - start for start, end in spans)


@dataclass(frozen=True, slots=True)
class PartFile:
    """
    One result file of a commit.

    Attributes:
        key: in the job's bucket.
        rows: number of CSV rows; > 0.
        md5: hex.
        e_tag: what the store answered to the write, without quotes; where a listing shows another, the MD5 decides.
    """

    key: str
    rows: int
    bytes: int
    md5: str
    e_tag: str


@dataclass(frozen=True, slots=True)
class Commit:
    """
    One attempt's outcomes for one row range.

    Attributes:
        attempt: sorts by age: try number, start time, random part.
        attempted: ordinals that have an outcome in this commit.
        failed: those of them that failed.
        succeeded_file: ``None`` if nothing succeeded; likewise *failed_file*.
        tally: counts of this commit.
        started: ISO time of the range's first request; *ended* of its last outcome.
    """

    attempt: str
    range: RowRange
    attempted: Spans
    failed: Spans
    succeeded_file: PartFile | None
    failed_file: PartFile | None
    tally: Tally
    started: str
    ended: str

    def to_json(self) -> str:
        """Return the text of the commit object."""
        return json.dumps(
            {
                "format": FORMAT,
                "attempt": self.attempt,
                "range": list(self.range),
                "attempted": self.attempted,
                "failed": self.failed,
                "files": {
                    "succeeded": _part_json(self.succeeded_file),
                    "failed": _part_json(self.failed_file),
                },
                "tally": self.tally.to_json(),
                "started": self.started,
                "ended": self.ended,
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str | bytes, *, place: str) -> Commit:
        """
        Return the commit that `to_json` wrote; *place* is its URL for the error.

        Raises:
            JobDamagedError: *text* is not such a commit, or it contradicts itself.
        """
        try:
            data = json.loads(text)
            check_format(data["format"], FORMAT, place=place)
            commit = cls(
                data["attempt"],
                RowRange(*data["range"]),
                _spans_from(data["attempted"]),
                _spans_from(data["failed"]),
                _part_from(data["files"]["succeeded"]),
                _part_from(data["files"]["failed"]),
                Tally.from_json(data["tally"]),
                data["started"],
                data["ended"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise JobDamagedError(f"{place}: not a commit of this package ({error!r})") from None
        commit._check(place)
        return commit

    def _check(self, place: str) -> None:
        attempted, failed = set(ordinals_in(self.attempted)), set(ordinals_in(self.failed))
        rows = (
            self.succeeded_file.rows if self.succeeded_file else 0,
            self.failed_file.rows if self.failed_file else 0,
        )
        if (
            not failed <= attempted
            or any(not 0 <= ordinal < self.range.rows for ordinal in attempted)
            or rows != (len(attempted) - len(failed), len(failed))
            or (self.tally.succeeded, self.tally.failed) != rows
        ):
            raise JobDamagedError(f"{place}: the commit contradicts itself; it was altered or cut short")


def _part_json(part: PartFile | None) -> dict[str, Any] | None:
    if part is None:
        return None
    return {"key": part.key, "rows": part.rows, "bytes": part.bytes, "md5": part.md5, "e_tag": part.e_tag}


def _part_from(data: dict[str, Any] | None) -> PartFile | None:
    return None if data is None else PartFile(**data)


def _spans_from(data: list[list[int]]) -> Spans:
    return tuple((int(start), int(end)) for start, end in data)


@dataclass(frozen=True, slots=True)
class RangeState:
    """
    What is known about one row range after all commits of it.

    Attributes:
        commits: oldest attempt first.
        succeeded: for each commit the ordinals whose success counts.
        failed: for each commit the ordinals whose failure counts (no commit has a success for them).
        missing: ordinals without an outcome.
    """

    range: RowRange
    commits: tuple[Commit, ...]
    succeeded: tuple[Spans, ...]
    failed: tuple[Spans, ...]
    missing: Spans

    def lacks(self, ordinal: int) -> bool:
        """Return whether *ordinal* has no outcome."""
        return any(start <= ordinal < end for start, end in self.missing)

    @property
    def unfinished(self) -> Spans:
        """Ordinals that the next attempt works on: failed or without an outcome."""
        if not any(self.failed):
            return self.missing
        ordinals = set(ordinals_in(self.missing))
        for spans in self.failed:
            ordinals.update(ordinals_in(spans))
        return spans_of(sorted(ordinals))


def merge(row_range: RowRange, commits: Iterable[Commit]) -> RangeState:
    """Merge attempts by the one rule: a success wins (the oldest one stays), else the newest attempt."""
    ordered = tuple(sorted(commits, key=lambda commit: commit.attempt))
    if not ordered:
        return RangeState(row_range, (), (), (), ((0, row_range.rows),))
    if len(ordered) == 1 and ordered[0].attempted == ((0, row_range.rows),):
        only = ordered[0]
        return RangeState(row_range, ordered, (_minus(only.attempted, only.failed),), (only.failed,), ())
    success: list[int] = [-1] * row_range.rows
    failure: list[int] = [-1] * row_range.rows
    for number, commit in enumerate(ordered):
        failed = set(ordinals_in(commit.failed))
        for ordinal in ordinals_in(commit.attempted):
            if ordinal in failed:
                failure[ordinal] = number
            elif success[ordinal] < 0:
                success[ordinal] = number
    return RangeState(
        row_range,
        ordered,
        tuple(_spans_where(success, number) for number in range(len(ordered))),
        tuple(
            spans_of(o for o in range(row_range.rows) if success[o] < 0 and failure[o] == number)
            for number in range(len(ordered))
        ),
        spans_of(o for o in range(row_range.rows) if success[o] < 0 and failure[o] < 0),
    )


def _spans_where(owners: Sequence[int], number: int) -> Spans:
    return spans_of(ordinal for ordinal, owner in enumerate(owners) if owner == number)


def _minus(spans: Spans, others: Spans) -> Spans:
    if not others:
        return spans
    excluded = set(ordinals_in(others))
    return spans_of(ordinal for ordinal in ordinals_in(spans) if ordinal not in excluded)
