"""``$name`` in SQL: a literal of its value's type, and nothing but that."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from deliveries import select
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.columns import TYPES, InventoryColumn
from airflow_s3batch.manifests.sql.duck import open_sealed
from airflow_s3batch.manifests.sql.filters import check_selection
from airflow_s3batch.manifests.sql.params import bound, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

EAST = dt.timezone(dt.timedelta(hours=2))
TIME = dt.datetime(2026, 11, 1, 2, 30, tzinfo=EAST)


@pytest.fixture(scope="module")
def sealed() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_sealed() as connection:
        yield connection


def value_of(connection: duckdb.DuckDBPyConnection, sql: str, **values: Any) -> Any:
    (row,) = connection.execute(f"SELECT {bound(connection, sql, values, place='where')}").fetchall()
    return row[0]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("it's", "VARCHAR"),
        (True, "BOOLEAN"),
        (-5, "INTEGER"),
        (2**40, "BIGINT"),
        (-1.5, "DOUBLE"),
        (1e300, "DOUBLE"),
        (0.1, "DOUBLE"),
        (Decimal("-12.50"), "DECIMAL(4,2)"),
        (dt.date(2026, 2, 28), "DATE"),
        (["a", "b'c"], "VARCHAR[]"),
        ([3, -1], "INTEGER[]"),
        (None, '"NULL"'),
    ],
)
def test_a_value_arrives_as_it_is_in_the_type_that_it_has(
    sealed: duckdb.DuckDBPyConnection, value: Any, kind: str
) -> None:
    assert value_of(sealed, "$value", value=value) == value
    assert value_of(sealed, "typeof($value)", value=value) == kind


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",))))
def test_any_text_stays_a_text(text: str) -> None:
    with open_sealed_once() as connection:
        assert value_of(connection, "CASE WHEN TRUE /* $text */ THEN $text END -- $text", text=text) == text


class open_sealed_once:  # noqa: N801 - one connection for all examples
    kept: Any = None

    def __enter__(self) -> duckdb.DuckDBPyConnection:
        open_sealed_once.kept = open_sealed_once.kept or open_sealed()
        return open_sealed_once.kept

    def __exit__(self, *_error: object) -> None:
        pass


@pytest.mark.parametrize(
    "value",
    [
        TIME,
        pendulum.datetime(2026, 11, 1, 0, 30),
        pendulum.datetime(2026, 10, 31, 17, 30, tz="America/Los_Angeles"),
        "2026-11-01T02:30:00+02:00",
        "2026-11-01T00:30:00+00:00",
        "2026-11-01T00:30:00Z",
        "2026-11-01T00:30Z",
        "2026-10-31 17:30:00.000-07:00",
        "2026-11-01 06:00:00+05:30",
        "2026-11-01 00:30:00",
    ],
)
@pytest.mark.parametrize(
    "sql",
    [
        "last_modified_date = $time",
        "$time = last_modified_date",
        "last_modified_date BETWEEN $time AND $time",
        "last_modified_date IN ($time)",
        "date_diff('second', last_modified_date, $time) = 0",
        "coalesce(last_modified_date, $time) = last_modified_date AND last_modified_date >= $time",
        "CAST($time AS TIMESTAMP) = last_modified_date",
        "$time::TIMESTAMP - INTERVAL 1 DAY = last_modified_date - INTERVAL 1 DAY",
        "greatest(last_modified_date, $time) = least(last_modified_date, $time)",
    ],
)
def test_a_time_is_compared_in_utc_whatever_its_spelling(
    sealed: duckdb.DuckDBPyConnection, sql: str, value: Any
) -> None:
    """DuckDB alone takes a text with +02:00 for that many hours later."""
    condition = bound(sealed, sql, {"time": value}, place="where")
    query = f"SELECT {condition} FROM (SELECT TIMESTAMP '2026-11-01 00:30:00' AS last_modified_date)"
    assert sealed.execute(query).fetchall() == [(True,)]


def test_a_time_compared_with_a_text_stays_a_text(sealed: duckdb.DuckDBPyConnection) -> None:
    text = "2026-11-01T02:00:00+02:00"
    assert bound(sealed, "key = $x", {"x": text}, place="where") == f"key = '{text}'"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (dt.timedelta(days=3, hours=1), "2026-02-25 22:00:00"),
        (pendulum.duration(months=1), "2026-01-28 23:00:00"),
        (pendulum.duration(years=1, months=1, weeks=1, days=1, hours=1), "2025-01-20 22:00:00"),
        (pendulum.datetime(2026, 3, 1) - pendulum.datetime(2026, 1, 1), "2025-12-31 23:00:00"),
    ],
)
def test_a_duration_keeps_the_calendar_s_months(
    sealed: duckdb.DuckDBPyConnection, value: dt.timedelta, expected: str
) -> None:
    found = value_of(sealed, "TIMESTAMP '2026-02-28 23:00:00' - $age", age=value)
    assert found == dt.datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("key = $a AND size>$b1", ["a", "b1"]),
        ("'$a' || \"$b\" || $$ $c $$ || $t$ $d $t$ || E'\\' $e'", []),
        ("TRUE -- $a\n AND $b", ["b"]),
        ("TRUE /* $a /* $b */ $c */ AND $d", ["d"]),
        ("a$b AND 1$c AND $d", ["d"]),
        ("key IN ($keys) OR key NOT IN ( $more ) OR (key) IN($x)", ["keys", "more", "x"]),
        ("key IN ($a, $b)", ["a", "b"]),
        ('$1 ? $ a $"b"', []),
        ("'it''s $a' $b", ["b"]),
        ("$a::INT", ["a"]),
    ],
)
def test_only_what_is_sql_is_a_parameter(sql: str, names: list[str]) -> None:
    assert [each.name for each in parameters(sql)] == names


def test_a_list_is_a_list_and_in_parentheses_its_items(sealed: duckdb.DuckDBPyConnection) -> None:
    keys = {"keys": ["a", "b'c"], "none": []}
    assert bound(sealed, "key IN $keys", keys, place="where") == "key IN ['a', 'b''c']"
    assert bound(sealed, "key NOT IN ($keys)", keys, place="where") == "key NOT IN ('a', 'b''c')"
    assert bound(sealed, "key NOT IN $none", keys, place="where") == "key NOT IN []"
    with pytest.raises(ManifestError, match=r"^where: \$none is an empty list.* IN \$none"):
        bound(sealed, "key IN ($none)", keys, place="where")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("key = $cutof", r"\$cutof is not in params=; did you mean \$cutoff\? There is: \$cutoff, .*\$snapshot_time"),
        ("key = $zzz", r"\$zzz is not in params=\. There is"),
        ("key = ?", "'1' is no name of a parameter; write \\$name"),
        ("key = $1", "'1' is no name of a parameter"),
        ('key = $"cutoff"', "'cutoff' is no name"),
        ("key = $ cutoff", "'cutoff' is no name"),
        ("key = - $number", r"stands where no value can stand; compute with it: 0 - \$n"),
        ("last_modified_date - INTERVAL $number DAY", "is not SQL"),
        ("key = $cutoff 'x'", "is not SQL"),
        ("$snapshot_time = 1", r"\$snapshot_time is not known of this data"),
        ("key = $naive", "without a timezone; pass an aware one"),
        ("key = $nan", "nan; expected a finite number"),
        ("key = $bytes", "is a bytes; expected a text"),
        ("key IN $nested", r"holds \[1\]; expected a flat list"),
        ("key IN $holes", "holds None; expected a flat list without None"),
        ("key = $zero", "NUL"),
        ("key = $half", "not valid Unicode"),
    ],
)
def test_what_can_t_be_bound_is_one_sentence(sealed: duckdb.DuckDBPyConnection, sql: str, message: str) -> None:
    values = {"cutoff": "x", "number": -5, "naive": dt.datetime(2026, 1, 1), "nan": float("nan"), "bytes": b"x"}  # noqa: DTZ001
    values |= {"nested": [[1]], "holes": [None], "zero": "a\0b", "half": "\ud800"}
    with pytest.raises(ManifestError, match=rf"^where: .*{message}"):
        bound(sealed, sql, values, place="where")


def test_binding_works_without_duckdb_when_a_dag_is_parsed() -> None:
    assert bound(None, "key = $x -- $y", {"x": "it's"}, place="where") == "key = 'it''s' -- $y"


@pytest.mark.parametrize(
    "sql", ["key LIKE '$prefix%'", "key = 'a' || '$prefix' -- $other", "key = '${prefix} $prefix'"]
)
def test_a_parameter_in_quotes_is_told_to_be_none(sql: str) -> None:
    """It would be a text with a dollar sign: no row, and a green run."""
    with pytest.raises(ManifestError, match=r"^where: in quotes \$prefix is a text.* starts_with\(key, \$prefix\)"):
        bound(None, sql, {"prefix": "logs/", "pre": "x"}, place="where")
    assert bound(None, "key = '$prefixes $100'", {"prefix": "logs/"}, place="where") == "key = '$prefixes $100'"


@pytest.mark.parametrize(
    "where",
    [
        "last_modified_date < '2026-11-01T02:00:00+02:00'",
        "last_modified_date < TIMESTAMP '2026-11-01 02:00:00+02'",
        "last_modified_date BETWEEN '2026-11-01 02:00:00+02:00' AND '2026-12-01'",
        "date_diff('day', last_modified_date, '2026-11-01 02:00:00+0200') > 1",
        "'2026-11-01T02:00:00+02:00'::DATE = '2026-11-01'",
    ],
)
def test_a_literal_time_with_an_offset_is_refused_because_it_would_be_ignored(
    sealed: duckdb.DuckDBPyConnection, where: str
) -> None:
    schema = [InventoryColumn(name, kind) for name, kind in TYPES.items()]
    with pytest.raises(
        ManifestError, match="has an offset, and SQL would ignore it; write it in UTC: '2026-11-01 00:00:00'"
    ):
        check_selection(sealed, select("s3://i/c", where=where), schema, source="s3://i/c")
    with pytest.raises(ManifestError, match="has a time zone"):
        check_selection(
            sealed,
            select("s3://i/c", where="last_modified_date < '2026-11-01 02:00:00 Europe/Berlin'"),
            schema,
            source="",
        )
    harmless = "last_modified_date < '2026-11-01T00:00:00+00:00' OR key = '2026-11-01T02:00:00+02:00'"
    check_selection(sealed, select("s3://i/c", where=harmless), schema, source="s3://i/c")


@pytest.mark.parametrize("operator", ["~", "!~"])
def test_an_operator_that_versions_of_duckdb_read_otherwise_is_refused(
    sealed: duckdb.DuckDBPyConnection, operator: str
) -> None:
    schema = [InventoryColumn("bucket", "VARCHAR"), InventoryColumn("key", "VARCHAR")]
    message = f"^where: {operator} matches a whole text in one version of DuckDB"
    with pytest.raises(ManifestError, match=message):
        check_selection(
            sealed, select("s3://i/c", where=f"key {operator} 'a'", include_delete_markers=True), schema, source=""
        )
    check_selection(
        sealed, select("s3://i/c", where="key NOT LIKE '~' AND key LIKE 'a ~ b' -- a ~ b"), schema, source=""
    )
