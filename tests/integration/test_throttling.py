"""The whole loop against a server that answers 503 above a rate."""

from __future__ import annotations

import time
from collections.abc import Iterator

import boto3
import pytest
from scripted_server import Fault, ScriptedS3, Seen, error, scripted_s3

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine import Policy, run_batch
from airflow_s3batch.operations import PutObjectTagging

BEARABLE_PER_S = 120.0


@pytest.fixture
def s3() -> Iterator[ScriptedS3]:
    with scripted_s3() as server:
        yield server


class Throttle:
    """Refuses what exceeds `BEARABLE_PER_S`, until it is *lifted*."""

    def __init__(self) -> None:
        self.room = 12.0
        self.last = time.monotonic()
        self.refused = 0
        self.is_lifted = False

    def __call__(self, seen: Seen) -> Fault:
        now = time.monotonic()
        self.room = min(12.0, self.room + BEARABLE_PER_S * (now - self.last))
        self.last = now
        if self.is_lifted or self.room >= 1.0:
            self.room -= 1.0
            time.sleep(0.05)
            return None
        self.refused += 1
        return error(503, "SlowDown")


def test_a_run_finds_the_rate_that_the_store_bears_and_loses_no_object(s3: ScriptedS3) -> None:
    """Once the rate is found, few requests are sent in vain."""
    s3.fault = throttle = Throttle()
    done = refused_early = 0

    def count(*_: object) -> None:
        nonlocal done, refused_early
        done += 1
        if done == 300:
            refused_early = throttle.refused
        throttle.is_lifted = throttle.is_lifted or done >= 700

    summary = run_batch(
        (S3Object("data", f"{n:05d}") for n in range(1_000)),
        PutObjectTagging({"k": "v"}),
        session=boto3.session.Session("key", "secret", region_name="us-east-1"),
        endpoint_url=s3.endpoint_url,
        policy=Policy(max_concurrency=64),
        on_outcome=count,
    )
    assert (summary.succeeded, summary.failed) == (1_000, 0)
    assert summary.slow_downs == summary.retries == throttle.refused > 0
    assert throttle.refused - refused_early < 100 < throttle.refused
