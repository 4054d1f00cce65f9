"""How much is measured: a default that takes some minutes, all of it, or a quick look."""

from __future__ import annotations

from typing import NamedTuple

WINDOW = 64
LATENCY_MS = 50.0
SLOW_WINDOWS = (200, 500)


class Scope(NamedTuple):
    """
    Sizes and rounds.

    Attributes:
        null_objects: per run on the null server.
        checkpoint_objects: per run of those that compare ways to record.
        checkpoint_rounds: without latency; with it, a third of them.
        real_objects: per run on the real server, by job.
        peer_objects: per run of the contenders that need a millisecond per object.
        shard_rows: sizes of the shards whose memory and start-up are measured.
        inventories: rows of the inventories that manifests are made of, by format.
        listed_objects: in each of the buckets that are listed.
        inventory_rounds: for each of them of up to 10 million rows; one for larger ones.
    """

    null_objects: int
    null_rounds: int
    real_objects: dict[str, int]
    peer_objects: int
    real_rounds: int
    latency_objects: int
    latency_rounds: int
    checkpoint_objects: int
    checkpoint_rounds: int
    shard_rows: tuple[int, ...]
    inventories: dict[str, tuple[int, ...]]
    inventory_rounds: int
    listed_objects: int


DEFAULT = Scope(
    null_objects=200_000,
    null_rounds=2,
    real_objects={"tag": 30_000, "delete": 20_000, "copy": 20_000, "bulk": 20_000},
    peer_objects=4_000,
    real_rounds=2,
    latency_objects=40_000,
    latency_rounds=2,
    checkpoint_objects=200_000,
    checkpoint_rounds=5,
    shard_rows=(100_000, 1_000_000),
    inventories={"Parquet": (1_000_000, 10_000_000), "CSV": (1_000_000,)},
    inventory_rounds=2,
    listed_objects=100_000,
)
FULL = DEFAULT._replace(
    null_objects=250_000,
    null_rounds=6,
    real_objects={"tag": 50_000, "delete": 50_000, "copy": 50_000, "bulk": 50_000},
    real_rounds=3,
    latency_objects=100_000,
    checkpoint_rounds=7,
    shard_rows=(100_000, 1_000_000, 10_000_000),
    inventories=dict.fromkeys(("Parquet", "CSV"), (1_000_000, 10_000_000, 100_000_000)),
    inventory_rounds=3,
)
QUICK = Scope(
    null_objects=5_000,
    null_rounds=1,
    real_objects={"tag": 2_000, "delete": 2_000, "copy": 1_000, "bulk": 2_000},
    peer_objects=500,
    real_rounds=1,
    latency_objects=4_000,
    latency_rounds=1,
    checkpoint_objects=5_000,
    checkpoint_rounds=1,
    shard_rows=(10_000,),
    inventories={"Parquet": (100_000,), "CSV": (100_000,)},
    inventory_rounds=1,
    listed_objects=5_000,
)
