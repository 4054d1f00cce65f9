"""Runs an operation on many objects, without Airflow. Names are served on first use: importing costs nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_s3batch.core.outcomes import Summary
    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.batch import run_batch
    from airflow_s3batch.engine.policy import Policy
    from airflow_s3batch.engine.shards.shard import run_shard

_HOMES = {
    "Policy": "airflow_s3batch.engine.policy",
    "S3Access": "airflow_s3batch.engine.access",
    "Summary": "airflow_s3batch.core.outcomes",
    "run_batch": "airflow_s3batch.engine.batch",
    "run_shard": "airflow_s3batch.engine.shards.shard",
}

__all__ = ["Policy", "S3Access", "Summary", "run_batch", "run_shard"]


def __getattr__(name: str) -> Any:
    if home := _HOMES.get(name):
        return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
