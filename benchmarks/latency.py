"""One task against a server that takes 50 ms for each answer: what a window of requests in flight is good for."""

from __future__ import annotations

import uuid
from typing import NamedTuple

from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.testing.servers import seaweedfs
from benchmarks.contenders import access
from benchmarks.cpu import Say
from benchmarks.measuring import Cost, Spec, measured
from benchmarks.objects import publish
from benchmarks.results import LatencyResult
from benchmarks.scope import LATENCY_MS, SLOW_WINDOWS, Scope
from benchmarks.servers import JOBS_BUCKET, Endpoint, Sight, make_buckets, null_server


class _Run(NamedTuple):
    cost: Cost
    sight: Sight

    @property
    def rate(self) -> float:
        return (self.sight.requests - 1) / (self.sight.last - self.sight.first)


def behind_latency(scope: Scope, say: Say) -> list[LatencyResult]:
    """Tag objects with each window, through `run_shard` and the bare loop in turn."""
    objects = scope.latency_objects
    job_url = f"s3://{JOBS_BUCKET}/latency"
    runs: dict[tuple[int, str], list[_Run]] = {}
    with seaweedfs() as store, null_server(LATENCY_MS) as null:
        make_buckets(store)
        storage = Endpoint.of(store)
        publish(S3Storage(access(storage)), job_url, objects)
        for _ in range(scope.latency_rounds):
            for window in SLOW_WINDOWS:
                for name in ("run_shard", "bare"):
                    null.sight()
                    spec = Spec(name, "tag", null.endpoint, storage, objects, window, job_url, uuid.uuid4().hex)
                    run = _Run(measured(spec), null.sight())
                    runs.setdefault((window, name), []).append(run)
                    say(f"{LATENCY_MS:g} ms, {window} in flight, {name}: {run.rate:,.0f}/s, {run.cost.cores:.2f} cores")
    return [
        LatencyResult(
            name,
            window,
            objects,
            [run.rate for run in found],
            [run.cost.cores for run in found],
            [run.cost.us_per_object for run in found],
        )
        for (window, name), found in runs.items()
    ]
