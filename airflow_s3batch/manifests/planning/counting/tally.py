"""What the guards need to know of the selected rows, counted as they pass."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.counting.class_totals import ClassTotals

if TYPE_CHECKING:
    from airflow_s3batch.manifests.planning.guards import Guards

_URL = "s3://"


class Tally:
    """
    Counts rows.

    Attributes:
        bytes: sum of the objects' sizes, as far as known.
        unsized: rows whose size is unknown.
        buckets: the rows by bucket.
        strays: rows outside the allowed buckets and prefixes.
        stray: URL of the first of them; empty if there is none.
        own: rows below the folder of the jobs themselves.
        classes: the rows by storage class.
    """

    def __init__(self, guards: Guards, jobs: S3Url | None = None) -> None:
        """*guards* say what is allowed; *jobs* is the folder that all jobs' files lie in."""
        self.bytes = self.unsized = self.strays = self.own = 0
        self._jobs = jobs if jobs and jobs.key else None
        self.buckets: Counter[str] = Counter()
        self.classes = ClassTotals()
        self.stray = ""
        self._guards = guards

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of *batch*."""
        self.bytes += pc.sum(batch["size"]).as_py() or 0
        self.unsized += batch["size"].null_count
        self.classes.add(batch)
        for bucket in pc.value_counts(batch["bucket"]):
            self.buckets[bucket["values"].as_py() or ""] += bucket["counts"].as_py()
        if self._jobs and self._jobs.bucket in self.buckets:
            self.own += pc.sum(_below(batch, f"{self._jobs}/")).as_py() or 0
        stray = _strays(batch, self._guards)
        if stray is None:
            return
        first = pc.index(stray, value=True).as_py()
        if first >= 0 and not self.strays:
            self.stray = str(S3Url(batch["bucket"][first].as_py() or "", batch["key"][first].as_py()))
        self.strays += pc.sum(stray).as_py() or 0


def _strays(batch: pa.RecordBatch, guards: Guards) -> pa.BooleanArray | None:
    """Return which rows are outside the allowed buckets and prefixes, ``None`` if everything is allowed."""
    inside = []
    if guards.allowed_buckets:
        inside.append(pc.is_in(batch["bucket"], pa.array(guards.allowed_buckets)))
    if guards.allowed_prefixes:
        found = [_below(batch, prefix) for prefix in guards.allowed_prefixes]
        while len(found) > 1:
            found.append(pc.or_(found.pop(), found.pop()))
        inside += found
    if not inside:
        return None
    while len(inside) > 1:
        inside.append(pc.and_(inside.pop(), inside.pop()))
    return pc.invert(pc.fill_null(inside[0], fill_value=False))


def _below(batch: pa.RecordBatch, prefix: str) -> pa.BooleanArray:
    """Return which rows are below *prefix*, of keys or ``s3://bucket/prefix``."""
    if not prefix.startswith(_URL):
        return pc.starts_with(batch["key"], prefix)
    bucket, _, key = prefix.removeprefix(_URL).partition("/")
    return pc.and_(pc.equal(batch["bucket"], bucket), pc.starts_with(batch["key"], key))
