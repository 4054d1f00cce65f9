"""
For how long, and for how many bytes, S3 bills an object at least.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_s3batch.core.size_classes import BOUNDS, KIB

if TYPE_CHECKING:
    from airflow_s3batch.costs.totals import Totals

LEAST_DAYS = {"STANDARD_IA": 30, "ONEZONE_IA": 30, "GLACIER_IR": 90, "GLACIER": 90, "DEEP_ARCHIVE": 180}
"""Days that objects of a class are billed for, also if they are deleted, overwritten or moved before."""

_LEAST_BYTES = dict.fromkeys(("STANDARD_IA", "ONEZONE_IA", "GLACIER_IR"), 128 * KIB)
"""Smaller objects of a class are billed as if they had so many bytes."""
_BYTES_BESIDE = dict.fromkeys(("GLACIER", "DEEP_ARCHIVE"), 32 * KIB)
"""Bytes that each object of a class is billed for beside its own."""


def billed_bytes(storage_class: str, totals: Totals) -> Decimal:
    """Return for how many bytes the objects of *storage_class* are billed; each class has its share of all sizes."""
    rows, size = totals.classes[storage_class]
    least = _LEAST_BYTES.get(storage_class, 0)
    if not (totals.sizes and rows):
        return Decimal(max(size, rows * least) + rows * _BYTES_BESIDE.get(storage_class, 0))
    small = [counted for counted, below in zip(totals.sizes, BOUNDS, strict=False) if below <= least]
    missing = sum(number * least - total for number, total in small)
    return size + Decimal(missing) * rows / totals.rows + rows * _BYTES_BESIDE.get(storage_class, 0)


def early_deletion(storage_class: str) -> Decimal:
    """Return the months that may be billed for nothing where an object of *storage_class* goes on its first day."""
    return Decimal(LEAST_DAYS.get(storage_class, 0)) / 30
