"""What it costs to commit while working: the same run with the planner's ranges, with one range, and with none kept."""

from __future__ import annotations

import uuid
from typing import NamedTuple

from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.manifests.planning.cutting.shards import range_rows_for
from airflow_s3batch.testing.servers import seaweedfs
from benchmarks.contenders import access
from benchmarks.cpu import NULL, Say
from benchmarks.measuring import Cost, Spec, measured
from benchmarks.objects import publish
from benchmarks.results import CheckpointResult
from benchmarks.scope import LATENCY_MS, SLOW_WINDOWS, WINDOW, Scope
from benchmarks.servers import JOBS_BUCKET, Endpoint, NullServer, make_buckets, null_server

COMMITTED, AT_THE_END, DISCARDED = "committed range by range", "one commit at the end", "parts thrown away"


SLOW = f"{LATENCY_MS:g} ms"
"""Name of the null server that takes its time."""


class _Variant(NamedTuple):
    name: str
    contender: str
    range_rows: int


class _Run(NamedTuple):
    cost: Cost
    rate: float


def checkpointing(scope: Scope, say: Say) -> list[CheckpointResult]:
    """Tag objects on the null server, where nothing hides what recording costs, and behind latency."""
    objects = scope.checkpoint_objects
    variants = [
        _Variant(COMMITTED, "run_shard", range_rows_for([objects])),
        _Variant(AT_THE_END, "run_shard", objects),
        _Variant(DISCARDED, "run_shard, parts discarded", range_rows_for([objects])),
    ]
    with seaweedfs() as store, null_server() as null, null_server(LATENCY_MS) as slow:
        make_buckets(store)
        storage = Endpoint.of(store)
        for range_rows in {variant.range_rows for variant in variants}:
            publish(S3Storage(access(storage)), _job_url(range_rows), objects, range_rows)
        spec = Spec("", "tag", null.endpoint, storage, objects, WINDOW, "", "")
        patient = spec._replace(endpoint=slow.endpoint, window=SLOW_WINDOWS[0])
        return [
            *_in_turn(NULL, null, variants, spec, scope.checkpoint_rounds, say),
            *_in_turn(SLOW, slow, variants, patient, -(-scope.checkpoint_rounds // 3), say),
        ]


def _in_turn(
    name: str, null: NullServer, variants: list[_Variant], spec: Spec, rounds: int, say: Say
) -> list[CheckpointResult]:
    runs: dict[_Variant, list[_Run]] = {variant: [] for variant in variants}
    for _ in range(rounds):
        for variant, found in runs.items():
            found.append(_one_run(null, variant, spec))
            cpu = found[-1].cost.us_per_object
            say(f"{name}, {variant.name}: {found[-1].rate:,.0f}/s, {cpu:.1f} µs/object")
    return [
        CheckpointResult(
            name,
            variant.name,
            -(-spec.objects // variant.range_rows),
            spec.objects,
            [run.rate for run in found],
            [run.cost.us_per_object for run in found],
        )
        for variant, found in runs.items()
    ]


def _one_run(null: NullServer, variant: _Variant, spec: Spec) -> _Run:
    null.sight()
    job_url, run = _job_url(variant.range_rows), uuid.uuid4().hex
    cost = measured(spec._replace(contender=variant.contender, job_url=job_url, run=run))
    ended = cost.began + cost.wall_s
    return _Run(cost, spec.objects / (ended - null.sight().first))


def _job_url(range_rows: int) -> str:
    return f"s3://{JOBS_BUCKET}/ranges-of-{range_rows}"
