"""What SQL may stand in ``where=`` and ``columns=``, and what is said about the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from deliveries import select

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.columns import TYPES, InventoryColumn
from airflow_s3batch.manifests.sql.filters import check_selection

if TYPE_CHECKING:
    import duckdb

SCHEMA = tuple(InventoryColumn(name, kind) for name, kind in TYPES.items())
Check = Callable[..., None]


@pytest.fixture
def check(connection: duckdb.DuckDBPyConnection) -> Check:
    def call(where: str = "TRUE", schema: tuple[InventoryColumn, ...] = SCHEMA, **columns: str) -> None:
        check_selection(
            connection, select("s3://i/c", where=where, columns=columns), schema, source="s3://i/c/manifest.json"
        )

    return call


@pytest.mark.parametrize(
    "where",
    [
        "TRUE",
        "encryption_status = 'NOT-SSE' AND is_latest AND NOT is_delete_marker",
        "Storage_Class IN ('GLACIER', 'DEEP_ARCHIVE') AND \"SIZE\" > 1024 * 1024",
        "replication_status IS NULL OR replication_status <> 'FAILED'",
        "last_modified_date < TIMESTAMP '2026-01-01' - INTERVAL 90 DAY",
        "last_modified_date BETWEEN '2026-01-01' AND '2026-02-01'",
        "split_part(key, '/', 1) = 'team' -- why",
        "key LIKE 'a/%' OR starts_with(key, 'c') OR contains(key, 'd')",
        "CASE storage_class WHEN 'STANDARD' THEN size > 1 ELSE FALSE END",
        "coalesce(size, 0) > 0 AND nullif(e_tag, '') IS NOT NULL AND if(is_latest, TRUE, FALSE)",
        "json_extract_string(from_base64(object_access_control_list)::VARCHAR, '$.status') = 'AVAILABLE'",
        "TRY_CAST(split_part(key, '-', 2) AS INTEGER) % 2 = 0",
        "age(last_modified_date, TIMESTAMP '2026-01-01') > INTERVAL 1 YEAR",
        "extract(year FROM last_modified_date) = 2026",
        "e_tag NOT LIKE '%-%' /* not multipart */",
        "checksum_algorithm = 'SOMETHING_NEW'",
        "storage_class LIKE 'COLD_TIER_1'",
        "list_contains(['a', 'b'], key) AND regexp_matches(key, '^a')",
    ],
)
def test_expressions_over_one_row_are_allowed(check: Check, where: str) -> None:
    check(where)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("key IN (SELECT key FROM read_text('/etc/passwd'))", "subquery"),
        ("EXISTS (SELECT 1)", "subquery"),
        ("key = ANY(['a', 'b'])", r"ANY\(…\) \(for values that you know write IN \('a', 'b'\) or list_contains"),
        ("[x FOR x IN ['a'] IF x = key] <> []", "list comprehension .* for lists list_contains"),
        ("list_filter(['a'], lambda x: x = key) <> []", "lambda.* for patterns regexp_matches"),
        ("row_number() OVER () = 1", "window function"),
        ("count(*) > 1", "looks at many rows"),
        ("max(size) > 1", "looks at many rows"),
        ("*", "not allowed"),
        ("COLUMNS('size') > 1", "not allowed"),
        ("size > ?", "a parameter"),
        ("size > $limit", "a parameter"),
        ("list_filter([1], x -> x > 0) = [1]", "a lambda"),
        ("read_text('/etc/passwd') = ''", "not a scalar function"),
        ("unnest([TRUE])", "not a scalar function"),
        ("nosuchfunction(key) = 1", "not a scalar function"),
        ("starts_wit(key, 'a')", r"did you mean starts_with\(\)\?"),
        ("lake.lower(key) = 'a'", "plain name"),
    ],
)
def test_what_looks_beyond_the_row_is_refused(check: Check, where: str, message: str) -> None:
    with pytest.raises(ManifestError, match=f"^where: .*{message}"):
        check(where)


@pytest.mark.parametrize(
    "value",
    [
        "now() IS NOT NULL",
        "current_date > '2026-01-01'",
        "current_timestamp IS NULL",
        "get_current_time() IS NULL",
        "localtimestamp IS NULL",
        "current_localtimestamp() IS NULL",
        "today() > '2026-01-01'",
        "age(last_modified_date) > INTERVAL 1 DAY",
        "ago(INTERVAL 1 DAY) IS NULL",
        "random() < 0.5",
        "uuid() IS NULL",
        "gen_random_uuid() IS NULL",
        "nextval('s') > 1",
        "getenv('HOME') = ''",
        "getvariable('x') = 1",
        "current_setting('threads') > 1",
        "version() = ''",
        "pg_conf_load_time() IS NULL",
        "current_query() = ''",
        "txid_current() = 1",
    ],
)
def test_what_a_retry_would_see_differently_is_refused(check: Check, value: str) -> None:
    """Also where it is only the value of an extra column."""
    with pytest.raises(ManifestError, match=r"^where: "):
        check(value)
    with pytest.raises(ManifestError, match=r"^columns: 'x': "):
        check("TRUE", x=value)


@pytest.mark.parametrize(
    "where",
    [
        "",
        "   ",
        "-- nothing",
        "/* nothing */",
        "TRUE;",
        "TRUE; DROP TABLE x",
        "TRUE, FALSE",
        "TRUE FROM x",
        "TRUE) OR (TRUE",
        "TRUE) --",
        "TRUE /*",
        "TRUE AS x",
        "DISTINCT TRUE",
        "TRUE WHERE FALSE",
        "TRUE ORDER BY 1",
        "TRUE LIMIT 1",
        "TRUE UNION SELECT TRUE",
        "TRUE GROUP BY ALL",
        "size >",
        "'unclosed",
        "TRUE\0 AND FALSE",
    ],
)
def test_only_one_whole_expression_is_accepted(check: Check, where: str) -> None:
    with pytest.raises(ManifestError, match=r"^where: "):
        check(where)


def test_an_unknown_column_is_answered_with_the_nearest_and_all_columns(check: Check) -> None:
    with pytest.raises(ManifestError) as caught:
        check("EncryptionStatus = 'SSE-S3'", schema=SCHEMA[:2] + SCHEMA[11:12])
    assert str(caught.value) == (
        "where: s3://i/c/manifest.json has no column 'EncryptionStatus'; did you mean 'encryption_status'? "
        "It has: bucket, key, encryption_status"
    )


def test_a_column_that_this_inventory_lacks_is_an_error_not_a_null(check: Check) -> None:
    with pytest.raises(ManifestError, match=r"has no column 'size'"):
        check("size > 0", schema=SCHEMA[:2])


@pytest.mark.parametrize(
    "where",
    [
        "encryption_status = 'NOT_ENCRYPTED'",
        "'NOT_ENCRYPTED' <> encryption_status",
        "encryption_status IN ('SSE-S3', 'NOT_ENCRYPTED')",
        "encryption_status NOT IN ('NOT_ENCRYPTED')",
        "is_latest AND NOT (size > 1 OR encryption_status IS DISTINCT FROM 'NOT_ENCRYPTED')",
        "CASE encryption_status WHEN 'NOT_ENCRYPTED' THEN TRUE ELSE FALSE END",
    ],
)
def test_a_value_that_never_occurs_is_an_error_that_names_the_one_that_is_meant(check: Check, where: str) -> None:
    with pytest.raises(ManifestError) as caught:
        check(where)
    assert str(caught.value) == (
        "where: encryption_status is never 'NOT_ENCRYPTED'; did you mean 'NOT-SSE'? "
        "Its values: SSE-S3, SSE-C, SSE-KMS, DSSE-KMS, NOT-SSE (write LIKE for a value of your own store)"
    )


def test_an_extra_column_in_the_filter_is_told_to_be_one(check: Check) -> None:
    with pytest.raises(ManifestError) as caught:
        check("TEAM = 'a'", Team="split_part(key, '/', 1)")
    assert str(caught.value) == "where: 'TEAM' is one of columns=; repeat its expression in where"
    with pytest.raises(ManifestError, match=r"^columns: 'b': 'a' is one of columns=; repeat its expression in columns"):
        check(a="key", b="upper(a)")


def test_an_extra_column_may_have_the_name_of_an_inventory_column(check: Check) -> None:
    check("size > 1", size="size")


def test_an_empty_text_is_never_a_value_because_it_is_null(check: Check) -> None:
    with pytest.raises(ManifestError, match="write replication_status IS NULL"):
        check("replication_status = ''")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("size", "gives BIGINT; expected a condition"),
        ("key", "gives VARCHAR; expected a condition"),
        ("size LIKE 5 + 'a'", "where: "),
        ("last_modified_date > 'soon'", "soon"),
    ],
)
def test_a_filter_that_is_no_condition_is_refused(check: Check, where: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        check(where)


@pytest.mark.parametrize("sql", ["[1, 2]", "{'a': 1}", "INTERVAL 1 DAY", "encode(key)"])
def test_an_extra_column_must_be_a_plain_value(check: Check, sql: str) -> None:
    with pytest.raises(ManifestError, match=r"^columns: 'x': .* cast it"):
        check("TRUE", x=sql)
