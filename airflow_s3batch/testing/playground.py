"""What `python -m airflow_s3batch.testing` puts into its S3: a small lake with inventories, to try jobs on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_s3batch.testing.inventories import write_inventory
from airflow_s3batch.testing.servers import Server

LAKE, VERSIONED, LOCKED = "prod-lake", "versions-lake", "locked-lake"
INVENTORIES, OPS, ARCHIVE = "inventories", "ops", "analytics-archive"
TEAMS = ("analytics", "payments", "search")
ODD_KEYS = ("a b.html", "ü+%.csv", "100%.txt", "it's.txt", "a,b,,c.csv", "見積書.pdf")
WRITERS = 8
BEFORE = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Stored:
    """
    An object of the lake.

    Attributes:
        days: how old the inventory says that it is.
        arguments: more of PutObject's.
    """

    key: str
    days: int
    arguments: Mapping[str, Any] = field(default_factory=dict)
    is_gone: bool = False

    @property
    def body(self) -> bytes:
        """A line or a hundred, as the key has it."""
        return f"{self.key}\n".encode() * (1 + len(self.key) % 7 * sum(self.key.encode()) % 100)


def lake() -> Iterator[Stored]:
    """Yield the 300 objects of the lake's inventory."""
    for number in range(180):
        yield Stored(f"{TEAMS[number % 3]}/2026/part {number:05d}.csv", days=10)
    for number in range(30):
        yield Stored(f"payments/secret/{number:05d}.bin", 40, {"ServerSideEncryption": "AES256"})
    for number in range(60):
        yield Stored(f"logs/2025/{number:05d}.gz", days=400)
    for name in ODD_KEYS:
        yield Stored(f"web/{name}", days=100)
    for number in range(14):
        yield Stored(f"archive/{number:05d}.tar", 700, {"StorageClass": "GLACIER"})
    for number in range(10):
        yield Stored(f"search/tmp/{number:05d}.tmp", days=1, is_gone=True)


def furnish(server: Server, *, now: datetime | None = None) -> None:
    """
    Make buckets, objects, and inventories of three hours before *now*; what is gone since was never stored.

    ``prod-lake`` has 300 objects of current versions; ``versions-lake`` 10 keys of 5 versions, the last of which has a
    delete marker on top; ``locked-lake``, with Object Lock, 12 keys of 2 versions.
    """
    created = (now or datetime.now(UTC)) - BEFORE
    client = server.client(max_pool_connections=WRITERS)
    for bucket in (LAKE, VERSIONED, INVENTORIES, OPS, ARCHIVE):
        client.create_bucket(Bucket=bucket)
    client.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
    client.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
    with ThreadPoolExecutor(WRITERS) as pool:
        rows = list(pool.map(lambda stored: _stored(client, stored, created), lake()))
        versions = pool.map(lambda key: _versions(client, VERSIONED, key, 5, created), _keys("docs", 10))
        locked = pool.map(lambda key: _versions(client, LOCKED, key, 2, created), _keys("customer", 12))
        several = {VERSIONED: _flat(versions), LOCKED: _flat(locked)}
    several[VERSIONED] += _marker(client, several[VERSIONED][-5:], created)
    for bucket, found in {LAKE: rows, **several}.items():
        write_inventory(client, f"s3://{INVENTORIES}", bucket, found, created=created)


def environment(server: Server) -> str:
    """Return lines for a shell that tell boto3, ``s3batch`` and Airflow's connection ``aws_default`` of *server*."""
    settings = {
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_DEFAULT_REGION": server.region,
        "AWS_ENDPOINT_URL_S3": server.endpoint_url,
        "AIRFLOW_CONN_AWS_DEFAULT": server.airflow_connection_uri(),
        "NO_PROXY": "127.0.0.1,localhost",
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())


def _stored(client: Any, stored: Stored, created: datetime) -> dict[str, Any]:
    """Store an object, unless it is gone; return its row of the inventory."""
    e_tag = '"0123456789abcdef0123456789abcdef"'
    if not stored.is_gone:
        e_tag = client.put_object(Bucket=LAKE, Key=stored.key, Body=stored.body, **stored.arguments)["ETag"]
    return {
        "key": stored.key,
        "size": len(stored.body),
        "last_modified_date": created - timedelta(days=stored.days),
        "e_tag": e_tag.strip('"'),
        "storage_class": stored.arguments.get("StorageClass", "STANDARD"),
        "encryption_status": "SSE-S3" if "ServerSideEncryption" in stored.arguments else "NOT-SSE",
    }


def _versions(client: Any, bucket: str, key: str, count: int, created: datetime) -> list[dict[str, Any]]:
    """Write *key* several times, forty days apart as the inventory tells it; return the rows of its versions."""
    rows = []
    for number in range(count):
        body = f"{key}, draft {number}\n".encode()
        reply = client.put_object(Bucket=bucket, Key=key, Body=body)
        rows.append(
            {
                "key": key,
                "version_id": reply["VersionId"],
                "is_latest": number == count - 1,
                "is_delete_marker": False,
                "size": len(body),
                "last_modified_date": created - timedelta(days=40 * (count - number)),
                "e_tag": reply["ETag"].strip('"'),
                "storage_class": "STANDARD",
                "encryption_status": "NOT-SSE",
            }
        )
    return rows


def _marker(client: Any, rows: list[dict[str, Any]], created: datetime) -> list[dict[str, Any]]:
    """Delete the key of *rows*, its versions; return the row of the delete marker."""
    key = rows[-1]["key"]
    rows[-1]["is_latest"] = False
    reply = client.delete_object(Bucket=VERSIONED, Key=key)
    made = {"version_id": reply["VersionId"], "last_modified_date": created - timedelta(days=1)}
    return [{"key": key, **made, "is_latest": True, "is_delete_marker": True}]


def _keys(folder: str, count: int) -> Iterator[str]:
    return (f"{folder}/{number:02d}.txt" for number in range(count))


def _flat(found: Iterator[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [row for rows in found for row in rows]
