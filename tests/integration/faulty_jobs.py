"""Jobs whose objects are reached through the fault proxy, and what became of each of their rows."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from server_jobs import AwsRow, ServerJob

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.engine import Policy
from airflow_s3batch.operations import Operation
from airflow_s3batch.testing import FaultProxy

T = TypeVar("T")

QUICK = Policy(
    tolerate=frozenset(),
    request_timeout_s=0.7,
    connect_timeout_s=1.0,
    give_up_s=2.0,
    max_attempts=4,
    max_concurrency=32,
)
"""Nothing is tolerated, and nobody waits for long."""

GUARD_S = 90.0
"""No test comes near; an engine that hangs is told from a slow machine."""


def unhung(work: Callable[[], T]) -> T:
    """Return what *work* returns, or raise what it raises; it must not hang."""
    results: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue()

    def run() -> None:
        try:
            results.put((work(), None))
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            results.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = results.get(timeout=GUARD_S)
    except queue.Empty:
        raise AssertionError(f"still running after {GUARD_S:g} s") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def through(proxy: FaultProxy, job: ServerJob) -> ServerJob:
    """Return *job* with its objects reached through *proxy*, its own files as before."""
    return job._replace(server=proxy.server)


def attempt(
    job: ServerJob, operation: Operation, *, policy: Policy = QUICK, try_number: int = 1
) -> S3BatchError | None:
    """Run the job's shard once; return how it ended."""
    try:
        unhung(lambda: job.attempt(operation, policy=policy, try_number=try_number))
    except S3BatchError as error:
        return error
    return None


def rows_by_key(job: ServerJob) -> dict[str, AwsRow]:
    """Return the report's rows by key, after checking that each object has exactly one."""
    rows = job.report_rows()
    assert Counter(row.key for row in rows) == Counter(obj.key for obj in job.objects)
    return {row.key: row for row in rows}


def codes_by_key(job: ServerJob) -> dict[str, str]:
    """Return the report's error codes by key, empty for successes."""
    return {key: row.error_code for key, row in rows_by_key(job).items()}
