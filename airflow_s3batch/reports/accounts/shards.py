"""Goes through the manifest's shards and accounts for their row ranges, several at a time, in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from airflow_s3batch.engine.shards.evidence import gather
from airflow_s3batch.reports.accounts.accounting import RangeAccount, RangeAccountant
from airflow_s3batch.reports.accounts.shard_rows import ShardRows
from airflow_s3batch.reports.evidence.rehearsals import why_unrun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.reports.accounts.generations import OperationRun
    from airflow_s3batch.reports.accounts.work import Work

THREADS = 8
RANGES_AHEAD = 16
"""Ranges that are held in memory at a time."""

T = TypeVar("T")
R = TypeVar("R")


def accounts(
    storage: Storage, manifest: Manifest, run: OperationRun, *, report: S3Url, work: Work, folder: Path
) -> Iterator[RangeAccount]:
    """
    Yield the account of every row range of *manifest*, in order; add requests, times and attempts to *work*.

    Rewritten result files go below *report*; the local *folder* must have room for one shard file.

    Raises:
        JobDamagedError: files of the job are missing or altered.
    """
    with ThreadPoolExecutor(THREADS, "s3batch-report") as pool:
        for shard in manifest.shards:
            ranges = list(shard.ranges(manifest.range_rows))
            evidence = gather(storage, shard, run.folders.get(shard.index), len(ranges) - 1)
            evidence = replace(evidence, unrun=why_unrun(run.rehearsals, shard.index, evidence.attempts))
            work.add_attempts(evidence)
            with closing(ShardRows(storage, report.bucket, shard, folder)) as rows:
                accountant = RangeAccountant(storage, evidence, rows, report)
                for account in in_order(pool, accountant.account, ranges, RANGES_AHEAD):
                    work.add_times(shard.index, account.worked)
                    yield account


def in_order(pool: ThreadPoolExecutor, function: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """Yield *function* of each of *items* in order, at most *ahead* of them under way; the first failure is raised."""
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
