"""How hard to try, how much to bear: everything about a run that is not the operation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.outcomes import VANISHED


@dataclass(frozen=True, slots=True)
class Policy:
    """
    Limits and tolerances of a run.

    Attributes:
        tolerate: error codes that are reported but don't count as failures.
        failure_threshold: a shard stops early once this share of its objects failed, from `THRESHOLD_FROM` objects
            on; 1 never stops. 0.5 is what AWS does.
        allowed_failures: up to which the run is green: a number of objects, or a fraction below 1.
        max_concurrency: requests in flight in one task.
        request_timeout_s: limit for one request, from start to last byte.
        connect_timeout_s: limit for a new connection, name look-up and TLS included.
        max_attempts: how often one request is sent at most.
        give_up_s: the run stops (to be retried by Airflow) when no request has succeeded for so long and requests
            keep failing for reasons that are not the objects'.
        progress_every_s: seconds between progress lines.
        replay_unsafe: let operations that declare themselves unsafe to replay do again what a crash left open.
    """

    THRESHOLD_FROM = 1_000

    tolerate: frozenset[str] = VANISHED
    failure_threshold: float = 0.5
    allowed_failures: int | float = 0
    max_concurrency: int = 128
    request_timeout_s: float = 60.0
    connect_timeout_s: float = 10.0
    max_attempts: int = 8
    give_up_s: float = 120.0
    progress_every_s: float = 10.0
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
            f"{name}={getattr(self, name)!r} is not above 0"
            for name in ("request_timeout_s", "connect_timeout_s", "give_up_s", "progress_every_s")
            if not getattr(self, name) > 0
        )
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what decides about green and red, for the job's files."""
        return {
            "tolerate": sorted(self.tolerate),
            "failure_threshold": self.failure_threshold,
            "allowed_failures": self.allowed_failures,
        }


def allowed_count(allowed_failures: float, objects: int) -> int:
    """Return how many of *objects* may fail: *allowed_failures* is a count (int) or a fraction below 1 (float)."""
    if isinstance(allowed_failures, float):
        return int(allowed_failures * objects)
    return allowed_failures
