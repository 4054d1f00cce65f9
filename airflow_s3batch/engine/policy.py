"""How hard to try, how much to bear: everything about a run that is not the operation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.outcomes import VANISHED
from airflow_s3batch.core.shared_rate import LEAST_PER_S, SharedRate

_DURATIONS = (
    "request_timeout_s",
    "connect_timeout_s",
    "give_up_s",
    "progress_every_s",
    "pulse_every_s",
    "control_every_s",
)


@dataclass(frozen=True, slots=True)
class Policy:
    """
    Limits and tolerances of a run.

    Attributes:
        tolerate: error codes that are reported but don't count as failures.
        failure_threshold: a shard stops early once this share of its objects failed, or of the whole job's as far as
            its attempts have told, from `THRESHOLD_FROM` objects on; 1 never stops. 0.5 is what AWS does.
        keep_going: no share of failures stops anything; every object is attempted.
        allowed_failures: up to which the run is green: a number of objects, or a fraction below 1.
        max_concurrency: requests in flight in one task.
        max_requests_per_s: requests a second of the whole job, shared by its shards that run at the time; repeats
            count, and a request for many objects counts once. ``None`` is no limit.
        shared_rate: requests a second that the job shares with others; it sends neither more than its share of that,
            nor more than *max_requests_per_s*.
        request_timeout_s: limit for one request, from start to last byte.
        connect_timeout_s: limit for a new connection, name look-up and TLS included.
        max_attempts: how often one request is sent at most.
        give_up_s: the run stops (to be retried by Airflow) when no request has succeeded for so long and requests
            keep failing for reasons that are not the objects'.
        progress_every_s: seconds between progress lines.
        pulse_every_s: seconds between two signs of life, by which the attempts at a job's shards know of one another.
        control_every_s: seconds between two looks at ``control.json`` at most, by which people pause a running job or
            change its speed.
        if_running: what to do if another job is at work on the same objects: ``warn``, ``refuse`` or ``wait``; ``None``
            refuses what may do harm if it is done twice at the same time, and else warns.
        replay_unsafe: let operations that declare themselves unsafe to replay do again what a crash or a missing answer
            left open. Without it their requests that change something take a new connection each, are not sent again
            unless the store surely has not executed them, and end as ``OutcomeUnknown`` instead.

    How long nothing may happen at the most. A request ends after *request_timeout_s*. An object whose requests all fail
    holds its place for *max_attempts* times that for each kind of request that its operation makes, and for pauses of
    up to 20 s between them (25 s in sum for 8 tries). Where no request succeeds at all, the run ends after
    ``give_up_s + request_timeout_s`` and one pause. The preflight is bounded in the same way, and is a run of its own.
    The job's own files go through boto3, with the time limits and tries of its settings (by default 60 s to connect, 60
    s of silence, and 5 tries a file). An answer that comes byte by byte is given up after both limits in sum, plus a
    second for each 50,000 bytes that are sent or asked for.
    """

    THRESHOLD_FROM = 1_000

    tolerate: frozenset[str] = VANISHED
    failure_threshold: float = 0.5
    keep_going: bool = False
    allowed_failures: int | float = 0
    max_concurrency: int = 128
    max_requests_per_s: float | None = None
    shared_rate: SharedRate | None = None
    request_timeout_s: float = 60.0
    connect_timeout_s: float = 10.0
    max_attempts: int = 8
    give_up_s: float = 120.0
    progress_every_s: float = 10.0
    pulse_every_s: float = 10.0
    control_every_s: float = 3.0
    if_running: str | None = None
    replay_unsafe: bool = False

    def __post_init__(self) -> None:
        """
        Check the values.

        Raises:
            ArgumentError: lists all that is wrong.
        """
        if found := self.problems():
            raise ArgumentError.of("policy", found)

    def problems(self) -> list[str]:
        """Return all that is wrong with the values, a clause each."""
        found = []
        if isinstance(self.tolerate, str):
            found.append(f"tolerate={self.tolerate!r} is a text; expected a set of error codes such as {{'NoSuchKey'}}")
        elif "NotAttempted" in self.tolerate:
            found.append("tolerate can't hold 'NotAttempted': an object without an outcome always counts")
        if not 0 < self.failure_threshold <= 1:
            found.append(f"failure_threshold={self.failure_threshold!r} is not a fraction above 0 and up to 1")
        if not 0 <= self.allowed_failures < (1 if isinstance(self.allowed_failures, float) else math.inf):
            found.append(f"allowed_failures={self.allowed_failures!r} is neither a count (int) nor a fraction below 1")
        for name, least in (("max_concurrency", 1), ("max_attempts", 1)):
            if not getattr(self, name) >= least:
                found.append(f"{name}={getattr(self, name)!r} is below {least}")
        found.extend(
            f"{name}={getattr(self, name)!r} is not above 0" for name in _DURATIONS if not getattr(self, name) > 0
        )
        if self.max_requests_per_s is not None and not LEAST_PER_S <= self.max_requests_per_s < math.inf:
            found.append(
                f"max_requests_per_s={self.max_requests_per_s!r} is neither a rate above 0 nor None "
                f"({LEAST_PER_S:g} at least)"
            )
        if self.if_running not in (None, "warn", "refuse", "wait"):
            found.append(f"if_running={self.if_running!r}: expected 'warn', 'refuse', 'wait' or None")
        if not isinstance(self.shared_rate, SharedRate | None):
            found.append(
                f"shared_rate={self.shared_rate!r} is no SharedRate; pass SharedRate('name', requests_per_s) or None"
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what decides about green and red, and about the pace, for the job's files."""
        return {
            "tolerate": sorted(self.tolerate),
            "failure_threshold": self.failure_threshold,
            "allowed_failures": self.allowed_failures,
            "keep_going": self.keep_going,
            "max_concurrency": self.max_concurrency,
            "max_requests_per_s": self.max_requests_per_s,
            **({"shared_rate": self.shared_rate.to_json()} if self.shared_rate else {}),
        }


def allowed_count(allowed_failures: float, objects: int) -> int:
    """Return how many of *objects* may fail: *allowed_failures* is a count (int) or a fraction below 1 (float)."""
    if isinstance(allowed_failures, float):
        return int(allowed_failures * objects)
    return allowed_failures
