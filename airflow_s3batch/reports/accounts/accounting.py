"""
One row range's account: which result files count, and which rows are written anew.

A file of which every row counts is listed as it is. A file of which some rows were superseded by another attempt is
replaced by one that holds only those that count. Rows without any outcome are written as ``NotAttempted``.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_s3batch.core.commits import Commit, PartFile, RangeState, Spans, merge, number_in, ordinals_in
from airflow_s3batch.core.completion_report import FAILED, SUCCEEDED, ResultFile, format_row
from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.outcomes import DRY_RUN, NOT_ATTEMPTED, Outcome, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.reports.accounts.prefixes import Failures, by_prefix
from airflow_s3batch.reports.accounts.timeline import RangeWork

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_s3batch.core.manifest import RowRange
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.engine.shards.evidence import ShardEvidence
    from airflow_s3batch.reports.accounts.shard_rows import ShardRows

CSV_FIELDS = 7
_NO_FAILURES = frozenset({DRY_RUN, NOT_ATTEMPTED})


@dataclass(slots=True)
class RangeAccount:
    """
    Exactly one row for each manifest row of a range.

    Attributes:
        results: the files that hold these rows.
        tally: counts over these rows.
        failed_objects: ``bucket,key,version_id`` of each failed row, the key encoded, the version possibly empty.
        worked: by attempt, what it did in this range and when.
        prefixes: failures by code and prefix; rows that no attempt reached, or that a dry run would do, are none.
        rows: of the files in *results*, as they were counted when they were written.
        reread: files whose bytes were read again, and found to have the MD5 that was noted when they were written.
        rewritten: files in *results* that were written for this report.
    """

    results: list[ResultFile] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    failed_objects: list[str] = field(default_factory=list)
    worked: dict[str, RangeWork] = field(default_factory=dict)
    prefixes: Failures = field(default_factory=Failures)
    rows: int = 0
    reread: int = 0
    rewritten: int = 0


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
        account = RangeAccount(worked={commit.attempt: _work_of(commit) for commit in state.commits})
        rewritten = [*self._succeeded(state, account)]
        self._write(account, row_range, SUCCEEDED, rewritten)
        rewritten = [*self._failed(state, account), *self._not_attempted(state)]
        for line in rewritten:
            _count_failure(account, line)
        _note_objects(account, rewritten)
        self._write(account, row_range, FAILED, rewritten)
        return account

    def _succeeded(self, state: RangeState, account: RangeAccount) -> Iterator[str]:
        """Take the files whose rows all count; yield the lines of the others that do."""
        for commit, kept in zip(state.commits, state.succeeded, strict=True):
            part = commit.succeeded_file
            rows = number_in(kept)
            if part is None or not rows:
                continue
            account.tally.succeeded += rows
            if rows == part.rows:
                account.rows += rows
                account.tally.bytes += commit.tally.bytes
                account.results.append(ResultFile(SUCCEEDED, self._url(part), part.md5))
            else:
                account.tally.bytes += sum(row.size or 0 for row in self.rows.rows(state.range, kept))
                account.reread += 1
                yield from self._lines_of(commit, part, SUCCEEDED, kept)

    def _failed(self, state: RangeState, account: RangeAccount) -> Iterator[str]:
        """Take the files whose rows all count; yield the lines of the others that do."""
        for commit, kept in zip(state.commits, state.failed, strict=True):
            part = commit.failed_file
            rows = number_in(kept)
            if part is None or not rows:
                continue
            account.reread += 1
            lines = list(self._lines_of(commit, part, FAILED, kept))
            if rows < part.rows:
                account.tally.bytes += self._dry_bytes(state, commit, kept, lines)
                yield from lines
                continue
            for code, number in commit.tally.codes.items():
                account.tally.add_failures(code, number, commit.tally.examples.get(code, []))
            if commit.succeeded_file is None:  # what succeeded counts its bytes above
                account.tally.bytes += commit.tally.bytes
            account.rows += rows
            _note_objects(account, lines)
            account.results.append(ResultFile(FAILED, self._url(part), part.md5))

    def _dry_bytes(self, state: RangeState, commit: Commit, kept: Spans, lines: list[str]) -> int:
        """Return the size of what *commit*, of a dry run, would be done to, of the rows *kept*, whose *lines* are."""
        if DRY_RUN not in commit.tally.codes:
            return 0
        rows = zip(self.rows.rows(state.range, kept), lines, strict=True)
        return sum(row.size or 0 for row, line in rows if _code_of(line) == DRY_RUN)

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
        account.rows += len(lines)
        account.rewritten += 1
        account.results.append(ResultFile(status, url, hashlib.md5(body, usedforsecurity=False).hexdigest()))

    def _url(self, part: PartFile) -> S3Url:
        return S3Url(self.report.bucket, part.key)


def _count_failure(account: RangeAccount, line: str) -> None:
    bucket, key = line.split(",", 2)[:2]
    account.tally.add_failures(_code_of(line), 1, [f"s3://{bucket}/{key}"])


def _note_objects(account: RangeAccount, lines: list[str]) -> None:
    """Keep which objects of *lines* failed, and count their prefixes."""
    folders: Failures = Failures()
    for line in lines:
        bucket, key, version_id, _, _, code, _ = line.split(",", CSV_FIELDS - 1)
        account.failed_objects.append(f"{bucket},{key},{version_id}")
        folders[code if code[:1] != '"' else _code_of(line), f"{bucket}/{key.rpartition('/')[0]}"] += 1
    account.prefixes.update(by_prefix(folders, without=_NO_FAILURES))


def _code_of(line: str) -> str:
    """Return the error code of a row of ours; a code of a store's own making may need quotes."""
    code, _, rest = line.split(",", CSV_FIELDS - 2)[-1].partition(",")
    return code if not code.startswith('"') else next(csv.reader([f"{code},{rest}"]))[0]


def _work_of(commit: Commit) -> RangeWork:
    """Return when *commit* came about, and its counts; what a dry run would do is no failure."""
    failed = commit.tally.failed - commit.tally.codes.get(DRY_RUN, 0)
    return RangeWork(commit.started, commit.ended, commit.tally.objects - failed, failed)
