"""
AWS S3 Batch Operations as an engine: jobs of AWS's own service, driven and accounted for like the worker engine's.

`begin_round` makes (or finds again) the AWS job for what is left of one bucket, `job_progress` tells how far it is,
`harvest` brings AWS's completion report into the job's own form. All three can be called again after any crash.

Names are served on first use: checking arguments with `managed_problems`, as Dag files do, needs no boto3.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_s3batch.managed.buckets import BucketRef, bucket_refs
    from airflow_s3batch.managed.control import JobControl, S3JobControl
    from airflow_s3batch.managed.harvesting import harvest
    from airflow_s3batch.managed.progress import CANCELLED_BY_TASK, JobProgress, job_progress
    from airflow_s3batch.managed.refusals import managed_problems
    from airflow_s3batch.managed.round import Round
    from airflow_s3batch.managed.rounds import begin_round
    from airflow_s3batch.managed.settings import ManagedSettings

__all__ = [
    "CANCELLED_BY_TASK",
    "BucketRef",
    "JobControl",
    "JobProgress",
    "ManagedSettings",
    "Round",
    "S3JobControl",
    "begin_round",
    "bucket_refs",
    "harvest",
    "job_progress",
    "managed_problems",
]

_HOMES = {
    "CANCELLED_BY_TASK": "progress",
    "BucketRef": "buckets",
    "JobControl": "control",
    "JobProgress": "progress",
    "ManagedSettings": "settings",
    "Round": "round",
    "S3JobControl": "control",
    "begin_round": "rounds",
    "bucket_refs": "buckets",
    "harvest": "harvesting",
    "job_progress": "progress",
    "managed_problems": "refusals",
}


def __getattr__(name: str) -> Any:
    """Import the module that *name* lives in, on its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
