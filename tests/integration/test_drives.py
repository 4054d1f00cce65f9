"""Both ways to move requests, libcurl's own loop and epoll, on connections that misbehave."""

from __future__ import annotations

import pytest
from faulty_jobs import unhung
from server_jobs import access_of, put_objects, tags

from airflow_s3batch.engine import Policy, run_batch
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.wire.drive import Sweep, Watch
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.testing import (
    CutAnswer,
    Delay,
    FaultProxy,
    InternalError,
    NoAnswer,
    ResetAfter,
    ResetBefore,
    SentTwice,
    Server,
    SlowDown,
    is_api,
)

MANY = 300


@pytest.mark.parametrize(("window", "drive"), [(16, Sweep), (100, Watch)])
def test_every_object_is_done_on_connections_that_misbehave(
    seaweedfs: Server, proxy: FaultProxy, shared_buckets: tuple[str, str], window: int, drive: type
) -> None:
    """Resets, silence, cut, late and doubled answers: connections are closed and made all the time."""
    data, _ = shared_buckets
    objects = put_objects(seaweedfs, data, [f"{window}/{number:03d}" for number in range(MANY)])
    policy = Policy(request_timeout_s=2.0, connect_timeout_s=2.0, max_attempts=20, max_concurrency=window)
    with Executor(access_of(seaweedfs), policy) as executor:
        assert isinstance(executor._transport._drive, drive)

    tagging = is_api("PutObjectTagging")
    faults = (ResetBefore(), ResetAfter(), CutAnswer(), NoAnswer(), SentTwice(), InternalError(), SlowDown(), Delay())
    for seed, fault in enumerate(faults):
        proxy.inject(fault, share=0.08, when=tagging, seed=seed)
    summary = unhung(
        lambda: run_batch(
            objects,
            PutObjectTagging({"by": "drive"}),
            session=access_of(seaweedfs).session,
            endpoint_url=proxy.server.endpoint_url,
            policy=policy,
        )
    )
    assert (summary.succeeded, summary.failed) == (MANY, 0)
    assert summary.retries > 0
    assert all(tags(seaweedfs, obj) == {"by": "drive"} for obj in objects)
