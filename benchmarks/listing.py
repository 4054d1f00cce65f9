"""Listing a bucket: this package against boto3's paginator and two programs, on the same servers in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from airflow_s3batch import S3Object
from airflow_s3batch.engine import Policy, S3Access, run_batch
from airflow_s3batch.testing.servers import seaweedfs
from benchmarks.contenders import access
from benchmarks.cpu import NULL, REAL, Say
from benchmarks.listing_ways import OURS, PAGINATOR, PROGRAMS
from benchmarks.listing_ways import cost_of_program as program_cost
from benchmarks.measuring import Cost, Spec, measured
from benchmarks.null_listing import OBJECTS as NULL_OBJECTS
from benchmarks.objects import PutBody
from benchmarks.results import CpuResult
from benchmarks.scope import LATENCY_MS, Scope
from benchmarks.servers import OBJECTS_BUCKET, Endpoint, make_buckets, null_server

WINDOW = 32
SLOW = f"null, {LATENCY_MS:g} ms"
SHAPES: dict[str, Callable[[int, int], str]] = {
    "flat": lambda number, _: f"flat/object-{number:08d}.parquet",
    "deep": lambda number, _: f"deep/{number % 20}/{number // 20 % 20}/{number // 400 % 10}/object-{number}.parquet",
    "hot": lambda number, of: f"hot/tenant-{77 if number % 10 else number // 10 % (of // 100)}/{number:08d}.json",
}
"""Key of the n-th of so many objects, by the shape of the bucket. In *hot* nine of ten are in one folder of many."""


def listing(scope: Scope, say: Say) -> list[CpuResult]:
    """Compare on the null server, with and without latency, and on SeaweedFS in buckets of several shapes."""
    with seaweedfs() as store, null_server() as null, null_server(LATENCY_MS) as slow:
        make_buckets(store)
        storage = Endpoint.of(store)
        found = []
        for name, server in ((NULL, null), (SLOW, slow)):
            spec = Spec("", "", server.endpoint, storage, NULL_OBJECTS, WINDOW, "", "")
            found += _in_turn(name, "flat", spec, (OURS, PAGINATOR), scope.real_rounds, say)
        for shape, key in SHAPES.items():
            count = scope.listed_objects
            _store(access(storage), (key(number, count) for number in range(count)), count)
            spec = Spec("", f"{shape}/", storage, storage, count, WINDOW, "", "")
            found += _in_turn(REAL, shape, spec, (OURS, PAGINATOR, *PROGRAMS), scope.real_rounds, say)
    return found


def _store(reached: S3Access, keys: Iterable[str], count: int) -> None:
    summary = run_batch(
        (S3Object(OBJECTS_BUCKET, key) for key in keys),
        PutBody(),
        session=reached.session,
        endpoint_url=reached.endpoint_url,
        policy=Policy(max_concurrency=32),
    )
    if summary.succeeded != count:
        raise SystemExit(f"only {summary.succeeded} of {count} objects could be stored")


def _in_turn(server: str, shape: str, spec: Spec, contenders: Iterable[str], rounds: int, say: Say) -> list[CpuResult]:
    costs: dict[str, list[Cost]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, found in costs.items():
            asked = spec._replace(contender=name)
            found.append(program_cost(asked) if name in PROGRAMS else measured(asked))
            say(f"{server}, {shape}, {name}: {found[-1].rate:,.0f}/s, {found[-1].us_per_object:.1f} µs/object")
    return [
        CpuResult(
            server,
            shape,
            name,
            spec.objects,
            [cost.us_per_object for cost in found],
            [cost.rate for cost in found],
        )
        for name, found in costs.items()
    ]
