"""The cost estimate of a job: from its manifest, with the price table that is asked for, kept in the job's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError, JobDamagedError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.costs import CostEstimate, PriceTable, Totals, estimate, shipped_prices
from airflow_s3batch.costs.counting import SAMPLE
from airflow_s3batch.engine.checks.example_rows import example_rows

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.operations.base import Operation

Prices = str | Mapping[str, Any] | PriceTable


def read_prices(prices: Prices, storage: Storage) -> PriceTable:
    """
    Return the table that *prices* is or names: a file on S3 (read through *storage*), a local path, or its content.

    Raises:
        ArgumentError: there is no such file, or it is no price table.
        S3BatchError: it can't be read.
    """
    if isinstance(prices, PriceTable):
        return prices
    if isinstance(prices, Mapping):
        return PriceTable.from_json(json.dumps(prices, default=str), place="prices=")
    if prices.startswith("s3://"):
        body = storage.read(S3Url.parse(prices, what="prices"))
        if body is None:
            raise ArgumentError(f"prices={prices!r}: there is no such file")
        return PriceTable.from_json(body, place=prices)
    path = Path(prices.removeprefix("file://"))
    try:
        return PriceTable.from_json(path.read_bytes(), place=str(path))
    except OSError as error:
        raise ArgumentError(f"prices={prices!r}: {error.strerror or error}") from None


def prices_for(access: S3Access) -> tuple[PriceTable | None, str]:
    """Return the prices of the store behind *access*, or ``None``; and a sentence on whose they are, or why none."""
    if not access.is_aws:
        return None, f"no cost estimate: {access.endpoint} is not AWS; name a price table with prices= to have one"
    table, region = shipped_prices(), str(access.client().meta.region_name)
    if region == table.region:
        return table, ""
    return table, f"Prices of {table.region} were taken; those of {region} may differ (name a table with prices=)."


def estimate_job(
    storage: Storage,
    manifest: Manifest,
    operation: Operation,
    engine: str,
    prices: PriceTable,
    *,
    jobs: int = 1,
    note: str = "",
) -> CostEstimate:
    """
    Return what *operation* on *manifest* costs, and keep it in the job's folder.

    *jobs* is how many jobs of AWS it takes; *note* joins the assumptions.

    Raises:
        S3BatchError: a file can't be read or written, or the operation can't take the manifest's columns.
    """
    sample = next(iter(example_rows(storage, manifest, 1)), SAMPLE)
    found = estimate(Totals.of(manifest, jobs=jobs), operation, engine, prices, sample=sample)
    if note:
        found = found.with_assumption(note)
    body = json.dumps(found.to_json(), indent=1) + "\n"
    storage.write(JobLayout(manifest.job_url).cost, body.encode(), "application/json")
    return found


def read_estimate(storage: Storage, job: JobLayout) -> CostEstimate | None:
    """
    Return the estimate in the folder of *job*, ``None`` if there is none.

    Raises:
        JobDamagedError: it is not one of ours.
    """
    body = storage.read(job.cost)
    if body is None:
        return None
    try:
        document = json.loads(body)
    except ValueError as error:
        raise JobDamagedError(f"{job.cost}: not an estimate of this package ({error!r})") from None
    return CostEstimate.from_json(document, place=str(job.cost))
