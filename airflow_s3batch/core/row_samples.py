"""
The random sample of a verification: the same in every attempt, and each shard's task draws its part by itself.

A rehearsal has other needs, few files first of all: see `engine.sampling`.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Sequence

_MASK = 2**64 - 1


def sample_sizes(number: int, rows: Sequence[int], seed: str) -> list[int]:
    """
    Return how many rows of each shard, with *rows* rows each, are in a sample of *number* of them all.

    In proportion to the shards' sizes; who gets the odd ones depends on *seed*. They add up to *number*, or to all.
    """
    total = sum(rows)
    if number >= total:
        return list(rows)
    offset = _number(seed) % total
    found, seen = [], 0
    for size in rows:
        before, seen = seen, seen + size
        found.append((number * seen + offset) // total - (number * before + offset) // total)
    return found


def sampled_rows(number: int, rows: Iterable[int], seed: str) -> list[int]:
    """
    Return *number* of *rows*, in ascending order; all of them if there are no more.

    Each row has a rank of its own, which depends on *seed* alone: with more rows to choose from most of the sample
    stays. Takes memory for the sample, and about a microsecond a row.
    """
    salt = _number(seed)
    return sorted(row for _, row in heapq.nsmallest(number, ((_rank(row, salt), row) for row in rows)))


def _number(seed: str) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8])


def _rank(row: int, salt: int) -> int:
    """Return 64 bits that look random, another for each *row*: two rounds of multiply and shift."""
    mixed = ((row ^ salt) * 0x9E3779B97F4A7C15) & _MASK
    mixed ^= mixed >> 31
    mixed = (mixed * 0xD6E8FEB86659FD93) & _MASK
    return mixed ^ (mixed >> 32)
