"""The lowest layer that knows Airflow: connections, Airflow's exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_s3batch.hooks.s3 import StoreSettings

if TYPE_CHECKING:
    from airflow_s3batch.hooks.s3_batch import S3BatchHook

__all__ = ["S3BatchHook", "StoreSettings"]


def __getattr__(name: str) -> Any:
    """Import the hook, and boto3 with it, on its first use: Dag files need neither."""
    if name != "S3BatchHook":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from airflow_s3batch.hooks.s3_batch import S3BatchHook

    return S3BatchHook
