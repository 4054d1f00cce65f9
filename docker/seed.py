"""Makes the pool of the trial's jobs, and puts a small data lake and an inventory of it on the S3 server, once."""
# ruff: noqa: INP001 - a script that the compose file mounts, not a package

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from airflow.models.pool import Pool
from airflow.providers.amazon.aws.hooks.s3 import S3Hook

from airflow_s3batch.testing import write_inventory

LAKE = "prod-lake"
BUCKETS = (LAKE, "inventories", "ops", "analytics-archive")
TEAMS = ("analytics", "payments", "search")
OBJECTS = 1_000
POOL = "s3batch"


def main() -> None:
    """Make the pool; make the buckets, the objects and one delivery, unless a delivery is there."""
    slots = int(os.environ["S3BATCH_POOL_SLOTS"])
    Pool.create_or_update_pool(POOL, slots=slots, description="shards of S3 batch jobs", include_deferred=False)
    client = S3Hook().get_conn()
    existing = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    for bucket in BUCKETS:
        if bucket not in existing:
            client.create_bucket(Bucket=bucket)
    delivered = client.list_objects_v2(Bucket="inventories").get("Contents", ())
    if any(entry["Key"].endswith("/manifest.checksum") for entry in delivered):  # the last file of a delivery
        return

    def put(number: int) -> dict[str, Any]:
        key = f"{TEAMS[number % len(TEAMS)]}/2026/part {number:05d}.csv"
        body = f"{number}\n".encode()
        e_tag = client.put_object(Bucket=LAKE, Key=key, Body=body)["ETag"].strip('"')
        return {
            "key": key,
            "size": len(body),
            "last_modified_date": datetime.now(UTC),
            "e_tag": e_tag,
            "storage_class": "STANDARD",
            "encryption_status": "NOT-SSE",
        }

    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(put, range(OBJECTS)))
    write_inventory(client, "s3://inventories", LAKE, rows, created=datetime.now(UTC))


if __name__ == "__main__":
    main()
