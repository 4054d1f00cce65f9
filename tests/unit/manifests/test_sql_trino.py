"""Filters for Athena: spelled for Trino, understood by a Trino parser, refused where they'd mean something else."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest
import sqlglot
from random_inventories import COLUMNS

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.sql.duck import open_sealed
from airflow_s3batch.manifests.sql.params import bound
from airflow_s3batch.manifests.sql.regexps import in_java_syntax
from airflow_s3batch.manifests.sql.trino import to_trino

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb


@pytest.fixture(scope="module")
def sealed() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_sealed() as connection:
        yield connection


@pytest.mark.parametrize(
    ("where", "trino"),
    [
        ("TRUE", "TRUE"),
        ("NOT is_delete_marker AND size > 5", '((NOT "is_delete_marker") AND ("size" > 5))'),
        ("Key = 'it''s'", "(\"key\" = 'it''s')"),
        ("size > -1.50 OR size > 1e3", '(("size" > (-1.50)) OR ("size" > 1000.0E0))'),
        ("size / 2 > 3", '((CAST("size" AS double) / CAST(2 AS double)) > 3)'),
        ("last_modified_date < '2026-01-31'", "(\"last_modified_date\" < TIMESTAMP '2026-01-31 00:00:00')"),
        ("last_modified_date < '2026-01-31T01:02Z'", "(\"last_modified_date\" < TIMESTAMP '2026-01-31 01:02:00')"),
        (
            "last_modified_date < TIMESTAMP '2026-01-31 00:00:00' - INTERVAL 2 WEEK",
            "(\"last_modified_date\" < (TIMESTAMP '2026-01-31 00:00:00' - INTERVAL '14' DAY))",
        ),
        ("last_modified_date - INTERVAL 90 MINUTE", "(\"last_modified_date\" - INTERVAL '5400' SECOND)"),
        ("object_tags['a'] = 'b'", "(element_at(\"object_tags\", 'a') = 'b')"),
        ("key IN ['a', 'b']", "(\"key\" IN ('a', 'b'))"),
        ("regexp_matches(key, '^\\d')", "regexp_like(\"key\", '\\A[0-9]')"),
        ("key LIKE '%a'", "(\"key\" LIKE '%a')"),
        ("upper(key)", "replace(upper(\"key\"), 'ß', 'ẞ')"),
        ("date_diff('day', last_modified_date, last_modified_date)",
         "date_diff('day', date_trunc('day', \"last_modified_date\"), date_trunc('day', \"last_modified_date\"))"),
    ],
)  # fmt: skip
def test_what_both_have_is_spelled_for_trino(sealed: duckdb.DuckDBPyConnection, where: str, trino: str) -> None:
    assert to_trino(where, COLUMNS, place="where", connection=sealed) == trino
    sqlglot.parse_one(trino, read="trino")


def test_duckdb_is_opened_where_there_is_no_connection() -> None:
    assert to_trino("size > 1", COLUMNS, place="where") == '("size" > 1)'


def test_bound_parameters_are_translated_too(sealed: duckdb.DuckDBPyConnection) -> None:
    values = {"cutoff": "2026-11-01T02:00:00+02:00", "classes": ["GLACIER", "it's"]}
    sql = bound(sealed, "last_modified_date < $cutoff AND storage_class IN $classes", values, place="where")
    assert to_trino(sql, COLUMNS, place="where", connection=sealed) == (
        "((\"last_modified_date\" < TIMESTAMP '2026-11-01 00:00:00') AND (\"storage_class\" IN ('GLACIER', 'it''s')))"
    )


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("size = '5'", "= .*mixes integer and text; cast one"),
        ("key > 5", "mixes integer and text"),
        ("is_latest = 1", "mixes boolean and integer"),
        ("key < last_modified_date", "compares text with a timestamp"),
        ("last_modified_date < 'soon'", "'soon' is no timestamp that both read"),
        ("last_modified_date < '2026-02-30'", "is no timestamp that both read"),
        ("last_modified_date = '2026-01-01 00:00:00.123456789'", "is no timestamp that both read"),
        ("spilt_part(key, '/', 1) = 'a'", r"near to it is split_part\(\)"),
        ("split_part(key, e_tag, 1) = 'a'", "the separator has to be a literal.*Trino: COALESCE"),
        ("split_part(key, '', 1) = 'a'", "the separator has to be a literal text that is not empty"),
        ("split_part(key, '/', 0) = 'a'", "from 1 on, or from -1 down"),
        ("split_part(key, '/', size) = 'a'", "from 1 on, or from -1 down"),
        ("substr(key, 0) = 'a'", "from 1 on"),
        ("substr(key, -2) = 'a'", "from 1 on"),
        ("substr(key, 1, -2) = 'a'", "from 0 on"),
        ("substr(key, size) = 'a'", "from 1 on"),
        ("left(key, -1) = 'a'", "from 0 on"),
        ("right(key, 0) = ''", "from 1 on"),
        ("ends_with(key, e_tag)", "the end has to be a literal"),
        ("replace(key, '', 'x') = 'a'", "not empty"),
        ("trim(key) = 'a'", "which characters are white space differs"),
        ("trim(key, 'ab') = 'a'", "a single character"),
        ("size / key > 1", "takes integer or decimal or double here, not text"),
        ("size / length(key) > 1", r"may be zero; write nullif"),
        ("size / 0 > 1", r"may be zero"),
        ("size % length(key) = 1", r"may be zero"),
        ("size // 0 = 1", "may be zero"),
        ("1.5 // 2 = 1", "takes integer here"),
        ("TRY_CAST(key AS INTEGER) = 1", "what text they can read differs.*DuckDB: TRY_CAST"),
        ("CAST(key AS TIMESTAMP) > last_modified_date", "text reads otherwise"),
        ("CAST(size / 3 AS BIGINT) = 1", "round it first"),
        ("CAST(last_modified_date AS VARCHAR) = 'x'", "timestamp reads otherwise"),
        ("CAST(size AS HUGEINT) = 1", "cast to BOOLEAN, INTEGER"),
        ("concat(key, last_modified_date) = 'x'", r"a timestamp reads otherwise as text.*strftime\(\)"),
        ("last_modified_date - INTERVAL (size) DAY < '2026-01-01'", "literal whole number"),
        ("TIMESTAMP '2026-01-01' - last_modified_date > INTERVAL 1 MONTH", "a month has 30 days"),
        ("last_modified_date - DATE '2026-01-01' > INTERVAL 1 DAY", "of times only an INTERVAL"),
        ("date_trunc('decade', last_modified_date) = '2026-01-01'", "its unit has to be one of second"),
        ("date_diff('week', last_modified_date, last_modified_date) = 1", "its unit has to be one of second"),
        ("date_sub('month', last_modified_date, last_modified_date) = 1", "its unit has to be one of second"),
        ("strftime(last_modified_date, '%B') = 'May'", "'%B' is not shared"),
        ("extract(century FROM last_modified_date) = 21", "the part has to be one of year"),
        ("regexp_matches(key, '(?=a)')", "is not shared"),
        ("regexp_matches(key, '\\bx')", "is not shared"),
        ("regexp_matches(key, 'a', 's')", "only 'i' is shared"),
        ("regexp_matches(key, e_tag)", "the pattern has to be a literal"),
        ("key LIKE 'a!b' ESCAPE '!'", "may stand before '%', '_' and itself only"),
        ("key COLLATE NOCASE = 'a'", "collate is not the same"),
        ("object_tags = object_tags", "map can't be compared"),
        ("object_tags[1] = 'a'", "not in the catalogue"),
        ("key[1] = 'a'", "not in the catalogue"),
        ("nosuch = 1", "there is no such column; there are: bucket"),
        ("99999999999999999999 > size", "within 64 bits"),
        ("size AND is_latest", "a condition is needed, not integer"),
        ("hash(key) = 1", "DuckDB: hash.*Trino: xxhash64"),
    ],
)
def test_what_differs_is_refused(sealed: duckdb.DuckDBPyConnection, where: str, reason: str) -> None:
    with pytest.raises(ManifestError, match=r"^where: .* is not the same on Athena: ") as caught:
        to_trino(where, COLUMNS, place="where", connection=sealed)
    assert re.search(reason, str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "java"),
    [
        ("^a.*\\.gz$", "\\Aa[^\\n]*\\.gz\\z"),
        ("[\\d_]{2,3}|(?:x|y)+?", "[0-9_]{2,3}|(?:x|y)+?"),
        ("\\D\\w\\S", "[^0-9][0-9A-Za-z_][^\\t\\n\\f\\r ]"),
        ("[^a-z\\].-]", "[^a-z\\].-]"),
        ("\\A\\/é\\z", "\\A\\/é\\z"),
    ],
)
def test_a_regular_expression_is_respelled_so_that_java_reads_what_re2_does(pattern: str, java: str) -> None:
    assert in_java_syntax(pattern) == java


@pytest.mark.parametrize(
    "pattern",
    ["a++", "a{2}+", "(?i)a", "(?<n>a)", "(?!a)", "\\1", "\\bx", "\\p{L}", "\\Qa", "[[:alpha:]]", "[a&&b]", "[a[b]]",
     "[\\D]", "x{", "[a", "a\\"],
)  # fmt: skip
def test_a_regular_expression_that_they_read_otherwise_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is not shared|can't be read"):
        in_java_syntax(pattern)


def test_without_sqlglot_the_error_says_what_to_install(
    sealed: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    with pytest.raises(ManifestError, match=r"pip install 'airflow-provider-s3batch\[athena\]'"):
        to_trino("TRUE", COLUMNS, place="where", connection=sealed)


def test_what_the_trino_parser_can_t_read_is_not_sent(
    sealed: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_s3batch.manifests.sql import trino
    from airflow_s3batch.manifests.sql.trino_values import Value

    for odd in ("1 +", "1, 2", "1; DROP TABLE x"):
        monkeypatch.setattr(trino, "RULES", {"lower": lambda _call, odd=odd: Value(odd, "text")})
        with pytest.raises(ManifestError, match=r"^where: its translation for Athena is n"):
            to_trino("lower(key)", COLUMNS, place="where", connection=sealed)
