"""Checks ``sql=``: one SELECT that reads nothing but the views it is given, and gives the same in every attempt."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.columns import VALUES, InventoryColumn
from airflow_s3batch.manifests.sql import sqltree
from airflow_s3batch.manifests.sql.duck import open_sealed
from airflow_s3batch.manifests.sql.filters import CLOCK, check_values
from airflow_s3batch.manifests.sql.functions import Functions
from airflow_s3batch.manifests.sql.select_outputs import outputs_of
from airflow_s3batch.manifests.sql.steadiness import check_steady
from airflow_s3batch.manifests.sql.times import check_times
from airflow_s3batch.manifests.sql.tokens import check_operators
from airflow_s3batch.manifests.sql.used_columns import dicts, used_columns

if TYPE_CHECKING:
    import duckdb

    from airflow_s3batch.manifests.sql.sqltree import Node

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CLASSES = frozenset(
    {
        "BETWEEN",
        "CASE",
        "CAST",
        "COLLATE",
        "COLUMN_REF",
        "COMPARISON",
        "CONJUNCTION",
        "CONSTANT",
        "FUNCTION",
        "LAMBDA",
        "LAMBDA_REF",
        "OPERATOR",
        "STAR",
        "SUBQUERY",
        "TYPE",
        "WINDOW",
    }
)
_SOURCES = frozenset({"BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "SUBQUERY", "TABLE_FUNCTION"})
_PARTS = frozenset(
    {
        "ASCENDING",
        "CTE_NODE",
        "DESCENDING",
        "DISTINCT_MODIFIER",
        "LIMIT_MODIFIER",
        "LIMIT_PERCENT_MODIFIER",
        "ORDER_DEFAULT",
        "ORDER_MODIFIER",
        "RECURSIVE_CTE_NODE",
        "SELECT_NODE",
        "SET_OPERATION_NODE",
    }
)
_REFUSED = {
    "PARAMETER": "a parameter without a value (write $name, and its value into params=)",
    "PIVOT": "PIVOT or UNPIVOT (use GROUP BY with FILTER, or UNION ALL)",
    "POSITIONAL_REFERENCE": "#1 (write the column's name)",
    "SHOW_REF": "DESCRIBE, SHOW or SUMMARIZE",
}
_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
_SESSION = frozenset(
    {"current_catalog", "current_database", "current_role", "current_schema", "current_user", "session_user", "user"}
)
INVENTORY = "inventory"
"""The view that every SELECT may read."""


@dataclass(frozen=True, slots=True)
class CheckedSelect:
    """
    A SELECT that may be run.

    Attributes:
        sql: the statement, without a semicolon; it may end in a comment, so put it in parentheses on lines of its own.
        used: of each view that it reads, the columns that it may need, in the view's order. A view that it does not
            read is not there. Never empty: of a view that is only counted it is the first column.
        outputs: names and DuckDB types of the columns that it gives, in order.
    """

    sql: str
    used: Mapping[str, tuple[str, ...]]
    outputs: tuple[InventoryColumn, ...]


def checked_select(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    views: Mapping[str, Sequence[InventoryColumn]],
    *,
    place: str = "sql",
) -> CheckedSelect:
    """
    Return what is known of *sql* once it has passed: a SELECT over *views* alone, with ``bucket`` and ``key``.

    Parameters are to be bound before. *views* need not exist in *connection*, and nothing is left there.

    Raises:
        ManifestError: what is wrong, and what would be right.
    """
    text, tree = _only_select(connection, sql, place)
    check_operators(text, place)
    own = _own_names(tree, views, place)
    functions, has_own_values = Functions(connection), _has_own_values(views)
    for node in dicts(tree):
        if "class" in node:
            _check_expression(node, functions, views, place)
            if not has_own_values:
                check_values(node, place, _last_name)
        else:
            _check_query(node, views, own, place)
    check_steady(tree, place)
    for columns in views.values():
        check_times(tree, {column.name for column in columns if column.type.startswith("TIMESTAMP")}, place)
    return CheckedSelect(text, used_columns(tree, views), outputs_of(text, tree, views, place))


def _only_select(connection: duckdb.DuckDBPyConnection, sql: str, place: str) -> tuple[str, Node]:
    """Return *sql* without its last semicolon, and its tree, which is the same bare and in parentheses."""
    text = sql.rstrip()
    text = text[:-1].rstrip() if text.endswith(";") else text
    statements = sqltree.statements_of(connection, text, place=place)
    enclosed = sqltree.statements_of(connection, f"FROM {sqltree.in_parentheses(text)}", place=place, shown=sql)
    if len(statements) != 1 or len(enclosed) != 1:
        raise ManifestError(f"{place}: {sqltree.excerpt(sql)} is not one SELECT statement")
    if enclosed[0]["from_table"].get("subquery", {}).get("node") != statements[0]:
        raise ManifestError(f"{place}: {sqltree.excerpt(sql)} is not one SELECT statement")
    return text, statements[0]


def _own_names(tree: Node, views: Mapping[str, Sequence[InventoryColumn]], place: str) -> Collection[str]:
    """Return the names of the WITH queries; each is plain, and means one thing throughout."""
    taken = {name.lower() for name in views} | _existing_names()
    found: dict[str, Any] = {}
    for node in dicts(tree):
        for entry in node.get("cte_map", {}).get("map", ()):
            name, query = entry["key"].lower(), entry["value"]
            if not _NAME.fullmatch(name) or name in taken or found.setdefault(name, query) != query:
                reason = "is there already" if _NAME.fullmatch(name) else "is not a plain name"
                raise ManifestError(f"{place}: WITH {entry['key']!r}: that name {reason}; choose another one")
    return found.keys()


@functools.cache
def _existing_names() -> frozenset[str]:
    """Return the names of DuckDB's own tables and views."""
    tables = "SELECT lower(table_name) FROM duckdb_tables() UNION SELECT lower(view_name) FROM duckdb_views()"
    with open_sealed() as sealed:
        return frozenset(str(row[0]) for row in sealed.execute(tables).fetchall())


def _check_query(node: Node, views: Collection[str], own: Collection[str], place: str) -> None:
    """Check a query or table reference; of what it is made of, only that it is known."""
    kind = node.get("type")
    if not isinstance(kind, str) or kind in _PARTS or kind.endswith("_TYPE_INFO"):
        return
    if kind not in _SOURCES:
        raise ManifestError(f"{place}: {_REFUSED.get(kind, kind)} is not allowed here; write a plain SELECT")
    if kind == "BASE_TABLE":
        _check_table(node, views, own, place)
    elif kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", "")).lower()
        if name not in _TABLE_FUNCTIONS:
            raise ManifestError(f"{place}: the table function {name}() is not allowed here; {_readable(views)}")


def _check_table(node: Node, views: Collection[str], own: Collection[str], place: str) -> None:
    name = str(node["table_name"])
    is_plain = not node.get("schema_name") and not node.get("catalog_name") and not node.get("at_clause")
    names = [view.lower() for view in views]
    if is_plain and name.lower() in {*names, *own}:
        return
    near = difflib.get_close_matches(name.lower(), [*names, *own], n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    written = ".".join(filter(None, [node.get("catalog_name"), node.get("schema_name"), name]))
    raise ManifestError(f"{place}: it can't read {written!r}{hint} {_readable(views).capitalize()}")


def _readable(views: Collection[str]) -> str:
    return f"it may read: {', '.join(views)} (more by tables=)"


def _check_expression(
    node: Node, functions: Functions, views: Mapping[str, Sequence[InventoryColumn]], place: str
) -> None:
    kind = node["class"]
    if kind not in _CLASSES:
        raise ManifestError(f"{place}: {_REFUSED.get(kind, kind)} is not allowed here")
    if kind == "FUNCTION" or (kind == "WINDOW" and node["type"] == "WINDOW_AGGREGATE"):
        functions.check(node, place, many_rows=True)
    elif kind == "COLUMN_REF":
        _check_column(node, views, place)


def _check_column(node: Node, views: Mapping[str, Sequence[InventoryColumn]], place: str) -> None:
    name = _last_name(node)
    if name in {column.name.lower() for columns in views.values() for column in columns}:
        return
    if name in CLOCK | _SESSION and len(node["column_names"]) == 1:
        raise ManifestError(
            f"{place}: {name} is not allowed, because a retry must select the very same objects; "
            "write its value as a literal, or use $snapshot_time"
        )
    if name == "rowid":
        raise ManifestError(f"{place}: rowid is not allowed, it is no column of the data")


def _has_own_values(views: Mapping[str, Sequence[InventoryColumn]]) -> bool:
    """Whether a table of the user's has a column that is called as an enumerated one of the inventory."""
    return any(column.name in VALUES for name in views if name != INVENTORY for column in views[name])


def _last_name(node: Node) -> str | None:
    return str(node["column_names"][-1]).lower() if node["class"] == "COLUMN_REF" else None
