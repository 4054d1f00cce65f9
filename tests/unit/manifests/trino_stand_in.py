"""
A stand-in for Trino: a DuckDB in which the functions that differ do what Trino's documentation says.

It shows that a translation comes to the same under those rules; that Trino keeps to them it can't show.

Source:
    https://trino.io/docs/current/functions.html
"""

from __future__ import annotations

import duckdb

_MACROS = (
    "greatest(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN a >= b THEN a ELSE b END",
    "least(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN a <= b THEN a ELSE b END",
    "concat(a, b) AS a || b, (a, b, c) AS a || b || c",
    "split(s, t) AS CASE WHEN t = '' THEN error('empty delimiter') ELSE string_split(s, t) END",
    "split_part(s, t, n) AS CASE WHEN n < 1 THEN error('index below 1') ELSE string_split(s, t)[n] END",
    "element_at(x, k) AS x[k]",
    """substr(s, n) AS CASE WHEN s IS NULL THEN s WHEN n = 0 OR -n > length(s) THEN '' ELSE substring(s, n) END,
    (s, n, m) AS CASE WHEN s IS NULL THEN s WHEN n = 0 OR -n > length(s) THEN '' ELSE substring(s, n, m) END""",
    "regexp_like(s, p) AS regexp_matches(s, p)",
    "regexp_extract(s, p, g) AS nullif(regexp_extract_all(s, p, g)[1], '')",
    "to_utf8(s) AS encode(s)",
    "to_hex(x) AS upper(x)",
    "date_diff(u, a, b) AS date_sub(u, CAST(a AS TIMESTAMP), CAST(b AS TIMESTAMP))",
    "day_of_week(t) AS isodow(t)",
    "day_of_year(t) AS dayofyear(t)",
    "year_of_week(t) AS isoyear(t)",
    "with_timezone(t, z) AS CASE WHEN z = 'UTC' THEN t ELSE error(z) END",
    "to_unixtime(t) AS epoch(t)",
    "date_format(t, f) AS strftime(t, replace(replace(replace(f, '%M', '?'), '%i', '%M'), '%s', '%S'))",
    "last_day_of_month(t) AS last_day(t)",
    "truncate(x) AS trunc(x)",
)


def trino_stand_in() -> duckdb.DuckDBPyConnection:
    """Return a connection that computes as Trino does, as far as the catalogue needs it."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET integer_division = true")
    connection.execute("SET disabled_optimizers = 'statistics_propagation'")
    for macro in _MACROS:
        connection.execute(f"CREATE MACRO {macro}")
    return connection
