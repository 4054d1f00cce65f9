"""`run_batch`: one operation on any iterable of objects, without Airflow and without a job's files."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import DRY_RUN, Outcome, Summary, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.checks.dry_run import DryRun, dry_policy
from airflow_s3batch.engine.checks.preflight import capabilities_for, looked_up
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.loop.refusals import Refusals
from airflow_s3batch.engine.loop.threshold import Threshold
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.wire.exchange import Work
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.declared import for_workers
from airflow_s3batch.operations.requests import RunContext

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config


def run_batch(
    objects: Iterable[S3Object],
    operation: Operation | Sequence[Operation],
    *,
    session: boto3.session.Session | None = None,
    endpoint_url: str | None = None,
    region_name: str | None = None,
    verify: bool | str | None = None,
    botocore_config: Config | None = None,
    endpoints: Mapping[str, str] | None = None,
    policy: Policy | None = None,
    max_concurrency: int | None = None,
    max_requests_per_s: float | None = None,
    keep_going: bool | None = None,
    scratch_url: str | None = None,
    on_outcome: Callable[[S3Object, Outcome], None] | None = None,
    job_id: str | None = None,
    dry_run: bool = False,
) -> Summary:
    """
    Run *operation*, or several in order, on each of *objects* and return the counts.

    Nothing is recorded, so nothing can be resumed.

    *session*, *endpoint_url*, *region_name*, *verify* and *botocore_config* say which store, as boto3 takes them;
    *endpoints* holds URLs of other services by name, for stores that are not AWS: ``{"lambda": "http://…"}``.
    *objects* is any iterable, read as needed and never held as a whole; *policy* holds the limits, *max_concurrency*
    (requests in flight), *max_requests_per_s* and *keep_going* override those. *scratch_url* is where the preflight may
    write and delete, on the same store (by default a scratch prefix in the first object's bucket; AWS is not probed).
    *on_outcome* is called once per object, in order of completion; what it raises ends the run. *job_id* is what Lambda
    functions are told; by default a new one. *dry_run* sends only what reads: each object fails with ``DryRun``, or
    with what a look at it has shown, and ``summary.tally.sentence()`` says what would be done.

    Raises:
        ArgumentError: *operation* is none, or one that AWS alone can do.
        CapabilityError: the store does not do what the operation needs; no object was touched.
        AccessError: the store refuses the connection.
        InfrastructureError: nothing succeeded for ``policy.give_up_s``.
    """
    access = S3Access(session, endpoint_url, region_name, verify, botocore_config, tuple((endpoints or {}).items()))
    given: dict[str, Any] = {
        "max_concurrency": max_concurrency,
        "max_requests_per_s": max_requests_per_s,
        "keep_going": keep_going,
    }
    chosen = replace(policy or Policy(), **{name: value for name, value in given.items() if value is not None})
    chosen = dry_policy(chosen) if dry_run else chosen
    operation = for_workers(operation)
    operation.check_machine()
    source = iter(objects)
    first = next(source, None)
    if first is None:
        return Summary(Tally())
    started = time.monotonic()
    tally = Tally()
    threshold = Threshold(chosen)
    refusals = Refusals(operation, chosen, None)

    def settle(work: Work, outcome: Outcome) -> None:
        count(tally, work.obj, outcome)
        threshold.count(outcome)
        if outcome.error_code:
            refusals.count(work.obj, outcome, succeeded=tally.succeeded + tally.codes.get(DRY_RUN, 0))
        if on_outcome is not None:
            on_outcome(work.obj, outcome)

    with Executor(access, chosen, is_read_only=dry_run) as executor:
        scratch = (
            S3Url.parse(scratch_url, what="scratch_url") if scratch_url else S3Url(first.bucket, ".s3batch-scratch")
        )
        if dry_run:
            capabilities = looked_up(executor, access, operation, first)
        else:
            capabilities = capabilities_for(executor, access, operation, first, scratch)
        executor.run(
            DryRun(operation) if dry_run else operation,
            itertools.starmap(Work, enumerate(itertools.chain([first], source))),
            RunContext(capabilities, job_id=job_id or str(uuid.uuid4())),
            settle,
            keep_going=lambda: threshold.keep_going() and refusals.keep_going(),
        )
        return Summary(
            tally,
            executor.requests,
            executor.retries,
            executor.pace.window.slow_downs,
            time.monotonic() - started,
            threshold.reason or (f"{refusals.reason}: {refusals.advice}" if refusals.reason else ""),
        )


def count(tally: Tally, obj: S3Object, outcome: Outcome) -> None:
    """Add one object's outcome to *tally*."""
    if outcome.error_code:
        examples = tally.examples.get(outcome.error_code, ())
        wanted = len(examples) < Tally.EXAMPLES_PER_CODE
        tally.add_failures(outcome.error_code, 1, [f"s3://{obj.bucket}/{encode_key(obj.key)}"] if wanted else [])
        tally.bytes += (obj.size or 0) if outcome.error_code == DRY_RUN else 0
    else:
        tally.succeeded += 1
        tally.bytes += obj.size or 0
