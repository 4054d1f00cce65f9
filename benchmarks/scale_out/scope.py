"""How much is measured: a default of some minutes, or a quick look at whether all of it works."""

from __future__ import annotations

from typing import NamedTuple

LATENCY_MS = 100.0
WINDOW = 40
"""Requests in flight in one worker: 400 a second behind 100 ms, so that eight workers leave two cores mostly idle."""
SLOW_FACTOR = 4
"""A slow worker's store takes so many times longer to answer."""
AT_A_TIME = 8


class Scope(NamedTuple):
    """
    Sizes and rounds.

    Attributes:
        workers: numbers of workers whose throughput is compared.
        objects: of the job whose throughput that is, in *shards* shards.
        round_shards: numbers of shards that eight workers share, of a job of *round_objects*.
        cases: how many of `benchmarks.scale_out.throughput.CASES`.
        idle_s: for how long it is looked what Airflow takes while nothing runs.
        empty_shards: numbers of shards that need no work at all, for Airflow's own load.
        tiny_shards: numbers of shards of ten objects each, really done by Airflow's tasks.
    """

    workers: tuple[int, ...]
    objects: int
    shards: int
    rounds: int
    round_objects: int
    round_shards: tuple[int, ...]
    cases: int
    idle_s: float
    empty_shards: tuple[int, ...]
    tiny_shards: tuple[int, ...]


DEFAULT = Scope(
    workers=(1, 2, 4, 8),
    objects=9_600,
    shards=16,
    rounds=2,
    round_objects=19_200,
    round_shards=(8, 16, 48),
    cases=4,
    idle_s=10.0,
    empty_shards=(10, 100, 1_000),
    tiny_shards=(8, 40),
)
QUICK = Scope(
    workers=(1, 2),
    objects=800,
    shards=4,
    rounds=1,
    round_objects=1_600,
    round_shards=(8,),
    cases=2,
    idle_s=1.0,
    empty_shards=(5,),
    tiny_shards=(),
)
