"""Athena over a live table of S3 Metadata, and queries in Athena's own dialect."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from athena_lake import from_table, inventory_table, publish_from
from deliveries import NOW, deliver, objects, published_rows

from airflow_s3batch.core.errors import InventoryError, ManifestError
from airflow_s3batch.manifests.planning.selection import Selection
from airflow_s3batch.manifests.sources.athena.own_query import checked_query
from airflow_s3batch.manifests.sources.athena.source import AthenaQuery, AthenaTable
from airflow_s3batch.testing.athena import AthenaEmulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_s3batch.testing.storage import MemoryStorage

LIVE = '"s3tablescatalog/aws-s3"."b_lake"."inventory"'
OLD, NEW = dt.datetime(2026, 1, 1), dt.datetime(2026, 11, 20, 1, 2, 3, 456789)  # noqa: DTZ001 - as the table has them
TAGS = pa.map_(pa.string(), pa.string())
TYPES = {
    "bucket": pa.string(),
    "key": pa.string(),
    "sequence_number": pa.string(),
    "version_id": pa.string(),
    "is_delete_marker": pa.bool_(),
    "size": pa.int64(),
    "last_modified_date": pa.timestamp("us"),
    "e_tag": pa.string(),
    "storage_class": pa.string(),
    "is_multipart": pa.bool_(),
    "encryption_status": pa.string(),
    "is_bucket_key_enabled": pa.bool_(),
    "kms_key_arn": pa.string(),
    "checksum_algorithm": pa.string(),
    "object_tags": TAGS,
    "user_metadata": TAGS,
}
PLAIN = {"bucket": "lake", "version_id": None, "is_delete_marker": False, "size": 5, "last_modified_date": OLD}
ROWS: list[dict[str, Any]] = [
    {**PLAIN, "key": "pii a+b", "e_tag": "aa", "object_tags": {"class": "pii", "it's": "1"}, "is_multipart": True},
    {**PLAIN, "key": "public", "object_tags": {"class": "public"}, "user_metadata": {"team": "blue"}},
    {**PLAIN, "key": "no tags", "object_tags": {}, "encryption_status": "SSE-KMS", "is_bucket_key_enabled": True},
    {**PLAIN, "key": "version", "version_id": "v1", "object_tags": {"class": "pii"}, "last_modified_date": NEW},
    {**PLAIN, "key": "marker", "version_id": "v2", "is_delete_marker": True, "size": 0, "object_tags": None},
]


@pytest.fixture
def athena(storage: MemoryStorage) -> Iterator[AthenaEmulator]:
    with AthenaEmulator(storage) as emulator:
        schema = pa.schema(list(TYPES.items()))
        emulator.rows["s3tablescatalog/aws-s3.b_lake.inventory"] = pa.Table.from_pylist(ROWS, schema=schema)
        yield emulator


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        ("object_tags['class'] = 'pii'", {"pii a+b", "version"}),
        ("object_tags['it''s'] = '1'", {"pii a+b"}),
        ("object_tags['class'] IS NULL", {"no tags"}),
        ("user_metadata['team'] = 'blue'", {"public"}),
        ("encryption_status = 'NOT-SSE'", {"pii a+b", "public", "version"}),
        ("is_multipart_uploaded AND is_multipart", {"pii a+b"}),
        ("bucket_key_status = 'ENABLED' AND is_bucket_key_enabled", {"no tags"}),
        ("version_id = 'null'", {"pii a+b", "public", "no tags"}),
        ("last_modified_date < $snapshot_time - INTERVAL 90 DAY", {"pii a+b", "public", "no tags"}),
    ],
)
def test_a_live_table_is_filtered_in_the_words_of_an_inventory(
    athena: AthenaEmulator, where: str, keys: set[str]
) -> None:
    """Tags and metadata are there as maps, and a key that a map lacks is no error."""
    manifest = publish_from(athena, from_table(LIVE, where=where))
    assert {row["key"] for row in published_rows(athena.storage, manifest)} == keys  # type: ignore[arg-type]


def test_delete_markers_are_left_out_unless_they_are_wanted(athena: AthenaEmulator) -> None:
    assert publish_from(athena, from_table(LIVE)).rows == 4
    (query,) = athena.queries.values()
    assert "NOT is_delete_marker" in query["request"]["QueryString"]
    context = query["request"]["QueryExecutionContext"]
    assert context == {"Catalog": "s3tablescatalog/aws-s3", "Database": "b_lake"}
    wanted = from_table(LIVE, where="is_delete_marker AND size IS NULL", include_delete_markers=True)
    assert publish_from(athena, wanted, job_id="markers").rows == 1


def test_tags_become_columns_of_the_manifest(athena: AthenaEmulator) -> None:
    selection = from_table(LIVE, where="key = 'pii a+b'", columns={"class": "object_tags['class']"})
    (row,) = published_rows(athena.storage, publish_from(athena, selection))  # type: ignore[arg-type]
    assert row["class"] == "pii"
    assert (row["version_id"], row["e_tag"], row["size"]) == ("null", "aa", 5)


def test_what_a_live_table_lacks_is_told_before_a_query_is_sent(athena: AthenaEmulator) -> None:
    """It has all versions, and does not say which of them is the latest."""
    with pytest.raises(ManifestError, match="no column 'is_latest', and it can't be supplied"):
        publish_from(athena, from_table(LIVE, where="is_latest"))
    with pytest.raises(ManifestError, match="nobody can tell which versions are the newest"):
        publish_from(athena, from_table(LIVE, keep_versions=3))
    assert athena.calls == []


def test_a_live_table_has_no_deliveries() -> None:
    assert "dt= is for deliveries" in AthenaTable(LIVE, dt="2026-01-01-00-00").problems()[0]


def test_a_table_of_another_catalog_has_to_say_what_it_is(athena: AthenaEmulator) -> None:
    with pytest.raises(InventoryError, match="write content='metadata'"):
        publish_from(athena, from_table('"s3tablescatalog/mine"."a"."b"'))


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("inventories", '"lake"."inventories"'),
        ("other.inventories", '"other"."inventories"'),
        ('AwsDataCatalog."my-db".t', '"my-db"."t"'),
        (LIVE, LIVE),
        ('"a""b".c', '"a""b"."c"'),
    ],
)
def test_tables_are_named_as_people_name_them(name: str, sql: str) -> None:
    assert AthenaTable(name, database="lake").full_name.sql() == sql


@pytest.mark.parametrize("name", ["", "a.b.c.d", "a b", 'x"; DROP TABLE y; --', "a..b"])
def test_what_is_no_name_of_a_table_is_told(name: str) -> None:
    assert "is not the name of a table" in AthenaTable(name).problems()[0]


def own(query: str, where: str = "TRUE", **more: Any) -> Selection:
    return Selection(AthenaQuery(query, database="lake"), where, **more)


def test_a_query_of_ones_own_is_run_as_it_is_written(athena: AthenaEmulator) -> None:
    """A join, with a column that the job's operation can use; ``where`` is asked of what it gives."""
    deliver(athena.storage, objects(6), file_format="Parquet")
    athena.tables["lake.inventories"] = inventory_table(["bucket", "key", "size"])
    teams = pa.table({"prefix": ["team1", "team2"], "owner": ["ann", "bob"]})
    athena.rows["AwsDataCatalog.lake.teams"] = teams
    query = (
        "SELECT i.bucket, i.key, i.size, t.owner FROM inventories i JOIN teams t ON starts_with(i.key, t.prefix)\n"
        "WHERE i.dt = '2026-11-21-12-00' -- all of it"
    )
    manifest = publish_from(athena, own(query, "size > 1", columns={"owner": "upper(owner)"}))
    rows = published_rows(athena.storage, manifest)  # type: ignore[arg-type]
    assert {(row["key"], row["owner"]) for row in rows} == {
        ("team2/object 2", "BOB"),
        ("team1/object 4", "ANN"),
        ("team2/object 5", "BOB"),
    }


def test_a_query_may_give_versions_without_saying_what_is_a_delete_marker(athena: AthenaEmulator) -> None:
    manifest = publish_from(athena, own(f"SELECT bucket, key, version_id FROM {LIVE} WHERE key = 'version'"))
    (row,) = published_rows(athena.storage, manifest)  # type: ignore[arg-type]
    assert (row["key"], row["version_id"]) == ("version", "v1")


def test_a_query_that_gives_nothing_is_an_empty_manifest(athena: AthenaEmulator) -> None:
    query = f"SELECT bucket, key, object_tags FROM {LIVE} WHERE FALSE"
    assert publish_from(athena, own(query)).rows == 0


def test_a_retry_reads_the_result_of_a_query_that_looked_at_the_clock(athena: AthenaEmulator) -> None:
    query = f"SELECT bucket, key, CAST(now() AS varchar) AS seen FROM {LIVE}"
    first = publish_from(athena, own(query, columns={"seen": "seen"}))
    again = publish_from(athena, own(query, columns={"seen": "seen"}), now=NOW + dt.timedelta(hours=1))
    assert again == first
    assert len(athena.queries) == 1


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("DELETE FROM t", "is not one SELECT"),
        ("SELECT bucket, key FROM t; DROP TABLE t", "is not one SELECT"),
        ("SELECT bucket, key FROM t) TO 's3://x/' WITH (format = 'JSON') --", "can't be parsed"),
        ("CREATE TABLE x AS SELECT bucket, key FROM t", "is not one SELECT"),
        ("SELECT bucket, url_encode(key) FROM t", "has no name"),
        ("SELECT bucket, size FROM t", "no column 'key'"),
        ("SELECT bucket, key, key FROM t", "gives 'key' twice"),
        ("SELECT bucket, key FROM t WHERE size > ?", "is a parameter"),
    ],
)
def test_what_is_no_query_is_refused(query: str, sentence: str) -> None:
    with pytest.raises(ManifestError, match=sentence):
        checked_query(query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM t",
        "SELECT bucket, key FROM t;",
        "WITH t AS (SELECT 'b' AS bucket, 'k' AS key) SELECT bucket, key FROM t UNION ALL SELECT bucket, key FROM u",
        "(SELECT bucket, key FROM t)",
    ],
)
def test_queries_are_let_through(query: str) -> None:
    assert checked_query(query).outputs == ["bucket", "key"]
