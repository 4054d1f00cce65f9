"""Memory and start-up of one task as its shard grows, with the default policy and the planner's row ranges."""

from __future__ import annotations

import uuid

from airflow_s3batch.engine import Policy
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.manifests.planning.cutting.shards import range_rows_for
from airflow_s3batch.testing.servers import seaweedfs
from benchmarks.contenders import access
from benchmarks.cpu import Say
from benchmarks.measuring import Spec, measured
from benchmarks.objects import publish
from benchmarks.results import ScaleResult
from benchmarks.scope import Scope
from benchmarks.servers import JOBS_BUCKET, Endpoint, NullServer, make_buckets, null_server


def growing_shards(scope: Scope, say: Say) -> list[ScaleResult]:
    """Tag every object of shards of growing size on the null server, once each."""
    results = []
    with seaweedfs() as store, null_server() as null:
        make_buckets(store)
        for rows in scope.shard_rows:
            result = _one_shard(rows, null, Endpoint.of(store))
            say(f"{rows:,} rows: {result.peak_mb:.0f} MB, first request after {result.startup_s:.2f} s")
            results.append(result)
    return results


def _one_shard(rows: int, null: NullServer, storage: Endpoint) -> ScaleResult:
    job_url = f"s3://{JOBS_BUCKET}/rows-{rows}"
    publish(S3Storage(access(storage)), job_url, rows)
    null.sight()
    window = Policy().max_concurrency
    cost = measured(Spec("run_shard", "tag", null.endpoint, storage, rows, window, job_url, uuid.uuid4().hex))
    startup_s = null.sight().first - cost.began
    return ScaleResult(rows, range_rows_for([rows]), cost.peak_mb, startup_s, cost.rate, cost.us_per_object)
