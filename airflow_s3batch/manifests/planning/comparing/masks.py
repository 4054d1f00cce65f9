"""Which of very many numbered rows stay: one bit a row, so that no set operation has to carry the rows themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable


class Mask:
    """
    Row numbers ``0 .. rows - 1``, each of which is in or out; 12.5 MB for 100 million rows.

    Attributes:
        rows: how many numbers there are.
        kept: how many are in.
    """

    def __init__(self, rows: int) -> None:
        """At first none is in."""
        self.rows = rows
        self.kept = 0
        self._bits = np.zeros(-(-rows // 8), np.uint8)

    @classmethod
    def of(cls, rows: int, batches: Iterable[pa.RecordBatch]) -> Mask:
        """Return the mask of the row numbers in the first column of *batches*, in any order; one may be there twice."""
        mask = cls(rows)
        for batch in batches:
            numbers = batch.column(0).to_numpy()
            np.bitwise_or.at(mask._bits, numbers >> 3, np.left_shift(1, numbers & 7).astype(np.uint8))
        mask.kept = mask._count()
        return mask

    @classmethod
    def full(cls, rows: int) -> Mask:
        """Return the mask in which all are."""
        mask = cls(rows)
        mask._bits[:] = 0xFF
        mask.kept = rows
        return mask

    def without(self, other: Mask) -> Mask:
        """Return the mask of the rows that are in this one and not in *other*."""
        rest = Mask(self.rows)
        rest._bits = self._bits & ~other._bits
        rest._bits[-1:] &= 0xFF >> -self.rows % 8
        rest.kept = rest._count()
        return rest

    def part(self, first: int, end: int) -> np.ndarray:
        """Return whether each of the rows ``first .. end - 1`` is in."""
        bits = np.unpackbits(self._bits[first // 8 : -(-end // 8)], bitorder="little")
        return bits[first % 8 : first % 8 + end - first].astype(bool)

    def _count(self) -> int:
        step = 1024**2
        return sum(int(np.unpackbits(self._bits[n : n + step]).sum()) for n in range(0, len(self._bits), step))
