"""Selections that look at several rows together, against a model in plain Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from deliveries import JOBS, NOW, Rows, deliver, objects, published_rows, select
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_s3batch.core.errors import InventoryError, ManifestError, SelectionError
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.publish import publish_manifest

if TYPE_CHECKING:
    from airflow_s3batch.testing.storage import MemoryStorage

Publish = Callable[..., Manifest]

KEYS = st.sampled_from(["a", "a b", "a+b", "a%2Bb", "ü/ö", "x'y", 'q"z', "line\nbreak", "NULL", " ", "\U0001f600"])
DAYS = st.sampled_from([None, 1, 2, 3])


@st.composite
def versions(draw: st.DrawFn) -> Rows:
    """Return the rows of an inventory of all versions: ties, delete markers, null versions, unknown dates."""
    rows: Rows = []
    for key in draw(st.lists(KEYS, unique=True, max_size=11)):
        number = draw(st.integers(1, 5))
        latest = draw(st.integers(0, number))  # none is the latest where a marker has expired meanwhile
        for n in range(number):
            day = draw(DAYS)
            marker = draw(st.booleans()) if n == 0 else False
            rows.append(
                {
                    "key": key,
                    "version_id": None if n == 1 else f"v{n}",
                    "is_latest": n == latest,
                    "is_delete_marker": marker,
                    "size": None if marker else n,
                    "last_modified_date": day and dt.datetime(2026, 1, day, tzinfo=dt.UTC),
                    "e_tag": None if marker else f"e{n % 2}",
                    "storage_class": draw(st.sampled_from(["STANDARD", "GLACIER"])),
                }
            )
    return draw(st.permutations(rows))


def named(rows: Rows) -> list[tuple[Any, Any]]:
    """Return key and version of *rows*."""
    return [(row["key"], row["version_id"] or "null") for row in rows]


def age(row: dict[str, Any]) -> tuple[bool, float]:
    """Return what is greater for newer versions."""
    date = row["last_modified_date"]
    return row["is_latest"], float("inf") if date is None else date.timestamp()


quick = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(rows=versions(), keep=st.integers(1, 3), markers=st.booleans(), file_format=st.sampled_from(["CSV", "Parquet"]))
def test_all_but_the_newest_versions_of_each_key(
    storage: MemoryStorage, publish: Publish, rows: Rows, keep: int, markers: bool, file_format: str
) -> None:
    """A version goes if *keep* others of its key are newer; what where= asks does not change which those are."""
    storage.files.clear()
    deliver(storage, rows, file_format=file_format, files=2, schema=tuple(SCHEMA))
    manifest = publish("storage_class = 'STANDARD'", keep_versions=keep, include_delete_markers=markers)
    counted = [row for row in rows if markers or not row["is_delete_marker"]]
    expected = [
        row
        for row in counted
        if row["storage_class"] == "STANDARD"
        and sum(other["key"] == row["key"] and age(other) > age(row) for other in counted) >= keep
    ]
    assert sorted(named(published_rows(storage, manifest))) == sorted(named(expected))


SCHEMA = [
    "bucket",
    "key",
    "version_id",
    "is_latest",
    "is_delete_marker",
    "size",
    "last_modified_date",
    "e_tag",
    "storage_class",
]


@pytest.mark.parametrize(
    "asked",
    [
        {"where": "last_modified_date < $cutoff"},
        {"where": "last_modified_date < $cutoff", "sample": 9},
        {"where": "", "sql": "SELECT bucket, key FROM inventory WHERE last_modified_date < $cutoff"},
    ],
)
def test_a_parameter_with_an_offset_is_the_same_moment_in_every_selection(
    storage: MemoryStorage, publish: Publish, asked: dict[str, Any]
) -> None:
    """DuckDB would take the local time for UTC, and select what is an hour too young."""
    written = {"before": dt.datetime(2026, 1, 2, 9, 59), "after": dt.datetime(2026, 1, 2, 10, 30)}  # noqa: DTZ001
    rows = [{"key": key, "last_modified_date": time.replace(tzinfo=dt.UTC)} for key, time in written.items()]
    deliver(storage, rows)
    manifest = publish(**asked, params={"cutoff": "2026-01-02T11:00:00+01:00"})
    assert [row["key"] for row in published_rows(storage, manifest)] == ["before"]


def test_a_version_that_is_listed_twice_does_not_push_another_one_out(storage: MemoryStorage, publish: Publish) -> None:
    rows = [
        {
            "key": "a",
            "version_id": f"v{day}",
            "is_latest": day == 3,
            "is_delete_marker": False,
            "last_modified_date": dt.datetime(2026, 1, day, tzinfo=dt.UTC),
        }
        for day in (3, 3, 2, 1)
    ]
    deliver(storage, rows)
    assert [row["version_id"] for row in published_rows(storage, publish(keep_versions=2))] == ["v1"]


@pytest.mark.parametrize("lacking", ["version_id", "last_modified_date"])
def test_an_inventory_that_does_not_tell_the_age_of_versions_is_refused(
    storage: MemoryStorage, publish: Publish, lacking: str
) -> None:
    schema = [name for name in SCHEMA if name != lacking]
    deliver(storage, [{"key": "a", "is_latest": True, "is_delete_marker": False}], schema=schema)
    with pytest.raises(ManifestError, match=rf"keep_versions: .* has no column {lacking}"):
        publish(keep_versions=1)


def test_a_sample_is_the_same_in_every_attempt_and_not_what_comes_first(
    storage: MemoryStorage, publish: Publish
) -> None:
    deliver(storage, objects(1000), files=3)
    first, again = (publish("size < 900", sample=50, job_id=job) for job in ("one", "two"))
    sizes = [row["size"] for row in published_rows(storage, first)]
    assert sizes == [row["size"] for row in published_rows(storage, again)]
    assert len(set(sizes)) == 50
    assert max(sizes) < 900
    assert 300 < sum(sizes) / 50 < 600
    assert publish("size < 40", sample=50, job_id="small").rows == 40


@pytest.mark.parametrize("file_format", ["CSV", "Parquet", "ORC"])
def test_rows_keep_their_order_and_columns(storage: MemoryStorage, publish: Publish, file_format: str) -> None:
    """Whether they are looked at one by one or together."""
    deliver(storage, objects(500), files=3, file_format=file_format)
    options: dict[str, Any] = {"columns": {"team": "split_part(key, '/', 1)", "n": "size * 2"}, "max_shards": 1}
    rowwise = publish("size % 3 = 1", job_id="one", **options)
    together = publish("size % 3 = 1", job_id="two", sample=10**6, **options)
    assert published_rows(storage, rowwise) == published_rows(storage, together)
    assert (rowwise.columns, rowwise.bytes) == (together.columns, together.bytes)


def test_how_much_is_fetched_at_a_time_does_not_matter(storage: MemoryStorage, publish: Publish) -> None:
    """Each data file a batch of its own, or all of them one: the same rows in the same order."""
    old = deliver(storage, objects(400, storage_class="X"), days_ago=2)
    deliver(storage, [*objects(600)[::-1], *objects(50)], files=7)
    manifests = [
        publish(
            "size % 5 > 0", since=str(old), compare=("size",), sample=90, job_id=f"limit {limit}", staging_limit=limit
        )
        for limit in (100_000, 10**9)
    ]
    few, many = (published_rows(storage, manifest) for manifest in manifests)
    assert few == many
    assert len(few) == 90
    assert min(row["size"] for row in few) >= 400


def test_inventories_that_overlap_give_each_object_once(storage: MemoryStorage, publish: Publish) -> None:
    one = deliver(storage, objects(10), config_id="one")
    two = deliver(storage, objects(15), config_id="two")
    lines: list[str] = []
    selection = select(str(one), str(two))
    manifest = publish_manifest(storage, JOBS, "job", selection, now=NOW, log=lines.append)
    assert sorted(row["size"] for row in published_rows(storage, manifest)) == list(range(15))
    assert "10 rows name an object that another row names, too; each counts once" in lines


def test_a_select_of_ones_own(storage: MemoryStorage, publish: Publish) -> None:
    """Joined with a table of the user's; a row that comes twice counts once; the order is that of the keys."""
    deliver(storage, objects(30))
    storage.write(S3Url("ops", "teams.csv"), b"team,owner\nteam1,ann\nteam2,bob\nteam2,bob\n")
    sql = """
        SELECT i.bucket, i.key, i.size, t.owner, CAST($limit AS INTEGER) AS bound
        FROM inventory AS i JOIN teams AS t ON t.team = split_part(i.key, '/', 1)
        WHERE i.size < $limit ORDER BY i.size DESC -- the manifest has an order of its own
    """
    manifest = publish("", sql=sql, tables={"teams": "s3://ops/teams.csv"}, params={"limit": 20}, max_shards=1)
    rows = published_rows(storage, manifest)
    expected = sorted((f"team{n % 3}/object {n}", n, {1: "ann", 2: "bob"}[n % 3]) for n in range(20) if n % 3)
    assert [(row["key"], row["size"], row["owner"]) for row in rows] == expected
    assert {(row["bucket"], row["version_id"], row["e_tag"], row["is_latest"], row["bound"]) for row in rows} == {
        ("lake", None, None, None, 20)
    }
    assert manifest.columns == ("owner", "bound")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "SELECT bucket, key, n FROM inventory, (VALUES (1), (2)) AS t(n)",
            r"gives s3://lake/a%0Ab 2 times, with different columns",
        ),
        ("SELECT bucket, '' AS key FROM inventory", "gives a row whose key is empty"),
        ("SELECT nullif(bucket, 'lake') AS bucket, key FROM inventory", "gives a row whose bucket is empty"),
        ("SELECT key FROM inventory", "'bucket'"),
    ],
)
def test_a_select_that_can_not_be_worked_on_is_refused(
    storage: MemoryStorage, publish: Publish, sql: str, message: str
) -> None:
    deliver(storage, [{"key": "a\nb"}])
    with pytest.raises(ManifestError, match=message):
        publish("", sql=sql)


def test_a_select_over_versions_must_name_them(storage: MemoryStorage, publish: Publish) -> None:
    """Else the current version would be deleted, where old ones are meant."""
    rows = [{"key": "a", "version_id": "v", "is_latest": False, "is_delete_marker": False}]
    deliver(storage, rows)
    with pytest.raises(ManifestError, match="gives no column 'version_id'"):
        publish("", sql="SELECT bucket, key FROM inventory WHERE NOT is_latest")
    manifest = publish("", sql="SELECT bucket, key, version_id FROM inventory WHERE NOT is_latest", resume=False)
    assert [row["version_id"] for row in published_rows(storage, manifest)] == ["v"]


def test_a_select_sees_no_delete_markers_unless_they_are_wanted(storage: MemoryStorage, publish: Publish) -> None:
    rows = [{"key": key, "version_id": "v", "is_latest": True, "is_delete_marker": key == "a"} for key in "ab"]
    deliver(storage, rows)
    sql = "SELECT * FROM inventory"
    assert publish("", sql=sql, job_id="one").rows == 1
    assert publish("", sql=sql, job_id="two", include_delete_markers=True).rows == 2


def test_a_select_that_gives_nothing_is_an_empty_manifest(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, objects(3))
    manifest = publish("", sql="SELECT bucket, key, 1 AS one FROM inventory WHERE FALSE")
    assert (manifest.rows, manifest.columns) == (0, ("one",))


def test_a_retry_reads_the_tables_that_the_job_was_started_with(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, objects(10))
    table = S3Url("ops", "t/part-0.csv")
    storage.write(table, b"key\nteam0/object 0\n")
    options: dict[str, Any] = {
        "sql": "SELECT bucket, key FROM inventory SEMI JOIN t USING (key)",
        "tables": {"t": "s3://ops/t"},
    }
    with pytest.raises(SelectionError):
        publish("", max_objects=0, **options)
    storage.write(table, b"key\nteam1/object 1\n")
    with pytest.raises(InventoryError, match=r"part-0\.csv: .*ETag"):
        publish("", **options)
    assert publish("", resume=False, **options).rows == 1


def test_rows_that_take_more_disk_than_allowed_are_one_sentence(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, objects(2000))
    with pytest.raises(ManifestError, match=r"more local disk than .* raise staging_limit"):
        publish(sample=10, staging_limit=20_000)
