"""Simulates what planning in groups does to S3's partitions: ``python -m benchmarks.scale_plan.group_orders``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pyarrow as pa

from airflow_s3batch.manifests.planning.cutting.shards import range_rows_for, shard_sizes
from airflow_s3batch.manifests.planning.cutting.spread import dealt, turn_rows_for
from airflow_s3batch.manifests.planning.cutting.stage_files import StageWriter
from benchmarks.spread import FILES, SHARD_ROWS, Rows, Setting, simulated

ROWS = 1_600_000
CASES = ((16, 8), (16, 16), (16, 32))
"""Tasks and partitions."""
GROUPS = 8


def _shards_of_groups(rows: int, groups: int) -> list[list[Rows]]:
    """Return the shards of each group: data files are key ranges in no order, dealt out to the groups in turn."""
    files = np.array_split(np.arange(rows, dtype=np.int64), FILES)
    files = [files[number] for number in np.random.default_rng(2).permutation(FILES)]
    return [_shards(np.concatenate(files[group::groups])) for group in range(groups)]


def _shards(rows: Rows) -> list[Rows]:
    """Return *rows* in shards, as the planner deals them."""
    schema = pa.schema({"row": pa.int64()})
    sizes = shard_sizes(len(rows), SHARD_ROWS, len(rows))
    with tempfile.TemporaryDirectory() as folder:
        with StageWriter(Path(folder, "rows.arrow"), schema) as writer:
            writer.write(pa.record_batch([pa.array(rows)], schema))
        pieces = dealt([writer.file], turn_rows_for(range_rows_for(sizes)))
        order = np.concatenate([piece["row"].to_numpy() for piece in pieces])
    return np.split(order, np.cumsum(sizes)[:-1])


def _one_task() -> Rows:
    return np.concatenate(_shards_of_groups(ROWS, 1)[0])


def _one_after_the_other() -> Rows:
    return np.concatenate([shard for group in _shards_of_groups(ROWS, GROUPS) for shard in group])


def _in_turn() -> Rows:
    turns = zip_longest(*_shards_of_groups(ROWS, GROUPS))
    return np.concatenate([shard for turn in turns for shard in turn if shard is not None])


ORDERS: dict[str, Callable[[], Rows]] = {
    "one task": _one_task,
    f"{GROUPS} groups, the shards of one after those of the other": _one_after_the_other,
    f"{GROUPS} groups, a shard of each in turn (as it is done)": _in_turn,
}


def table() -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield "| tasks | partitions | planned by | time | 503 | crowded |"
    yield "|---|---|---|---|---|---|"
    for tasks, partitions in CASES:
        for name, order in ORDERS.items():
            run = simulated(order(), Setting(ROWS, tasks, partitions, 0.0))
            shares = f"{run.refused:.1%} | {run.crowded:.0%}"
            yield f"| {tasks} | {partitions} | {name} | {run.slower:.2f} × | {shares} |"


if __name__ == "__main__":
    for line in table():
        print(line, flush=True)
