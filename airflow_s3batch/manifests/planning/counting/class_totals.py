"""Rows and bytes of selected rows by storage class, counted as they pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from airflow_s3batch.core.manifest import UNKNOWN_CLASS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_CLASSES = 40
"""Names of classes that are counted each; S3 has ten. What a file calls a class may be anything."""


class ClassTotals:
    """
    Counts rows and their bytes by storage class.

    Rows whose class nobody tells are `UNKNOWN_CLASS`, and so are those of all classes that come after `MOST_CLASSES`.
    Bytes are counted as far as sizes are known.
    """

    def __init__(self) -> None:
        self._totals: dict[str, tuple[int, int]] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of *batch*."""
        for name, rows, size in _by_class(batch):
            known = name in self._totals or len(self._totals) < MOST_CLASSES
            kept = name if known and name else UNKNOWN_CLASS
            before = self._totals.get(kept, (0, 0))
            self._totals[kept] = before[0] + rows, before[1] + size

    def totals(self) -> dict[str, tuple[int, int]]:
        """Return ``{class: (rows, bytes)}``, the largest first."""
        return dict(sorted(self._totals.items(), key=lambda item: (-item[1][0], item[0])))


def _by_class(batch: pa.RecordBatch) -> Iterator[tuple[str, int, int]]:
    """Yield name (empty if unknown), rows and bytes of each class; those behind `MOST_CLASSES` come as one."""
    table = pa.table([batch["storage_class"], batch["size"]], names=["class", "size"])
    groups = table.group_by("class", use_threads=False).aggregate([([], "count_all"), ("size", "sum")])
    few, rest = groups.slice(0, MOST_CLASSES), groups.slice(MOST_CLASSES)
    for row in few.to_pylist():
        yield row["class"] or "", row["count_all"], row["size_sum"] or 0
    if rest.num_rows:
        yield "", pc.sum(rest["count_all"]).as_py(), pc.sum(rest["size_sum"]).as_py() or 0


def added(parts: Sequence[Mapping[str, Sequence[int]]]) -> dict[str, tuple[int, int]]:
    """Return the sums of several such totals; empty if one of them is, for then nobody counted all rows."""
    if not all(parts):
        return {}
    sums: dict[str, tuple[int, int]] = {}
    for part in parts:
        for name, (rows, size) in part.items():
            before = sums.get(name, (0, 0))
            sums[name] = before[0] + rows, before[1] + size
    return dict(sorted(sums.items(), key=lambda item: (-item[1][0], item[0])))
