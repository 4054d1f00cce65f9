"""Counts the selected objects by size class as they are written, for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from airflow_s3batch.core.size_classes import BOUNDS, SizeClasses

if TYPE_CHECKING:
    import pyarrow as pa

_CLASSES = len(BOUNDS) + 1


class SizeCount:
    """Objects and bytes of one shard, by size class; objects of unknown size are in none."""

    def __init__(self) -> None:
        self._rows = [0] * _CLASSES
        self._bytes = [0] * _CLASSES

    def add(self, sizes: pa.ChunkedArray) -> None:
        """Count *sizes*, a column of bytes."""
        known = sizes.drop_null().to_numpy()
        masks = [known >= bound for bound in BOUNDS]
        rows = [len(known), *(int(np.count_nonzero(mask)) for mask in masks), 0]
        size = [int(known.sum()), *(int((known * mask).sum()) for mask in masks), 0]
        for number in range(len(self._rows)):
            self._rows[number] += rows[number] - rows[number + 1]
            self._bytes[number] += size[number] - size[number + 1]

    def classes(self) -> SizeClasses:
        """Return what was counted."""
        return tuple(zip(self._rows, self._bytes, strict=True))
