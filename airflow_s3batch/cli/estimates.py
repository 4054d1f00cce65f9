"""What doing a job costs, for `plan`: the estimate that the job keeps, or a new one with the prices that are named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.costs import Totals, estimate, shipped_prices
from airflow_s3batch.costs.counting import SAMPLE
from airflow_s3batch.engine.checks.estimates import read_estimate, read_prices
from airflow_s3batch.engine.checks.example_rows import example_rows
from airflow_s3batch.operations.from_json import operation_from_json, operation_from_text

if TYPE_CHECKING:
    import argparse

    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.costs import CostEstimate
    from airflow_s3batch.engine.files.storage import Storage

SHIPPED = "shipped"


def estimate_of(
    store: Storage, layout: JobLayout, manifest: Manifest, declared: Mapping[str, Any] | None, args: argparse.Namespace
) -> CostEstimate | None:
    """
    Return the estimate; ``None`` where the job keeps none and no prices are named.

    Args:
        store: where the job's files lie; nothing is written there.
        layout: of the job.
        manifest: its objects.
        declared: its operation, ``None`` if none was started yet.
        args: ``--prices``, ``--operation`` and ``--engine``.

    Raises:
        ArgumentError: no operation is known, or an argument is wrong.
    """
    if not (args.prices or args.operation or args.engine):
        return read_estimate(store, layout)
    if not args.prices:
        raise ArgumentError(f"--prices is missing: name a price table, or {SHIPPED!r} for AWS's list prices")
    if not args.operation and declared is None:
        raise ArgumentError("--operation is missing: none was started yet, so nobody knows what will be done")
    operation = operation_from_text(args.operation) if args.operation else operation_from_json(declared)
    prices = shipped_prices() if args.prices == SHIPPED else read_prices(args.prices, store)
    buckets = _buckets(store, layout)
    engine = args.engine or ("managed" if buckets else "worker")
    sample = next(iter(example_rows(store, manifest, 1)), SAMPLE)
    return estimate(Totals.of(manifest, jobs=max(buckets, 1)), operation, engine, prices, sample=sample)


def _buckets(store: Storage, layout: JobLayout) -> int:
    """Return how many jobs of AWS the managed engine makes of the manifest; 0 if it was not asked."""
    body = store.read(layout.buckets)
    try:
        return len(json.loads(body)["folders"]) if body is not None else 0
    except (ValueError, KeyError, TypeError):
        return 1
