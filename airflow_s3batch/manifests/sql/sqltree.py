"""SQL expressions as trees, by DuckDB's own parser. The only place that knows its JSON, in all versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

Node = dict[str, Any]

_PLAIN: Node = {
    "where_clause": None,
    "having": None,
    "qualify": None,
    "sample": None,
    "modifiers": [],
    "group_expressions": [],
    "group_sets": [],
}


def parse_expression(connection: duckdb.DuckDBPyConnection, sql: str, *, place: str) -> Node:
    """
    Return the tree of the one expression that *sql* is; *place* begins the error.

    It is parsed bare and in parentheses, and both must mean the same: nothing can close a parenthesis, open a clause,
    end the statement or leave a comment open.

    Raises:
        ManifestError: *sql* is not exactly one expression.
    """
    if "\0" in sql:
        raise ManifestError(f"{place}: SQL can't hold a NUL character")
    bare = _only_expression(connection, sql, place)
    enclosed = _only_expression(connection, in_parentheses(sql), place)
    if bare != enclosed:
        raise ManifestError(f"{place}: {_excerpt(sql)} is not one expression")
    return bare


def in_parentheses(sql: str) -> str:
    """Return *sql* as part of a larger expression; it may end in a comment."""
    return f"(\n{sql}\n)"


def walk(node: Any) -> Iterator[Node]:
    """Yield each expression of the tree *node*, outer ones first."""
    if isinstance(node, dict):
        if "class" in node:
            yield node
        for child in node.values():
            yield from walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from walk(child)


def text_of(node: Node) -> str | None:
    """Return the text if *node* is a string literal, else ``None``."""
    if node["class"] != "CONSTANT":
        return None
    if "literal" in node:  # DuckDB 2
        literal = node["literal"]
        return literal["text"] if literal.get("kind") == "STRING" else None
    value = node["value"]
    return value.get("value") if value["type"]["id"] == "VARCHAR" else None


def column_of(node: Node) -> str | None:
    """Return the lower-case name if *node* is a plain column, else ``None``."""
    names = node.get("column_names", ())
    return names[0].lower() if node["class"] == "COLUMN_REF" and len(names) == 1 else None


def arguments_of(function: Node) -> list[Node]:
    """Return the arguments of a function call."""
    if "arguments" in function:  # DuckDB 2
        return [argument["expression"] for argument in function["arguments"]]
    return list(function.get("children", ()))


def _only_expression(connection: duckdb.DuckDBPyConnection, sql: str, place: str) -> Node:
    row = connection.execute("SELECT json_serialize_sql(?)", [f"SELECT {sql}\n"]).fetchone()
    document = json.loads(row[0]) if row else {"error": True}
    if document["error"]:
        reason = str(document.get("error_message", "")).partition("\n")[0]
        raise ManifestError(f"{place}: {_excerpt(sql)} is not SQL: {reason}")
    statements = _without_places(document["statements"])
    node = statements[0]["node"] if len(statements) == 1 else {}
    expressions = node.get("select_list", [])
    plain = node.get("type") == "SELECT_NODE" and node["from_table"]["type"] == "EMPTY"
    if not plain or len(expressions) != 1 or any(node.get(name) != value for name, value in _PLAIN.items()):
        raise ManifestError(f"{place}: {_excerpt(sql)} is not one expression")
    expression: Node = expressions[0]
    if expression.get("alias") or node["cte_map"]["map"] or node["aggregate_handling"] != "STANDARD_HANDLING":
        raise ManifestError(f"{place}: {_excerpt(sql)} is not one expression")
    return expression


def _without_places(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_places(item) for name, item in value.items() if not name.startswith("query_location")}
    return [_without_places(item) for item in value] if isinstance(value, list) else value


def _excerpt(sql: str) -> str:
    text = " ".join(sql.split())
    return repr(text if len(text) <= 120 else text[:117] + "…")
