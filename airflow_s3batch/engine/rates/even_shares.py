"""Who gets how much of a rate that several jobs share. No I/O, no clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)


class Wish(NamedTuple):
    """What one attempt wants of a shared rate: *per_s* requests a second, infinite for as many as it can get."""

    job: str
    attempt: str
    per_s: float


def share_of(wish: Wish, others: Iterable[Wish], limit: float) -> float:
    """
    Return what *wish* gets of *limit* beside *others*: an even share among the jobs, then among the job's attempts.

    Who wants less than that gets what it wants, and the rest is shared by those who want more; if nobody does, by all.
    The shares of all add up to *limit*. If somebody wants more, nobody else gets more.
    """
    by_job: dict[str, dict[str, float]] = defaultdict(dict)
    for entry in (*others, wish):
        by_job[entry.job][entry.attempt] = entry.per_s
    jobs = even_shares(limit, {job: sum(wants.values()) for job, wants in by_job.items()})
    return even_shares(jobs[wish.job], by_job[wish.job])[wish.attempt]


def even_shares(total: float, wants: Mapping[K, float]) -> dict[K, float]:
    """Return each one's part of *total*: max-min fair, and what nobody wants is shared out, too."""
    shares: dict[K, float] = {}
    left = total
    for number, name in enumerate(sorted(wants, key=lambda name: wants[name])):
        shares[name] = min(wants[name], left / (len(wants) - number))
        left -= shares[name]
    return {name: share + max(0.0, left) / len(wants) for name, share in shares.items()}
