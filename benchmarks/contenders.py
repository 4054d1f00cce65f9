"""Who does the jobs in Python: this package, a bare libcurl loop, boto3. Run by `benchmarks.measuring`."""

from __future__ import annotations

import cProfile
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import boto3
from botocore.config import Config

from airflow_s3batch import S3Object
from airflow_s3batch.core.manifest import ShardRef
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import Policy, S3Access, run_batch, run_shard
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.engine.wire.prepared import Preparer
from airflow_s3batch.engine.wire.signing import Signer
from benchmarks.bare_loop import BareLoop
from benchmarks.jobs import JOBS
from benchmarks.listing_ways import WAYS
from benchmarks.measuring import Cost, Spec, measured_here
from benchmarks.objects import objects
from benchmarks.servers import Endpoint

Prepared = Callable[[], object]
"""A contender that is ready to go: what it does when called is measured."""


def access(endpoint: Endpoint) -> S3Access:
    """Return how the engine reaches *endpoint*."""
    session = boto3.session.Session(endpoint.access_key, endpoint.secret_key, region_name="us-east-1")
    return S3Access(session, endpoint.url, "us-east-1")


class DiscardingStorage(S3Storage):
    """Throws result parts and commits away: what a run costs that writes nothing while it works."""

    def write(self, url: S3Url, body: bytes, content_type: str = "application/octet-stream") -> str:  # noqa: D102
        return "discarded" if "/range-" in url.key else super().write(url, body, content_type)


def with_run_shard(spec: Spec, storage_class: type[S3Storage] = S3Storage) -> Prepared:
    """Prepare an attempt at a published shard: reading it, preflight, signing, outcomes, result parts and commits."""
    storage = storage_class(access(spec.storage))
    ref = ShardRef(spec.job_url, 0, spec.objects)
    reached = access(spec.endpoint)
    reached.client()

    def run() -> None:
        summary = run_shard(
            ref,
            JOBS[spec.job].operation(spec.run),
            access=reached,
            storage=storage,
            task_id=spec.run,
            policy=Policy(max_concurrency=spec.window),
            shares_store=spec.endpoint == spec.storage,
        )
        _check(summary.succeeded, spec)

    return run


def with_run_batch(spec: Spec) -> Prepared:
    """Prepare the engine without a job's files: nothing is read, nothing recorded."""
    reached = access(spec.endpoint)
    reached.client()

    def run() -> None:
        summary = run_batch(
            objects(spec.objects),
            JOBS[spec.job].operation(spec.run),
            session=reached.session,
            endpoint_url=reached.endpoint_url,
            policy=Policy(max_concurrency=spec.window),
        )
        _check(summary.succeeded, spec)

    return run


def with_bare_libcurl(spec: Spec) -> Prepared:
    """Prepare the bare loop."""
    job = JOBS[spec.job]
    reached = access(spec.endpoint)
    preparer = Preparer(reached)
    assert reached.session is not None
    credentials: Any = reached.session.get_credentials()
    loop = BareLoop(preparer, Signer(credentials.get_frozen_credentials), spec)

    def run() -> None:
        _check(loop.run() * job.batch, spec)

    return run


def with_boto3(spec: Spec) -> Prepared:
    """Prepare boto3 with as many threads as there may be requests in flight."""
    job = JOBS[spec.job]
    reached = access(spec.endpoint)
    assert reached.session is not None
    config = Config(max_pool_connections=spec.window)
    client = reached.session.client("s3", endpoint_url=reached.endpoint_url, config=config)

    def do(chunk: list[S3Object]) -> int:
        job.with_boto3(client, chunk, spec.run)
        return len(chunk)

    def run() -> None:
        with ThreadPoolExecutor(spec.window) as pool:
            _check(sum(pool.map(do, job.chunks(spec.objects))), spec)

    return run


def with_way_to_list(spec: Spec) -> Prepared:
    """Prepare a listing."""
    listed = WAYS[spec.contender](spec, access(spec.endpoint), access(spec.storage))
    return lambda: _check(listed(), spec)


CONTENDERS: dict[str, Callable[[Spec], Prepared]] = {
    "run_shard": with_run_shard,
    "run_shard, parts discarded": partial(with_run_shard, storage_class=DiscardingStorage),
    "run_batch": with_run_batch,
    "bare": with_bare_libcurl,
    "boto3": with_boto3,
    **dict.fromkeys(WAYS, with_way_to_list),
}


def _check(done: int, spec: Spec) -> None:
    """Stop if not all objects were done: a figure for half the work is worth nothing."""
    if done < spec.objects:
        raise SystemExit(f"only {done} of {spec.objects} objects were done")


def main() -> None:
    """Run the spec of the command line and print its cost as JSON."""
    spec = Spec.from_json(sys.argv[1])
    run = CONTENDERS[spec.contender](spec)
    if spec.profile:
        profile = cProfile.Profile()
        cost: Cost = measured_here(spec.objects, lambda: profile.runcall(run))
        profile.dump_stats(spec.profile)
    else:
        cost = measured_here(spec.objects, run)
    print(json.dumps(cost))


if __name__ == "__main__":
    main()
