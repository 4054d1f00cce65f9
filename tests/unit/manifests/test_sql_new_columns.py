"""Columns that are newer than the column table: kept under their own names, and usable in filters, in every format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from deliveries import deliver, published_rows

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.columns import InventoryColumn, parse_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.testing.storage import MemoryStorage

CSV = "Bucket, Key, Size, ObjectLockEventHoldStatus, ObjectLockEventHoldDuration, LifecycleExpirationDate"
PARQUET = """message s3.inventory { required binary bucket (UTF8); required binary key (UTF8); optional int64 size;
optional binary object_lock_event_hold_status (STRING); optional int32 object_lock_event_hold_duration;
optional int64 lifecycle_expiration_date (TIMESTAMP_MILLIS); optional int64 seen_at (TIMESTAMP(MILLIS,true)); }"""
ORC = """struct<bucket:string,key:string,size:bigint,object_lock_event_hold_status:string,
object_lock_event_hold_duration:int,lifecycle_expiration_date:timestamp,seen_at:timestamp>"""


def test_a_column_that_the_table_lacks_has_its_own_name_and_type() -> None:
    known = (("bucket", "VARCHAR"), ("key", "VARCHAR"), ("size", "BIGINT"))
    held = ("object_lock_event_hold_status", "VARCHAR")
    until = ("lifecycle_expiration_date", "TIMESTAMP")
    assert parse_schema("CSV", CSV, place="x") == (
        *known, held, ("object_lock_event_hold_duration", "VARCHAR"), until,
    )  # fmt: skip
    typed = (*known, held, ("object_lock_event_hold_duration", "INTEGER"), until, ("seen_at", "TIMESTAMP"))
    assert parse_schema("Parquet", PARQUET, place="x") == typed
    assert parse_schema("ORC", ORC, place="x") == typed
    assert all(isinstance(column, InventoryColumn) for column in parse_schema("CSV", CSV, place="x"))


ROWS: list[dict[str, Any]] = [
    {"key": "held", "size": 1, "object_lock_event_hold_status": "ON", "object_lock_event_hold_duration": "90"},
    {"key": "soon free", "size": 2, "object_lock_event_hold_status": "ON", "object_lock_event_hold_duration": "7"},
    {"key": "free", "size": 3},
]
COLUMNS = ("bucket", "key", "size", "object_lock_event_hold_status", "object_lock_event_hold_duration")


@pytest.mark.parametrize("file_format", ["CSV", "Parquet", "ORC"])
def test_a_new_column_can_be_filtered_by_and_handed_on(
    storage: MemoryStorage, publish: Callable[..., Manifest], file_format: str
) -> None:
    deliver(storage, ROWS, file_format=file_format, schema=COLUMNS)
    manifest = publish(
        "object_lock_event_hold_status = 'ON' AND CAST(object_lock_event_hold_duration AS INTEGER) > 30",
        columns={"days": "object_lock_event_hold_duration"},
    )
    assert [(row["key"], row["days"]) for row in published_rows(storage, manifest)] == [("held", "90")]
    empty = publish("object_lock_event_hold_status IS NULL", job_id="empty")
    assert [row["key"] for row in published_rows(storage, empty)] == ["free"]


def test_a_new_column_that_is_misspelled_is_answered_with_the_nearest(
    storage: MemoryStorage, publish: Callable[..., Manifest]
) -> None:
    deliver(storage, ROWS, schema=COLUMNS)
    with pytest.raises(ManifestError, match="did you mean 'object_lock_event_hold_status'"):
        publish("ObjectLockEventHoldStatus = 'ON'")
