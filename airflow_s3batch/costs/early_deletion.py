"""
For how long S3 bills an object at least.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
"""

from __future__ import annotations

from decimal import Decimal

LEAST_DAYS = {"STANDARD_IA": 30, "ONEZONE_IA": 30, "GLACIER_IR": 90, "GLACIER": 90, "DEEP_ARCHIVE": 180}
"""Days that objects of a class are billed for, also if they are deleted, overwritten or moved before."""


def early_deletion(storage_class: str) -> Decimal:
    """Return the months that may be billed for nothing where an object of *storage_class* goes on its first day."""
    return Decimal(LEAST_DAYS.get(storage_class, 0)) / 30
