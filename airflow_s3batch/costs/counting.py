"""Which requests the objects of a job take: found by letting the operation's own steps run against an `IdealStore`."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.size_classes import BOUNDS, MIB
from airflow_s3batch.costs.ideal_store import E_TAG, IdealStore, Sent
from airflow_s3batch.costs.totals import Totals
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.in_order import InOrder
from airflow_s3batch.operations.requests import BucketFacts, Capabilities, RunContext

_STEP_BYTES = 64 * MIB
"""By so much objects of a size class may differ from their average before another request is needed for them."""

SAMPLE = S3Object("bucket", "key", e_tag=E_TAG)
Sends = Counter[Sent]


class Span(NamedTuple):
    """How many there are at least and at most."""

    low: int
    high: int


Spans = dict[Sent, Span]


def sent_for(
    operation: Operation, obj: S3Object, context: RunContext, *, refuses_updates: bool = False, most: int | None = None
) -> Sends:
    """Return the requests that *operation* sends for *obj*, or the first *most* of them."""
    if isinstance(operation, InOrder):
        sends: Sends = Counter()
        for step in operation.operations:
            sends += sent_for(step, obj, context, refuses_updates=refuses_updates, most=most)
        return sends
    store = IdealStore(obj, refuses_updates=refuses_updates)
    store.drive(operation.for_object(obj).steps(obj, context), most=most)
    return Counter(store.sent)


def sent_for_batch(operation: Operation, obj: S3Object, objects: int, context: RunContext) -> Sends:
    """Return the requests for *objects* objects like *obj* that share requests, all of one bucket and shard."""
    sends: Sends = Counter()
    full, rest = divmod(objects, operation.batch_size)
    for size, times in ((operation.batch_size, full), (rest, 1)):
        if size and times:
            store = IdealStore(obj)
            batch = [obj._replace(key=f"{obj.key}{number}") for number in range(size)]
            store.drive(operation.for_object(obj).batch_steps(batch, context))
            sends += Counter({sent: number * times for sent, number in Counter(store.sent).items()})
    return sends


def spans_for(operation: Operation, totals: Totals, sample: S3Object) -> Spans:
    """
    Return how many of each request *operation* sends for all objects of *totals*.

    *sample* is one of them: it tells whether the manifest has versions and ETags, and has the columns' values.

    Raises:
        ArgumentError: the operation can't take the values of *sample*.
        ManifestError: *sample* lacks a column.
    """
    spans: dict[Sent, list[int]] = {}
    for storage_class, (rows, size) in totals.classes.items():
        obj = sample._replace(storage_class=storage_class)
        for found in _spans_of_class(operation, totals, obj, rows, size):
            for sent, span in found.items():
                sums = spans.setdefault(sent, [0, 0])
                sums[0] += span.low
                sums[1] += span.high
    return {sent: Span(*sums) for sent, sums in spans.items()}


def _spans_of_class(operation: Operation, totals: Totals, obj: S3Object, rows: int, size: int) -> Iterator[Spans]:
    if not rows:
        return
    context = _CONTEXTS[0]
    if operation.batch_size > 1 and operation.is_batchable(obj, context):
        least = sent_for_batch(operation, obj, rows, context)
        more = min(totals.shards, rows) - 1  # the last request of each shard is not full
        yield {sent: Span(number, number + more) for sent, number in least.items()}
        return
    for number, likely, others in _sizes(operation, totals, rows, size):
        yield _spans(operation, obj, number, likely, others)


def _spans(operation: Operation, obj: S3Object, rows: int, likely: int | None, others: list[int]) -> Spans:
    """Return what *rows* objects take that are of *likely* bytes or, some of them, of *others*."""
    found = [
        sent_for(operation, obj._replace(size=size), context, refuses_updates=refuses)
        for size, context, refuses in itertools.product([likely, *others], _CONTEXTS, (False, True))
    ]
    if operation.skips_done:
        found.append(sent_for(operation, obj._replace(size=likely), _CONTEXTS[0], most=1))
    every = set().union(*found)
    return {sent: Span(rows * min(f[sent] for f in found), rows * max(f[sent] for f in found)) for sent in every}


def _sizes(operation: Operation, totals: Totals, rows: int, size: int) -> Iterator[tuple[int, int | None, list[int]]]:
    """
    Yield number and average size of the objects of each size class, and what other sizes would matter.

    Where there are several storage classes, each has its share of each size class.
    """
    counted = sum(number for number, _ in totals.sizes)
    if not counted:
        yield rows, (size // rows if size else None), []
        return
    before = given = 0
    for index, (number, total) in enumerate(totals.sizes):
        before += number
        share = before * rows // totals.rows - given
        given += share
        if share:
            average, below = total // number, BOUNDS[index] if index < len(BOUNDS) else None
            yield share, average, _others(operation, average, BOUNDS[index - 1] if index else 0, below)
    if rows > given:
        yield rows - given, None, []


def _others(operation: Operation, average: int, least: int, below: int | None) -> list[int]:
    """Return sizes from *least* to under *below* that may take other requests than *average* does."""
    threshold = getattr(operation, "multipart_threshold_bytes", None)
    wanted = [average + _STEP_BYTES] if average > _STEP_BYTES or (below or 0) > _STEP_BYTES else []
    wanted += [threshold, threshold + 1] if isinstance(threshold, int) else []
    return [size for size in wanted if least <= size and (below is None or size < below)]


@functools.cache
def _context(ownership: str) -> RunContext:
    return RunContext(Capabilities(is_aws=True, buckets=_Everywhere(BucketFacts(ownership=ownership))))


class _Everywhere(dict[str, BucketFacts]):
    """The same facts about every bucket."""

    def __init__(self, facts: BucketFacts) -> None:
        super().__init__()
        self._facts = facts

    def get(self, key: str, default: object = None) -> BucketFacts:  # noqa: ARG002 - as a dict has it
        return self._facts


_CONTEXTS = (_context("BucketOwnerEnforced"), _context("ObjectWriter"))
"""Buckets on AWS: whether they have ACLs is not known before the job starts."""

AWS = _CONTEXTS[0]
