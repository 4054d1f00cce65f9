"""Whether two manifests may name the same objects: by the ranges of keys in their files' footers, not row by row."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.engine.files.stored_files import remote_shard

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import Manifest, ShardFile
    from airflow_s3batch.engine.files.storage import Storage

MOST_SHARDS = 400
"""Of both manifests together; where there are more nobody looks, and they may overlap."""

_READERS = 8


class Span(NamedTuple):
    """From the first bucket and key of a row group to the last; both belong to it."""

    first: tuple[str, str]
    last: tuple[str, str]


def may_overlap(storage: Storage, one: Manifest, other: Manifest) -> bool:
    """
    Return false only if no object can be in both manifests.

    Raises:
        S3BatchError: a file can't be read.
    """
    if one.buckets and other.buckets and one.buckets.keys().isdisjoint(other.buckets):
        return False
    if len(one.shards) + len(other.shards) > MOST_SHARDS:
        return True
    return do_meet(_spans(storage, one), _spans(storage, other))


def do_meet(ones: Sequence[Span], others: Sequence[Span]) -> bool:
    """Return whether one of *ones* has a place in common with one of *others*."""
    merged = _merged(others)
    starts = [span.first for span in merged]
    for span in ones:
        at = bisect.bisect_right(starts, span.last)
        if at and merged[at - 1].last >= span.first:
            return True
    return False


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Return *spans* in order, those that meet as one."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.first <= found[-1].last:
            found[-1] = Span(found[-1].first, max(found[-1].last, span.last))
        else:
            found.append(span)
    return found


def _spans(storage: Storage, manifest: Manifest) -> list[Span]:
    def of(shard: ShardFile) -> list[Span]:
        return list(_of_shard(storage, manifest, shard))

    with ThreadPoolExecutor(_READERS) as pool:
        return [span for spans in pool.map(of, manifest.shards) for span in spans]


def _of_shard(storage: Storage, manifest: Manifest, shard: ShardFile) -> Iterator[Span]:
    """Yield the span of each row group of *shard*; one of everything where a group does not tell."""
    with remote_shard(storage, manifest, shard) as file:
        for number in range(file.metadata.num_row_groups):
            group = file.metadata.row_group(number)
            bucket, key = (group.column(column).statistics for column in (0, 1))
            if not all(told is not None and told.has_min_max for told in (bucket, key)):
                yield Span(("", ""), ("\U0010ffff", "\U0010ffff"))
            elif bucket.min == bucket.max:
                yield Span((bucket.min, key.min), (bucket.max, key.max))
            else:
                yield Span((bucket.min, ""), (bucket.max, "\U0010ffff"))
