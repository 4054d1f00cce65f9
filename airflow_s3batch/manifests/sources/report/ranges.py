"""
Which row range of the manifest each result file of a report of ours is about.

A report lists its files in the order of the ranges, at least one for each. The name of a file that an attempt wrote
says which range it is about; one that the reporter wrote anew is named after its range and its content together.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.errors import InventoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_s3batch.core.completion_report import ResultFile
    from airflow_s3batch.core.manifest import Manifest, ShardFile
    from airflow_s3batch.core.s3url import S3Url

_PART = re.compile(r"/shard-(\d{5,})/range-(\d{6,})-[^/]+\.(?:succeeded|failed)\.csv")
_REWRITTEN = re.compile(r"/results/([0-9a-f]{40})\.csv")


class RangePlace(NamedTuple):
    """Range number *range_index* of the shard number *shard*, both from 0 on."""

    shard: int
    range_index: int


class Ranges:
    """All row ranges of a manifest, numbered through its shards."""

    def __init__(self, manifest: Manifest) -> None:
        self.total = 0
        self._firsts: list[int] = []
        self._shards: Sequence[ShardFile] = manifest.shards
        for shard in manifest.shards:
            self._firsts.append(self.total)
            self.total += -(-shard.rows // manifest.range_rows)

    def number(self, place: RangePlace) -> int:
        """Return the number of the range at *place*, -1 if there is no such range."""
        if place.shard >= len(self._firsts):
            return -1
        number = self._firsts[place.shard] + place.range_index
        ends = [*self._firsts[1:], self.total]
        return number if number < ends[place.shard] else -1

    def place(self, number: int) -> RangePlace:
        """Return the place of the range with this *number*."""
        shard = bisect_right(self._firsts, number) - 1
        return RangePlace(shard, number - self._firsts[shard])


def located(
    url: S3Url,
    results: Sequence[ResultFile],
    ranges: Ranges,
    body_of: Callable[[ResultFile], bytes],
    *,
    statuses: Sequence[str],
) -> Iterator[tuple[RangePlace, ResultFile]]:
    """
    Yield those of *results* that have one of *statuses*, each with the range that it is about.

    *url* names the report in errors. *body_of* is asked for the bytes of files whose names don't tell.

    Raises:
        InventoryError: the report is not about these ranges, or lacks some of them.
    """
    low, high = -1, -1  # numbers that the range of the file before can have
    for result in results:
        part = _PART.search(result.url.key)
        if part:
            low, high = _known(url, result, ranges.number(RangePlace(int(part[1]), int(part[2]))), low, high)
        elif result.status in statuses:
            low = high = _found(result, ranges, body_of(result), max(low, 0), min(high + 1, ranges.total - 1))
        else:
            low, high = max(low, 0), min(high + 1, ranges.total - 1)
        if result.status in statuses:
            yield ranges.place(low), result
    if high != ranges.total - 1:
        raise InventoryError(f"{url}: it ends before the job's manifest does; clear the job's report task")


def _known(url: S3Url, result: ResultFile, number: int, low: int, high: int) -> tuple[int, int]:
    if not max(low, 0) <= number <= high + 1:
        raise InventoryError(
            f"{url}: {result.url} is not in its place, or files before it are missing; clear the job's report task"
        )
    return number, number


def _found(result: ResultFile, ranges: Ranges, body: bytes, low: int, high: int) -> int:
    name = _REWRITTEN.search(result.url.key)
    for number in range(low, high + 1):
        place = ranges.place(number)
        text = f"{place.shard} {place.range_index} {result.status}\n".encode() + body
        if name and hashlib.sha1(text, usedforsecurity=False).hexdigest() == name[1]:
            return number
    raise InventoryError(f"{result.url}: not a result file of this job; was the report put together by hand?")
