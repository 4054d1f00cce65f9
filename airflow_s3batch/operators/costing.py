"""What a manifest task tells of the expected cost: with which prices, and why there is no estimate if there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.hooks.airflow_names import conf
from airflow_s3batch.hooks.arguments import is_template
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.declared import declaration_problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.costs import CostEstimate, PriceTable
    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.checks.estimates import Prices
    from airflow_s3batch.engine.files.storage import Storage

SECTION, OPTION = "s3batch", "price_table"
"""Where Airflow's configuration names a price table for all Dags."""


def costing_problems(operation: Any, prices: Any) -> list[str]:
    """Return what is wrong with the arguments *operation* and *prices* of a manifest task, as far as parsing tells."""
    found = [] if operation is None else declaration_problems(operation)
    if isinstance(prices, str) and not prices and not is_template(prices):
        found.append("prices='': expected the URL or path of a price table, or None")
    if prices is not None and operation is None:
        found.append("prices= goes with operation=: without it there is nothing to estimate")
    return found


def named_prices(prices: Prices | None, storage: Storage) -> PriceTable | None:
    """
    Return the price table that *prices* names, or else Airflow's configuration; ``None`` if neither does.

    Raises:
        ArgumentError: what is named is no price table; before anything is planned.
        S3BatchError: it can't be read.
    """
    from airflow_s3batch.engine.checks.estimates import read_prices

    named = prices or conf.get(SECTION, OPTION, fallback=None)
    return read_prices(named, storage) if named else None


def told_cost(
    manifest: Manifest,
    operation: Any,
    engine: str,
    storage: Storage,
    access: Callable[[], S3Access],
    prices: PriceTable | None,
    *,
    jobs: int,
    log: Callable[[str], None],
) -> CostEstimate | None:
    """
    Return the estimate, after telling it to *log*; ``None`` without an operation, or where nobody can tell.

    *access* reaches the objects' store, which says whose prices hold if *prices* are not named. No trouble with the
    estimate keeps the manifest from being published.
    """
    if not isinstance(operation, Operation) or not manifest.rows:
        return None
    from airflow_s3batch.engine.checks.estimates import estimate_job, prices_for

    try:
        table, note = (prices, "") if prices is not None else prices_for(access())
        if table is None:
            log(note)
            return None
        found = estimate_job(storage, manifest, operation, engine, table, jobs=jobs, note=note)
    except S3BatchError as error:
        log(f"no cost estimate: {error}")
        return None
    log(f"{operation.name} on {manifest.rows:,} objects: {found.sentence()}")
    return found
