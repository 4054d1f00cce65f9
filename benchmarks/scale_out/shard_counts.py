"""How long a job takes in so many shards, simulated with measured figures: why the planner picks its number."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

from airflow_s3batch.manifests.planning.cutting.shards import shard_sizes
from airflow_s3batch.manifests.planning.selection import SLOTS

MOST_SHARDS = 200


class Setting(NamedTuple):
    """
    Where a job runs.

    Attributes:
        objects_per_s: of a task that nothing holds back.
        overhead_s: what a task takes in its slot beside its requests: start, first and last files, end.
        slow: so many slots are *factor* times slower.
    """

    objects_per_s: float
    overhead_s: float
    slots: int = SLOTS
    slow: int = 0
    factor: float = 4.0


def job_s(shards: Sequence[int], setting: Setting) -> float:
    """Return the seconds that a job of these shards takes; each slot takes the next one as soon as it is free."""
    free = [(0.0, number) for number in range(setting.slots)]
    heapq.heapify(free)
    end = 0.0
    for rows in shards:
        begun, slot = heapq.heappop(free)
        work_s = setting.overhead_s + rows / setting.objects_per_s
        ended = begun + work_s * (setting.factor if slot < setting.slow else 1.0)
        heapq.heappush(free, (ended, slot))
        end = max(end, ended)
    return end


def best_s(objects: int, setting: Setting) -> float:
    """Return the seconds that it would take without overhead, and with the work spread perfectly."""
    speed = setting.slots - setting.slow + setting.slow / setting.factor
    return objects / (setting.objects_per_s * speed)


def equal(objects: int, shards: int) -> list[int]:
    """Return so many shards of equal size."""
    return shard_sizes(objects, -(-objects // shards), shards)


def picked(objects: int, slots: int = SLOTS) -> list[int]:
    """Return the shards that the planner picks."""
    return shard_sizes(objects, None, MOST_SHARDS, slots)
