"""The numbers that the plan starts from: what was measured, what is documented, what is assumed, what AWS charges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

MEASURED = "measured"
DOCUMENTED = "documented"
ASSUMED = "assumed"
QUOTED = "quoted"
"""A price of AWS (us-east-1) as others tell it: look at AWS's own list before relying on it."""


class Figure(NamedTuple):
    """
    One number.

    Attributes:
        kind: `MEASURED`, `DOCUMENTED`, `ASSUMED` or `QUOTED`.
        source: which run, which page, or why it is a fair guess.
    """

    value: float
    unit: str
    what: str
    kind: str
    source: str


_PERFORMANCE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html"
_BATCH = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops.html"
_INVENTORY = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html"
_AIRFLOW = "Airflow 3.3's configuration reference"

DOCUMENTED_FIGURES: dict[str, Figure] = {
    "prefix_rate": Figure(3_500, "writes/s", "S3, on one partitioned prefix, at least", DOCUMENTED, _PERFORMANCE),
    "list_keys": Figure(
        1_000,
        "keys",
        "S3, in one listing request, at most",
        DOCUMENTED,
        "https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html",
    ),
    "aws_objects": Figure(20e9, "objects", "S3 Batch Operations, in one job, at most", DOCUMENTED, _BATCH),
    "aws_restores": Figure(4e9, "objects", "the same for restores and most other operations", DOCUMENTED, _BATCH),
    "inventory_h": Figure(48, "h", "S3 Inventory, until the first delivery, at most", DOCUMENTED, _INVENTORY),
    "parallelism": Figure(32, "tasks", "`[core] parallelism`, per scheduler", DOCUMENTED, _AIRFLOW),
    "dag_tasks": Figure(16, "tasks", "`[core] max_active_tasks_per_dag`", DOCUMENTED, _AIRFLOW),
    "map_length": Figure(1_024, "tasks", "`[core] max_map_length`", DOCUMENTED, _AIRFLOW),
}

ASSUMED_FIGURES: dict[str, Figure] = {
    "latency_ms": Figure(50, "ms", "answer time of the store", ASSUMED, "as in the benchmark behind 50 ms"),
    "fetch_mb_s": Figure(
        100, "MB/s", "data files to one planning task", ASSUMED, "a tenth of a 10 Gbit/s network card, rounded down"
    ),
    "failed_share": Figure(0.001, "", "share of the objects that fails", ASSUMED, "a job that goes well"),
    "list_page_ms": Figure(150, "ms", "time of one listing page on AWS", ASSUMED, "a page is larger than an answer"),
}

_PRICE_PAGE = "https://aws.amazon.com/s3/pricing/"
_SECONDARY = "as quoted by https://c3x.dev/blog/s3-request-fees-explained, read in November 2026"

PRICES: dict[str, Figure] = {
    "put": Figure(5.00, "$ per million", "PUT, COPY, POST and LIST requests, S3 Standard", QUOTED, _SECONDARY),
    "get": Figure(0.40, "$ per million", "GET and all other requests, S3 Standard", QUOTED, _SECONDARY),
    "aws_job": Figure(0.25, "$ per job", "S3 Batch Operations", QUOTED, "engineering blog of Yelp, 26 September 2025"),
    "aws_object": Figure(1.00, "$ per million objects", "S3 Batch Operations", QUOTED, f"copy of {_PRICE_PAGE}, 2026"),
    "inventory": Figure(
        0.0025, "$ per million objects", "S3 Inventory, each delivery", QUOTED, f"copy of {_PRICE_PAGE}, 2026"
    ),
    "athena": Figure(
        5.00,
        "$ per TB read",
        "Athena",
        QUOTED,
        "https://athena.guide/articles/athena-basics-pricing-model/, 15 October 2020",
    ),
    "vcpu": Figure(0.05, "$ per core and hour", "workers", ASSUMED, "on-demand instances are near this"),
}


def values(*groups: Mapping[str, Figure]) -> dict[str, float]:
    """Return the numbers of *groups* by name."""
    return {name: figure.value for group in groups for name, figure in group.items()}
