"""Classes of object sizes, for counting objects by size. The only place that says where one ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

KIB, MIB, GIB = 1024, 1024**2, 1024**3
BOUNDS = (1, KIB, 16 * KIB, 128 * KIB, MIB, 16 * MIB, 128 * MIB, GIB, 5 * GIB, 50 * GIB)
"""Each class but the last ends below one of these bytes; 128 KiB and 5 GiB are S3's own (least billed, largest PUT)."""

SizeClasses = tuple[tuple[int, int], ...]
"""Objects and their bytes, by class; empty where nobody counted."""


def added(counts: Iterable[SizeClasses]) -> SizeClasses:
    """Return the sum of *counts*; empty if one of them is of other classes than these, or there are none."""
    totals: list[list[int]] = [[0, 0] for _ in range(len(BOUNDS) + 1)]
    number = 0
    for number, classes in enumerate(counts, start=1):  # noqa: B007 - whether there were any
        if len(classes) != len(totals):
            return ()
        for total, (rows, size) in zip(totals, classes, strict=True):
            total[0] += rows
            total[1] += size
    return tuple((rows, size) for rows, size in totals) if number else ()


def size_classes_of(data: Sequence[Sequence[int]]) -> SizeClasses:
    """Return the counts that JSON has as lists."""
    return tuple((int(rows), int(size)) for rows, size in data)
