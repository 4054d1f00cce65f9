"""What this package tells Airflow's metrics, and under which names. ``docs/metrics.md`` explains them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_s3batch.operators.stats import emit, tag_value

if TYPE_CHECKING:
    from airflow_s3batch.core.outcomes import Summary
    from airflow_s3batch.engine.loop.progress import Snapshot
    from airflow_s3batch.reports.summary import JobSummary

OBJECTS = "s3batch.objects"
BYTES = "s3batch.bytes"
FAILURES = "s3batch.failures"
REQUESTS = "s3batch.requests"
RETRIES = "s3batch.retries"
SLOW_DOWNS = "s3batch.slow_downs"
RATE = "s3batch.rate"
IN_FLIGHT = "s3batch.in_flight"
TASK_DURATION = "s3batch.task_duration"
JOBS = "s3batch.jobs"
JOB_OBJECTS = "s3batch.job.objects"
JOB_FAILURES = "s3batch.job.failures"
JOB_NOT_ATTEMPTED = "s3batch.job.not_attempted"
JOB_DURATION = "s3batch.job_duration"

METRICS: Mapping[str, str] = {
    OBJECTS: "counter",
    BYTES: "counter",
    FAILURES: "counter",
    REQUESTS: "counter",
    RETRIES: "counter",
    SLOW_DOWNS: "counter",
    RATE: "gauge",
    IN_FLIGHT: "gauge",
    TASK_DURATION: "timer",
    JOBS: "counter",
    JOB_OBJECTS: "gauge",
    JOB_FAILURES: "gauge",
    JOB_NOT_ATTEMPTED: "gauge",
    JOB_DURATION: "timer",
}
"""All metrics, by kind."""

MOST_CODES = 20
OTHER_CODES = "other"


def task_tags(ti: Any, operation: str, engine: str) -> dict[str, str]:
    """Return the tags of all metrics of a task: of bounded number, so neither the run nor a key is among them."""
    values = {"dag_id": ti.dag_id, "task_id": ti.task_id, "operation": operation, "engine": engine}
    return {name: tag_value(value) for name, value in values.items()}


class TaskMetrics:
    """
    Turns the running totals of one attempt into counters and gauges.

    Snapshots count from the attempt's beginning, and *done* from the job's; counters get what is new since the last.
    A gauge has the shard as a tag, too, for each task has its own; it is 0 once the attempt is over.

    Args:
        tags: of the task.
        shard: index of the shard, or the bucket of an AWS job.
    """

    def __init__(self, tags: Mapping[str, str], shard: object) -> None:
        self._tags = dict(tags)
        self._gauge_tags = {**self._tags, "shard": tag_value(shard)}
        self._counted: dict[str, int] = {}
        self._codes: dict[str, int] = {}
        self._before: int | None = None
        self._is_at_work = False

    def take(self, snapshot: Snapshot) -> None:
        """Emit what is new in *snapshot*."""
        if self._before is None:
            self._before = snapshot.done
        load = snapshot.load
        self._count(OBJECTS, snapshot.done - self._before)
        self._count(BYTES, snapshot.bytes)
        self._count(REQUESTS, load.requests)
        self._count(RETRIES, load.retries)
        self._count(SLOW_DOWNS, load.slow_downs)
        self._count_codes({code: number for code, (number, _) in snapshot.codes.items()})
        if snapshot.state == "running":
            self._is_at_work = True
            emit("gauge", RATE, round(snapshot.rate or 0, 1), self._gauge_tags)
            emit("gauge", IN_FLIGHT, load.in_flight, self._gauge_tags)
        else:
            self.close()
            emit("timing", TASK_DURATION, 1_000 * snapshot.elapsed_s, self._tags)

    def close(self) -> None:
        """Let the gauges show that the attempt does nothing any more."""
        if self._is_at_work:
            self._is_at_work = False
            emit("gauge", RATE, 0, self._gauge_tags)
            emit("gauge", IN_FLIGHT, 0, self._gauge_tags)

    def take_aws(self, summary: Summary) -> None:
        """Emit what an AWS job did, once it is over: AWS tells nothing of requests."""
        self._count(OBJECTS, summary.tally.objects)
        self._count(BYTES, summary.tally.bytes)
        self._count_codes(summary.tally.codes)
        emit("timing", TASK_DURATION, 1_000 * summary.duration_s, self._tags)

    def _count(self, name: str, total: int) -> None:
        new = total - self._counted.get(name, 0)
        if new > 0:
            self._counted[name] = total
            emit("incr", name, new, self._tags)

    def _count_codes(self, codes: Mapping[str, int]) -> None:
        """Count failures by code; from the twenty-first code of an attempt on they are ``other``."""
        for code, total in codes.items():
            new = total - self._codes.get(code, 0)
            if new > 0:
                has_name = code in self._codes or len(self._codes) < MOST_CODES
                if has_name:
                    self._codes[code] = total
                else:
                    new = self._others(code, total)
                if new > 0:
                    emit("incr", FAILURES, new, {**self._tags, "code": tag_value(code) if has_name else OTHER_CODES})

    def _others(self, code: str, total: int) -> int:
        new = total - self._counted.get(f"{FAILURES} {code}", 0)
        self._counted[f"{FAILURES} {code}"] = total
        return new


def emit_report(ti: Any, summary: JobSummary) -> None:
    """Emit what *summary* says of a whole job, with the colour of its run."""
    engine = "managed" if summary.aws_jobs else "worker"
    tags = task_tags(ti, summary.name, engine)
    state = "green" if summary.is_green else "red"
    emit("incr", JOBS, 1, {**tags, "state": "dry_run" if summary.dry_run else state})
    if summary.dry_run or summary.no_manifest:
        return
    emit("gauge", JOB_OBJECTS, summary.objects, tags)
    emit("gauge", JOB_FAILURES, summary.counted_failures, tags)
    emit("gauge", JOB_NOT_ATTEMPTED, summary.not_attempted, tags)
    emit("timing", JOB_DURATION, 1_000 * summary.duration_s, tags)
