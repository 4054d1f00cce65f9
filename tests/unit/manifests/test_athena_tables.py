"""Athena over an inventory's table: the same manifest as DuckDB makes of the same inventory."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from athena_lake import from_table, inventory_table, publish_from
from deliveries import JOBS, NOW, Rows, deliver, objects, published_rows

from airflow_s3batch.core.errors import AccessError, InventoryError, ManifestError
from airflow_s3batch.testing.athena import AthenaEmulator
from airflow_s3batch.testing.inventories import columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.testing.storage import MemoryStorage

KEYS = [
    "plain",
    "a b+c",
    "ümläut/日本",
    "100%",
    "quote'\"x",
    "line\nbreak",
    "comma,semi;",
    "slash//",
    "%2B",
    "=1+1",
    " lead",
]


def versions() -> Rows:
    """Return versions with nasty keys, null versions, delete markers, and columns without a value."""
    rows: Rows = []
    for number, key in enumerate(KEYS):
        moment = dt.datetime(2026, 11, 1 + number, 12, 30, tzinfo=dt.UTC)
        common = {"key": key, "last_modified_date": moment, "is_delete_marker": False}
        rows += [
            {
                **common,
                "version_id": f"v{number}",
                "is_latest": bool(number % 2),
                "size": number * 1000,
                "e_tag": f"{number:032x}",
                "storage_class": "STANDARD" if number % 3 else "GLACIER",
                "encryption_status": "NOT-SSE" if number % 2 else "SSE-KMS",
                "object_lock_retain_until_date": moment if number % 4 == 0 else None,
                "object_lock_mode": "GOVERNANCE" if number % 4 == 0 else None,
            },
            {
                **common,
                "version_id": None,
                "is_latest": False,
                "size": 1,
                "e_tag": "f" * 32,
                "storage_class": "STANDARD",
            },
            {**common, "version_id": f"d{number}", "is_latest": not number % 2, "is_delete_marker": True},
        ]
    return rows


@pytest.fixture
def athena(storage: MemoryStorage) -> Iterator[AthenaEmulator]:
    with AthenaEmulator(storage) as emulator:
        yield emulator


def given(athena: AthenaEmulator, rows: Rows, file_format: str = "Parquet", **more: Any) -> None:
    """Deliver *rows* and define the table over the deliveries."""
    deliver(athena.storage, rows, file_format=file_format, **more)  # type: ignore[arg-type]
    athena.tables["lake.inventories"] = inventory_table(columns_of([{"bucket": ""}, *rows]), file_format)


def in_order(rows: Rows) -> Rows:
    """Return *rows* in an order of their own: Athena's result has none."""
    return sorted(rows, key=lambda row: (row["key"], str(row["version_id"])))


TIMES_AND_TEXTS = "last_modified_date < TIMESTAMP '2026-11-08 00:00:00' AND key NOT LIKE 'a%' AND size IS NOT NULL"
WHOLE = "TRUE"
LOCKS = "object_lock_mode IS NULL AND (is_latest OR version_id = 'null') AND encryption_status = 'NOT-SSE'"


@pytest.mark.parametrize(
    ("file_format", "where"),
    [("CSV", WHOLE), ("CSV", TIMES_AND_TEXTS), ("ORC", LOCKS), ("Parquet", WHOLE), ("Parquet", LOCKS)],
)
def test_gives_the_same_manifest_as_duckdb(
    athena: AthenaEmulator, publish: Callable[..., Manifest], file_format: str, where: str
) -> None:
    """The same rows, values and extra columns, whatever the files' format and the types that the table declares."""
    given(athena, versions(), file_format)
    columns = {"month": "month(last_modified_date)", "locked": "object_lock_retain_until_date"}
    by_duckdb = published_rows(athena.storage, publish(where, columns=columns, job_id="duckdb"))
    by_athena = published_rows(athena.storage, publish_from(athena, from_table(where=where, columns=columns)))
    assert in_order(by_athena) == in_order(by_duckdb)
    assert by_athena


def test_names_the_one_partition_that_it_reads(athena: AthenaEmulator) -> None:
    """That of the newest complete delivery; where partitions are projected, an unnamed one would mean all of them."""
    given(athena, objects(3), days_ago=1)
    deliver(athena.storage, objects(9), days_ago=2, file_format="Parquet")
    manifest = publish_from(athena, from_table())
    (query,) = athena.queries.values()
    assert manifest.rows == 3
    assert "\"dt\" = '2026-11-21-12-00'" in query["request"]["QueryString"]


@pytest.mark.parametrize(
    "choice",
    [
        {"dt": "2026-11-20-12-00"},
        {"inventory": "s3://inventories/all/lake/daily/2026-11-20T12-00Z/manifest.json"},
        {"as_of": NOW - dt.timedelta(days=1, hours=12)},
    ],
)
def test_the_partition_can_be_chosen(athena: AthenaEmulator, choice: dict[str, Any]) -> None:
    given(athena, objects(3), days_ago=1)
    deliver(athena.storage, objects(9), days_ago=2, file_format="Parquet")
    assert publish_from(athena, from_table(**choice)).rows == 9


def test_a_partition_that_does_not_exist_is_an_error_not_zero_rows(athena: AthenaEmulator) -> None:
    given(athena, objects(3))
    with pytest.raises(InventoryError, match=r"no partition dt='2026-11-21'.*would select nothing"):
        publish_from(athena, from_table(dt="2026-11-21"))
    assert "StartQueryExecution" not in athena.calls


def test_current_versions_have_the_supplied_columns(athena: AthenaEmulator) -> None:
    """As with DuckDB: an inventory of current versions has no is_latest, and filters may use it all the same."""
    given(athena, objects(4))
    manifest = publish_from(athena, from_table(where="is_latest AND NOT is_delete_marker AND version_id IS NULL"))
    assert manifest.rows == 4


def test_snapshot_time_is_that_of_the_partition(athena: AthenaEmulator) -> None:
    given(athena, versions())
    where = "last_modified_date < $snapshot_time - INTERVAL 15 DAY"
    rows = published_rows(athena.storage, publish_from(athena, from_table(where=where)))
    assert {row["key"] for row in rows} == set(KEYS[:5])


def test_what_the_query_does_not_need_is_not_unloaded(athena: AthenaEmulator) -> None:
    given(athena, versions())
    publish_from(athena, from_table(where="encryption_status = 'NOT-SSE'"))
    (query,) = athena.queries.values()
    outputs = query["request"]["QueryString"].split("FROM")[0]
    assert '"encryption_status"' in outputs
    assert "object_lock" not in outputs


def test_keep_versions_counts_over_all_versions(athena: AthenaEmulator) -> None:
    """So Athena must not filter before the versions are counted."""
    given(athena, versions())
    selection = from_table(where="size > 0", keep_versions=1)
    publish_from(athena, selection)
    (query,) = athena.queries.values()
    assert "size > 0" not in query["request"]["QueryString"]


def test_wrong_sql_is_told_before_a_query_is_sent(athena: AthenaEmulator) -> None:
    given(athena, objects(2))
    with pytest.raises(ManifestError, match=r"table lake\.inventories has no column 'sizes'; did you mean 'size'"):
        publish_from(athena, from_table(where="sizes > 3"))
    with pytest.raises(ManifestError, match="NOT-SSE"):
        publish_from(athena, from_table(where="encryption_status = 'NOT_ENCRYPTED'"))
    assert "StartQueryExecution" not in athena.calls


def test_no_match_is_an_empty_manifest(athena: AthenaEmulator) -> None:
    given(athena, objects(3))
    manifest = publish_from(athena, from_table(where="size > 99"))
    assert (manifest.rows, manifest.shards) == (0, ())


def test_a_table_that_is_none_over_an_inventory_is_told(athena: AthenaEmulator) -> None:
    athena.tables["lake.inventories"] = inventory_table(["bucket", "name"])
    with pytest.raises(InventoryError, match="has no column 'key'; it has: bucket, name"):
        publish_from(athena, from_table())


def test_another_partition_key_is_told(athena: AthenaEmulator) -> None:
    given(athena, objects(1))
    athena.tables["lake.inventories"]["PartitionKeys"] = [{"Name": "day", "Type": "string"}]
    with pytest.raises(InventoryError, match="partitioned by day, expected dt alone"):
        publish_from(athena, from_table())


def test_a_location_elsewhere_needs_a_partition_by_name(athena: AthenaEmulator) -> None:
    given(athena, objects(1))
    athena.tables["lake.inventories"] = inventory_table(["bucket", "key"], location="s3://inventories/copy")
    with pytest.raises(InventoryError, match=r"pass dt='…', or inventory="):
        publish_from(athena, from_table())


def test_job_json_tells_what_was_asked(athena: AthenaEmulator) -> None:
    given(athena, objects(3))
    publish_from(athena, from_table(where="size > 0"))
    source = json.loads(athena.storage.read(JOBS / "job/job.json") or b"")["source"]
    assert source["table"] == "lake.inventories"
    assert source["dt"] == "2026-11-21-12-00"
    assert source["statement"].startswith("UNLOAD")
    assert source["query_id"] in athena.queries
    assert source["query_s"] == 1.234


def test_times_that_a_table_declares_as_numbers_are_times(athena: AthenaEmulator) -> None:
    """Older definitions in AWS's documentation declare them ``bigint``, and their values are milliseconds."""
    given(athena, versions())
    for column in athena.tables["lake.inventories"]["StorageDescriptor"]["Columns"]:
        if column["Type"] == "timestamp":
            column["Type"] = "bigint"
    columns = {"seen": "last_modified_date"}
    where = "last_modified_date < TIMESTAMP '2026-11-02 00:00:00' AND version_id = 'null'"
    (row,) = published_rows(athena.storage, publish_from(athena, from_table(where=where, columns=columns)))
    assert row["seen"] == dt.datetime(2026, 11, 1, 12, 30)  # noqa: DTZ001 - as inventories have it


def test_a_partition_may_lie_where_the_tables_template_says(athena: AthenaEmulator) -> None:
    given(athena, objects(2))
    table = athena.tables["lake.inventories"]
    table["StorageDescriptor"]["Location"] = "s3://inventories/elsewhere"
    table["Parameters"]["storage.location.template"] = "s3://inventories/all/lake/daily/hive/dt=${dt}/"
    with pytest.raises(InventoryError, match="s3://inventories/all/lake/daily/hive/dt=2020-01-01-00-00/ is empty"):
        publish_from(athena, from_table(dt="2020-01-01-00-00"))
    with pytest.raises(InventoryError, match=r"pass dt='…'"):
        publish_from(athena, from_table())


def test_a_partition_that_may_not_be_looked_at_is_taken_at_its_word(athena: AthenaEmulator) -> None:
    """Lake Formation may let Athena read what the task itself may not list."""
    given(athena, objects(2))
    storage: Any = athena.storage
    lines: list[str] = []

    def refuse(verb: str, url: S3Url) -> None:
        if verb == "list" and "hive" in url.key and not athena.queries:
            raise AccessError(f"can't list {url}")

    storage.before = refuse
    assert publish_from(athena, from_table(dt="2026-11-21-12-00"), log=lines.append).rows == 2
    assert any("can't be checked" in line for line in lines)


def test_a_statement_that_is_too_long_for_athena_is_told(athena: AthenaEmulator) -> None:
    given(athena, objects(2))
    keys = [f"a/rather/long/key/{number:09d}" for number in range(9_000)]
    with pytest.raises(ManifestError, match=r"has \d\d\d,\d\d\d bytes, and Athena takes 262,144"):
        publish_from(athena, from_table(where="key IN ($keys)", params={"keys": keys}))
