"""
Which objects a rehearsal is done on: random ones, the same in every attempt, from a bounded number of files.

Each shard that is touched is fetched, and each row range in it leaves files of its own. So a few shards are drawn, each
as likely as it has rows; among their row ranges a few likewise; and from those the rows, each with the same chance.
Rows of shards and ranges that are smaller than others are drawn more rarely. A sample that needs more room gets more
ranges, and more shards, until it fits.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import Manifest, RowRange

MOST_SHARDS = 8
MOST_RANGES = 32

Sample = dict[int, dict[int, bytes]]
"""By shard and range index a byte per row of the range: 1 if the row is in the sample."""

T = TypeVar("T")


def sampled(manifest: Manifest, objects: int) -> Sample:
    """
    Return *objects* rows of *manifest*, all of them if it has no more; the same for the same job and number.

    At most `MOST_SHARDS` shards and `MOST_RANGES` row ranges are touched, or as many as it takes to hold the sample.
    """
    chance = random.Random(str(manifest.job_url).rpartition("/")[2])  # noqa: S311 - to be drawn again, not to be kept secret
    objects = min(objects, manifest.rows)
    shards = _enough(((shard, shard.rows) for shard in manifest.shards), objects, MOST_SHARDS, chance)
    every = ((entry.index, row_range) for entry in shards for row_range in entry.ranges(manifest.range_rows))
    ranges = sorted(_enough(((each, each[1].rows) for each in every), objects, MOST_RANGES, chance))
    return _drawn(ranges, objects, chance)


def _enough(items: Iterable[tuple[T, int]], rows: int, least: int, chance: random.Random) -> list[T]:
    """
    Return *least* of *items*, which come with their numbers of rows, or as many as it takes to have *rows*.

    They are drawn without replacement, each as likely as it has rows.

    Source:
        https://doi.org/10.1016/j.ipl.2005.11.003 (Efraimidis and Spirakis, weighted random sampling)
    """
    keyed = sorted(
        ((-math.log(1.0 - chance.random()) / number, item, number) for item, number in items),
        key=lambda entry: entry[0],
    )
    found: list[T] = []
    room = 0
    for _, item, number in keyed:
        if len(found) >= least and room >= rows:
            break
        found.append(item)
        room += number
    return found


def _drawn(ranges: list[tuple[int, RowRange]], objects: int, chance: random.Random) -> Sample:
    """Return *objects* rows of *ranges*, which come with the index of their shard; each row is as likely."""
    rows = iter(sorted(chance.sample(range(sum(entry.rows for _, entry in ranges)), objects)))
    sample: Sample = {}
    first = 0
    row = next(rows, None)
    for shard, entry in ranges:
        flags = bytearray(entry.rows)
        while row is not None and row < first + entry.rows:
            flags[row - first] = 1
            row = next(rows, None)
        if any(flags):
            sample.setdefault(shard, {})[entry.index] = bytes(flags)
        first += entry.rows
    return sample
