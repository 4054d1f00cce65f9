"""
Compares contenders at one job on one server: ``python -m benchmarks.compare --help``. For use while optimising.

Contenders run in turn (A B C A B C …), each in a process of its own; what is shown is the round with the least CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import uuid
from collections.abc import Iterator, Sequence

from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.testing.servers import seaweedfs
from benchmarks.contenders import CONTENDERS, access
from benchmarks.jobs import JOBS
from benchmarks.measuring import Cost, Spec, measured
from benchmarks.objects import publish, store_objects
from benchmarks.servers import JOBS_BUCKET, Endpoint, make_buckets, null_server

Costs = dict[str, list[Cost]]


@contextlib.contextmanager
def places(server: str, latency_ms: float) -> Iterator[tuple[Endpoint, Endpoint]]:
    """Run the servers; yield where the objects are and where the job's files are, which is always a real store."""
    with contextlib.ExitStack() as stack:
        real = stack.enter_context(seaweedfs())
        make_buckets(real)
        storage = Endpoint.of(real)
        yield (stack.enter_context(null_server(latency_ms)).endpoint if server == "null" else storage), storage


def compared(names: Sequence[str], spec: Spec, rounds: int) -> Costs:
    """Run the contenders *names* on *spec* in turn, *rounds* times; return the costs of all rounds."""
    costs: Costs = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            if JOBS[spec.job].destroys and spec.endpoint == spec.storage:
                store_objects(access(spec.endpoint), spec.objects)
            run = f"{name}-{uuid.uuid4().hex[:8]}"
            costs[name].append(measured(spec._replace(contender=name, run=run)))
    return costs


def main() -> None:
    """Read the command line, compare, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", choices=("null", "seaweedfs"), default="null")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="of the null server")
    parser.add_argument("--job", choices=tuple(JOBS), default="tag")
    parser.add_argument("--contenders", default="bare,run_batch,run_shard", help=f"of {', '.join(CONTENDERS)}")
    parser.add_argument("--objects", type=int, default=50_000)
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", default="", help="write a cProfile of the last contender's last run to this path")
    arguments = parser.parse_args()
    names = arguments.contenders.split(",")
    with places(arguments.server, arguments.latency_ms) as (endpoint, storage):
        job_url = f"s3://{JOBS_BUCKET}/compare"
        publish(S3Storage(access(storage)), job_url, arguments.objects)
        if endpoint == storage and not JOBS[arguments.job].destroys:
            store_objects(access(endpoint), arguments.objects)
        spec = Spec("", arguments.job, endpoint, storage, arguments.objects, arguments.window, job_url, "")
        costs = compared(names, spec, arguments.rounds)
        if arguments.profile:
            if JOBS[arguments.job].destroys and endpoint == storage:
                store_objects(access(endpoint), arguments.objects)
            measured(spec._replace(contender=names[-1], run=uuid.uuid4().hex, profile=arguments.profile))
    print_table(costs)


def print_table(costs: Costs) -> None:
    """Print the best round of each contender, relative to the first."""
    best = {name: min(rounds, key=lambda cost: cost.cpu_s) for name, rounds in costs.items()}
    base = next(iter(best.values())).us_per_object
    for name, cost in best.items():
        others = " ".join(f"{other.us_per_object:.1f}" for other in costs[name])
        print(
            f"{name:12} {cost.us_per_object:8.1f} µs/object {cost.us_per_object / base:6.2f} × first "
            f"{cost.rate:9,.0f}/s {cost.cores:5.2f} cores {cost.peak_mb:6.0f} MB   rounds: {others}"
        )


if __name__ == "__main__":
    main()
