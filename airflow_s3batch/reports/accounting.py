"""
One row range's account: which result files count, and which rows are written anew.

A file of which every row counts is listed as it is. A file of which some rows were superseded by another attempt is
replaced by one that holds only those that count. Rows without any outcome are written as ``NotAttempted``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_s3batch.core.commits import Commit, PartFile, RangeState, Spans, merge, ordinals_in
from airflow_s3batch.core.completion_report import FAILED, SUCCEEDED, ResultFile, format_row
from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.outcomes import NOT_ATTEMPTED, Outcome, Tally
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_s3batch.core.manifest import RowRange
    from airflow_s3batch.engine.evidence import ShardEvidence
    from airflow_s3batch.engine.storage import Storage
    from airflow_s3batch.reports.shard_rows import ShardRows

CSV_FIELDS = 7


@dataclass(slots=True)
class RangeAccount:
    """
    Exactly one row for each manifest row of a range.

    Attributes:
        results: the files that hold these rows.
        tally: counts over these rows.
        failed_objects: ``bucket,key,version_id`` of each failed row, the key encoded, the version possibly empty.
        worked: by attempt, ISO times of its first request and its last outcome in this range.
    """

    results: list[ResultFile] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    failed_objects: list[str] = field(default_factory=list)
    worked: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RangeAccountant:
    """
    Makes the accounts of one shard's ranges; safe to use from several threads.

    Attributes:
        report: folder of the report; rewritten files go to its ``results/``.
    """

    storage: Storage
    evidence: ShardEvidence
    rows: ShardRows
    report: S3Url

    def account(self, row_range: RowRange) -> RangeAccount:
        """
        Return the account of *row_range*; holds no more than this range's rows in memory.

        Raises:
            JobDamagedError: a commit or a file that it names is missing or altered.
        """
        state = merge(row_range, self.evidence.read_commits(self.storage, row_range))
        account = RangeAccount(worked={commit.attempt: (commit.started, commit.ended) for commit in state.commits})
        rewritten = [*self._succeeded(state, account)]
        self._write(account, row_range, SUCCEEDED, rewritten)
        rewritten = [*self._failed(state, account), *self._not_attempted(state)]
        for line in rewritten:
            _count_failure(account, line)
        self._write(account, row_range, FAILED, rewritten)
        return account

    def _succeeded(self, state: RangeState, account: RangeAccount) -> Iterator[str]:
        """Take the files whose rows all count; yield the lines of the others that do."""
        for commit, kept in zip(state.commits, state.succeeded, strict=True):
            part = commit.succeeded_file
            rows = _count(kept)
            if part is None or not rows:
                continue
            account.tally.succeeded += rows
            if rows == part.rows:
                account.tally.bytes += commit.tally.bytes
                account.results.append(ResultFile(SUCCEEDED, self._url(part), part.md5))
            else:
                account.tally.bytes += sum(row.size or 0 for row in self.rows.rows(state.range, kept))
                yield from self._lines_of(commit, part, SUCCEEDED, kept)

    def _failed(self, state: RangeState, account: RangeAccount) -> Iterator[str]:
        """Take the files whose rows all count; yield the lines of the others that do."""
        for commit, kept in zip(state.commits, state.failed, strict=True):
            part = commit.failed_file
            rows = _count(kept)
            if part is None or not rows:
                continue
            lines = self._lines_of(commit, part, FAILED, kept)
            if rows < part.rows:
                yield from lines
                continue
            for code, number in commit.tally.codes.items():
                account.tally.add_failures(code, number, commit.tally.examples.get(code, []))
            account.failed_objects.extend(_object_of(line) for line in lines)
            account.results.append(ResultFile(FAILED, self._url(part), part.md5))

    def _not_attempted(self, state: RangeState) -> Iterator[str]:
        if not state.missing:
            return
        outcome = Outcome(0, NOT_ATTEMPTED, self.evidence.why_not_attempted)
        for row in self.rows.rows(state.range, state.missing):
            yield format_row(row.bucket, encode_key(row.key), row.version_id, outcome).rstrip("\n")

    def _lines_of(self, commit: Commit, part: PartFile, status: str, kept: Spans) -> Iterator[str]:
        """Yield those lines of *part* whose ordinals are in *kept*, without line feeds."""
        lines = self._read(part)
        failed, wanted = set(ordinals_in(commit.failed)), set(ordinals_in(kept))
        ordinals = (o for o in ordinals_in(commit.attempted) if (o in failed) is (status == FAILED))
        for ordinal, line in zip(ordinals, lines, strict=True):
            fields = line.split(",", CSV_FIELDS - 1)
            if len(fields) != CSV_FIELDS or fields[3] != status:
                raise JobDamagedError(f"{self._url(part)}: the row of object {ordinal} is not one of status {status!r}")
            if ordinal in wanted:
                yield line

    def _read(self, part: PartFile) -> list[str]:
        body = self.storage.read(self._url(part))
        if body is None or hashlib.md5(body, usedforsecurity=False).hexdigest() != part.md5:
            raise JobDamagedError(
                f"{self._url(part)}: missing or altered since it was written: its MD5 is not {part.md5}"
            )
        # Messages hold no line feeds; other characters that str.splitlines would split at are theirs to hold.
        lines = body.decode().removesuffix("\n").split("\n")
        if len(lines) != part.rows:
            raise JobDamagedError(f"{self._url(part)}: has {len(lines)} rows, the commit says {part.rows}")
        return lines

    def _write(self, account: RangeAccount, row_range: RowRange, status: str, lines: list[str]) -> None:
        """Write *lines* to a file named after its content, so that writing again changes nothing."""
        if not lines:
            return
        body = ("\n".join(lines) + "\n").encode()
        place = f"{self.evidence.shard.index} {row_range.index} {status}\n"
        name = hashlib.sha1(place.encode() + body, usedforsecurity=False).hexdigest()
        url = self.report / f"results/{name}.csv"
        self.storage.write(url, body, "text/csv")
        account.results.append(ResultFile(status, url, hashlib.md5(body, usedforsecurity=False).hexdigest()))

    def _url(self, part: PartFile) -> S3Url:
        return S3Url(self.report.bucket, part.key)


def _count(spans: Spans) -> int:
    return sum(end - start for start, end in spans)


def _count_failure(account: RangeAccount, line: str) -> None:
    bucket, key, _, _, _, code, _ = line.split(",", CSV_FIELDS - 1)
    account.tally.add_failures(code, 1, [f"s3://{bucket}/{key}"])
    account.failed_objects.append(_object_of(line))


def _object_of(line: str) -> str:
    """Return ``bucket,key,version_id``; none of them is ever quoted in a file of ours."""
    return ",".join(line.split(",", 3)[:3])
