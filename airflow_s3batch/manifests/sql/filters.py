"""
Checks ``where=`` and ``columns=`` before a row is read: only expressions that give the same for the same row, ever.

A retry must publish the very same manifest, so nothing that looks at the clock, at chance, or at the session is let in;
nor anything that looks beyond the row. The locked connection (`airflow_s3batch.manifests.sql.duck`) is the second lock.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import duckdb

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.columns import SUPPLIED, TYPES, VALUES, InventoryColumn, meant_value, snake_case
from airflow_s3batch.manifests.sql import sqltree
from airflow_s3batch.manifests.sql.duck import identifier, one_line
from airflow_s3batch.manifests.sql.functions import Functions
from airflow_s3batch.manifests.sql.times import check_times
from airflow_s3batch.manifests.sql.tokens import check_operators

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sql.sqltree import Node

_CLASSES = frozenset(
    {
        "COLUMN_REF",
        "CONSTANT",
        "COMPARISON",
        "CONJUNCTION",
        "OPERATOR",
        "FUNCTION",
        "CAST",
        "CASE",
        "BETWEEN",
        "COLLATE",
        "TYPE",
    }
)
_REFUSED_CLASSES = {
    "SUBQUERY": "a subquery or ANY(…) (for values that you know write IN ('a', 'b') or list_contains(['a', 'b'], key))",
    "WINDOW": "a window function",
    "STAR": "'*'",
    "PARAMETER": "a parameter without a value (write $name, and its value into params=)",
    "LAMBDA": (
        "a lambda, list comprehension or '->' "
        "(for JSON use json_extract_string, for lists list_contains, for patterns regexp_matches)"
    ),
}
_REFUSED_OPERATORS = frozenset({"GROUPING_FUNCTION", "OPERATOR_UNPACK"})
_EQUALITIES = frozenset({"COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM"})
CLOCK = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
SCALAR_TYPES = frozenset(
    {"BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "DOUBLE", "FLOAT", "DECIMAL", *_INTEGERS}
)
"""DuckDB types that a column of a manifest can have."""

_DESCRIBE = "DESCRIBE SELECT {} FROM checked"
_SELECT = "SELECT {} FROM checked"


def check_selection(
    connection: duckdb.DuckDBPyConnection, selection: Selection, schema: Sequence[InventoryColumn], *, source: str
) -> None:
    """
    Check the SQL of *selection* against the inventory columns *schema* (those supplied included).

    Leaves no trace in *connection*. *source* is the inventory's URL, for the errors.

    Raises:
        ManifestError: what is wrong, and what would be right.
    """
    functions = Functions(connection)
    names = [column.name for column in schema]
    time_columns = {column.name for column in schema if column.type.startswith("TIMESTAMP")}
    for place, sql in [
        ("where", selection.where),
        *((f"columns: {name!r}", sql) for name, sql in selection.columns.items()),
    ]:
        tree = sqltree.parse_expression(connection, sql, place=place)
        check_operators(sql, place)
        for node in sqltree.walk(tree):
            _check_node(node, functions, place)
            _check_column(node, names, selection.columns, place, source)
            check_values(node, place)
        check_times(tree, time_columns, place)
    _check_types(connection, selection, schema)


def _check_node(node: Node, functions: Functions, place: str) -> None:
    kind = node["class"]
    if kind not in _CLASSES or node["type"] in _REFUSED_OPERATORS:
        what = _REFUSED_CLASSES.get(kind, node["type"])
        raise ManifestError(f"{place}: {what} is not allowed here; write an expression over the columns of one row")
    if kind == "FUNCTION":
        functions.check(node, place)


def _check_column(node: Node, names: Collection[str], extra: Collection[str], place: str, source: str) -> None:
    if node["class"] != "COLUMN_REF":
        return
    name = sqltree.column_of(node)
    if name in names:
        return
    if name in CLOCK:
        raise ManifestError(
            f"{place}: {name} is not allowed, because a retry must select the very same objects; "
            "write the time as a literal, for example by a template"
        )
    written = ".".join(node["column_names"])
    if name in {other.lower() for other in extra}:
        argument = place.partition(":")[0]
        raise ManifestError(f"{place}: {written!r} is one of columns=; repeat its expression in {argument}")
    hint = _column_hint(written, names)
    raise ManifestError(f"{place}: {source} has no column {written!r}{hint} It has: {', '.join(names)}")


def _column_hint(written: str, names: Collection[str]) -> str:
    if written.lower() in SUPPLIED:
        return ", and it can't be supplied to an inventory of all versions: it differs from version to version."
    if snake_case(written) in TYPES and snake_case(written) not in names:
        return ": an inventory has it if its configuration asks for that field, a listing never does."
    near = difflib.get_close_matches(snake_case(written), names, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else " (texts go in single quotes)."


def check_values(node: Node, place: str, column_of: Callable[[Node], str | None] = sqltree.column_of) -> None:
    """
    Check that no enumerated column is compared with a literal that it never equals.

    Raises:
        ManifestError: one is; the message names the values that there are.
    """
    operands: list[Node]
    if node["type"] in _EQUALITIES:
        operands = [node["left"], node["right"]]
    elif node["type"] in sqltree.MEMBERSHIPS:
        operands = node["children"]
    else:
        return
    columns = [name for name in map(column_of, operands) if name is not None and name in VALUES]
    for column in columns:
        for text in map(sqltree.text_of, operands):
            if text is not None:
                _check_value(column, text, place)


def _check_value(column: str, text: str, place: str) -> None:
    if text in VALUES[column]:
        return
    valid = ", ".join(VALUES[column])
    if not text:
        raise ManifestError(f"{place}: {column} is never ''; write {column} IS NULL. Its values: {valid}")
    meant = meant_value(column, text)
    hint = f"; did you mean {meant!r}?" if meant else "."
    way_out = "(write LIKE for a value of your own store)"
    raise ManifestError(f"{place}: {column} is never {text!r}{hint} Its values: {valid} {way_out}")


def _check_types(
    connection: duckdb.DuckDBPyConnection, selection: Selection, schema: Sequence[InventoryColumn]
) -> None:
    """Let DuckDB try the expressions on one row of NULLs: finds wrong types, and literals that can't be converted."""
    table = ", ".join(f"{identifier(column.name)} {column.type}" for column in schema)
    connection.execute(f"CREATE TEMP TABLE checked ({table})")
    connection.execute("INSERT INTO checked DEFAULT VALUES")
    try:
        _check_type(connection, selection.where, "where", ("BOOLEAN",))
        for name, sql in selection.columns.items():
            _check_type(connection, sql, f"columns: {name!r}", SCALAR_TYPES)
    finally:
        connection.execute("DROP TABLE checked")


def _check_type(connection: duckdb.DuckDBPyConnection, sql: str, place: str, allowed: Collection[str]) -> None:
    try:
        row = connection.execute(_DESCRIBE.format(sqltree.in_parentheses(sql))).fetchone()
        connection.execute(_SELECT.format(sqltree.in_parentheses(sql))).fetchall()
    except duckdb.Error as error:
        raise ManifestError(f"{place}: {one_line(error)}") from None
    found = str(row[1]) if row else ""
    if found.partition("(")[0] not in allowed or found.endswith("]"):
        expected = (
            "a condition (true or false)" if allowed == ("BOOLEAN",) else "a text, number, time or boolean; cast it"
        )
        raise ManifestError(f"{place}: the expression gives {found}; expected {expected}")
