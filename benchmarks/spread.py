"""
Simulates what the order of a manifest's rows does to S3's partitions: ``python -m benchmarks.spread``.

S3 serves 3,500 writes a second for each partition of a bucket's key space and answers 503 SlowDown to what is more.
Tasks work through the shards, a new one as soon as one is done, each with the worker engine's own window, which shrinks
on 503 and grows again. Rows are spread over the partitions evenly, or by Zipf's law: then the busiest partition by
itself says how fast the job can be, and the orders differ in how near they come to that.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from airflow_s3batch.engine import Policy
from airflow_s3batch.engine.rates.pacing import Window
from airflow_s3batch.manifests.planning.cutting.shards import range_rows_for, shard_sizes
from airflow_s3batch.manifests.planning.cutting.spread import dealt, turn_rows_for
from airflow_s3batch.manifests.planning.cutting.stage_files import StageWriter

Rows = np.ndarray[tuple[int], np.dtype[np.int64]]
"""Numbers of rows in key order, or partitions of rows."""

WRITES_PER_S = 3_500
BURST_S = 1.0
LATENCY_S = 0.05
WINDOW = Policy().max_concurrency
FILES = 40
SHARD_ROWS = 50_000
_STEP_S = LATENCY_S


class Setting(NamedTuple):
    """*tasks* run at a time, over *partitions* whose sizes follow Zipf's law with exponent *zipf* (0: equal sizes)."""

    rows: int
    tasks: int
    partitions: int
    zipf: float


class Run(NamedTuple):
    """
    What came out.

    Attributes:
        slower: time taken, by the least time that partitions and tasks allow.
        refused: 503 by request.
        crowded: share of the time in which one partition got more than it serves.
    """

    slower: float
    refused: float
    crowded: float


def simulated(order: Rows, setting: Setting) -> Run:
    """Work on the rows in *order*, cut into shards as the planner cuts them."""
    partitions = _partition_of_rows(setting)[order]
    sizes = shard_sizes(setting.rows, SHARD_ROWS, setting.rows)
    shards = iter(np.split(partitions, np.cumsum(sizes)[:-1]))
    capacity = np.full(setting.partitions, WRITES_PER_S * BURST_S)
    tasks = [_Task(next(shards, None)) for _ in range(setting.tasks)]
    chance = np.random.default_rng(0)
    steps = sent = refused = crowded = 0
    while any(task.is_busy for task in tasks):
        now = steps * _STEP_S
        capacity = np.minimum(capacity + WRITES_PER_S * _STEP_S, WRITES_PER_S * BURST_S)
        asked = [task.requests(now) for task in tasks]
        sent += sum(map(len, asked))
        chances = _served_share(asked, capacity, setting.partitions)
        crowded += bool((chances < 1.0).any())
        for task, requests in zip(tasks, asked, strict=True):
            served = chance.random(len(requests)) < chances[requests]
            refused += task.answered(requests, served, now)
        tasks = [task if task.is_busy else _Task(next(shards, None)) for task in tasks]
        steps += 1
    busiest = np.bincount(partitions, minlength=setting.partitions).max() / WRITES_PER_S
    alone = setting.rows / (setting.tasks * WINDOW / LATENCY_S)
    return Run(steps * _STEP_S / max(busiest, alone), refused / sent, crowded / steps)


class _Task:
    """One task: the partitions of its shard's rows, what is to be sent again, its window."""

    def __init__(self, shard: Rows | None) -> None:
        self._window = Window(WINDOW)
        self._shard = shard if shard is not None else np.empty(0, np.int64)
        self._at = 0
        self._again = np.empty(0, np.int64)

    @property
    def is_busy(self) -> bool:
        return self._at < len(self._shard) or len(self._again) > 0

    def requests(self, now: float) -> Rows:
        """Return the partitions of what is sent now."""
        if now < self._window.held_until or not self.is_busy:
            return self._shard[:0]
        most = max(1, int(self._window.size))
        if self._window.size < 1.0:
            self._window.pause(now)
        repeated = self._again[:most]
        self._again = self._again[most:]
        first, self._at = self._at, min(len(self._shard), self._at + most - len(repeated))
        return np.concatenate([repeated, self._shard[first : self._at]])

    def answered(self, requests: Rows, served: np.ndarray[tuple[int], np.dtype[np.bool_]], now: float) -> int:
        """Take the answers; return how many were refused."""
        refused = requests[~served]
        for _ in range(len(requests) - len(refused)):
            self._window.on_success(now)
        for _ in range(len(refused)):
            self._window.on_throttle(now)
        self._again = np.concatenate([self._again, refused])
        return len(refused)


def _served_share(
    asked: list[Rows], capacity: np.ndarray[tuple[int], np.dtype[np.float64]], partitions: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return which share of its requests each partition serves, and take that from its *capacity*."""
    load = np.bincount(np.concatenate(asked), minlength=partitions)
    served = np.minimum(load, capacity)
    capacity -= served
    return np.divide(served, load, out=np.ones(partitions), where=load > 0)


def _partition_of_rows(setting: Setting) -> Rows:
    """Return the partition of each row, rows in key order; small and large partitions lie side by side."""
    weights = 1.0 / np.arange(1, setting.partitions + 1) ** setting.zipf
    weights = np.random.default_rng(1).permutation(weights)
    ends = np.round(np.cumsum(weights) / weights.sum() * setting.rows).astype(np.int64)
    return np.searchsorted(ends, np.arange(setting.rows), side="right").astype(np.int64)


def _in_key_order(rows: int) -> Rows:
    return np.arange(rows, dtype=np.int64)


def _in_file_order(rows: int) -> Rows:
    """Data files are key ranges, listed in no order."""
    files = np.array_split(_in_key_order(rows), FILES)
    return np.concatenate([files[number] for number in np.random.default_rng(2).permutation(FILES)])


def _shuffled(rows: int) -> Rows:
    return np.random.default_rng(3).permutation(_in_key_order(rows))


def _striped(rows: int) -> Rows:
    """Cut file order into as many sections as tasks could be, and let each shard take its share of each in turn."""
    sections = np.array_split(_in_file_order(rows), 64)
    shards = len(shard_sizes(rows, SHARD_ROWS, rows))
    parts = [np.array_split(section, shards) for section in sections]
    turns = [(shard, (shard + turn) % len(sections)) for shard in range(shards) for turn in range(len(sections))]
    return np.concatenate([parts[section][shard] for shard, section in turns])


def _dealt(rows: int) -> Rows:
    """Return what the planner does with file order."""
    schema = pa.schema({"row": pa.int64()})
    with tempfile.TemporaryDirectory() as folder:
        with StageWriter(Path(folder, "rows.arrow"), schema) as writer:
            writer.write(pa.record_batch([pa.array(_in_file_order(rows))], schema))
        turn_rows = turn_rows_for(range_rows_for(shard_sizes(rows, SHARD_ROWS, rows)))
        return np.concatenate([batch["row"].to_numpy() for batch in dealt([writer.file], turn_rows)])


ORDERS: dict[str, Callable[[int], Rows]] = {
    "key order": _in_key_order,
    "file order": _in_file_order,
    "striped: a run of each section": _striped,
    "dealt: a few rows of each section, over and over": _dealt,
    "shuffled": _shuffled,
}


def table(settings: list[Setting]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield "| tasks | partitions | rows by partition | order | time | 503 | crowded |"
    yield "|---|---|---|---|---|---|---|"
    for setting in settings:
        spread = f"Zipf {setting.zipf:g}" if setting.zipf else "equal"
        for name, order in ORDERS.items():
            run = simulated(order(setting.rows), setting)
            yield (
                f"| {setting.tasks} | {setting.partitions} | {spread} | {name} | {run.slower:.2f} × "
                f"| {run.refused:.1%} | {run.crowded:.0%} |"
            )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3_200_000)
    rows = parser.parse_args().rows
    cases = [(4, 4, 0.0), (16, 16, 0.0), (16, 64, 0.0), (16, 16, 1.0)]
    for line in table([Setting(rows, *case) for case in cases]):
        print(line, flush=True)


if __name__ == "__main__":
    main()
