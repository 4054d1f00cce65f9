"""
One worker: attempts at the shards that it is given, one after the other, as one of Airflow's slots makes them.

Unlike a task of Airflow's, which is a process of its own, it makes its boto3 clients once.

Run by `benchmarks.scale_out.fleet`: a JSON document on the command line says where everything is, each line of standard
input names a shard, each line of standard output is what its attempt took. It ends with its standard input.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any, NamedTuple

from airflow_s3batch.core.manifest import ShardRef
from airflow_s3batch.engine import Policy, S3Access, run_shard
from airflow_s3batch.engine.files.storage import S3Storage
from benchmarks.contenders import access
from benchmarks.jobs import TAG
from benchmarks.servers import Endpoint


class Attempt(NamedTuple):
    """
    What an attempt at a shard took.

    Attributes:
        began: monotonic seconds, the same clock in all processes; *ended* likewise.
        cpu_s: of the worker's process meanwhile.
    """

    shard: int
    rows: int
    began: float
    ended: float
    cpu_s: float


def attempt(place: dict[str, Any], reached: S3Access, storage: S3Storage, shard: int, rows: int) -> Attempt:
    """
    Make an attempt at a shard of the published job.

    Raises:
        SystemExit: not all of it succeeded; a figure for half the work is worth nothing.
    """
    began, before = time.monotonic(), _cpu_s()
    summary = run_shard(
        ShardRef(place["job_url"], shard, rows),
        TAG.operation(place["run"]),
        access=reached,
        storage=storage,
        task_id=place["run"],
        policy=Policy(max_concurrency=place["window"]),
        shares_store=False,
    )
    if summary.succeeded != rows:
        raise SystemExit(f"shard {shard}: only {summary.succeeded} of {rows} objects were done")
    return Attempt(shard, rows, began, time.monotonic(), _cpu_s() - before)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Tell that it is ready, then work."""
    place = json.loads(sys.argv[1])
    reached = access(Endpoint(*place["endpoint"]))
    reached.client()
    storage = S3Storage(access(Endpoint(*place["storage"])))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(attempt(place, reached, storage, *json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
