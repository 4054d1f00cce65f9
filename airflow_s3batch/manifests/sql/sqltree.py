"""SQL expressions as trees, by DuckDB's own parser. The only place that knows its JSON, in all versions."""

from __future__ import annotations

import decimal
import json
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

Node = dict[str, Any]

MEMBERSHIPS = frozenset({"COMPARE_IN", "COMPARE_NOT_IN"})
"""Types of ``IN (…)`` and ``NOT IN (…)``: the first child is looked for among the others."""

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
    bare = _only_expression(connection, sql, place)
    enclosed = _only_expression(connection, in_parentheses(sql), place)
    if bare != enclosed:
        raise ManifestError(f"{place}: {excerpt(sql)} is not one expression")
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


def children_of(node: Node) -> list[Node]:
    """Return the expressions that the expression *node* is directly made of."""
    found: list[Node] = []
    waiting: list[Any] = list(node.values())
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, dict) and "class" in item:
            found.append(item)
        else:
            waiting[:0] = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return found


def text_of(node: Node) -> str | None:
    """Return the text if *node* is a string literal, else ``None``."""
    if node["class"] != "CONSTANT":
        return None
    if "literal" in node:  # DuckDB 2
        literal = node["literal"]
        return literal["text"] if literal.get("kind") == "STRING" else None
    value = node["value"]
    return value.get("value") if value["type"]["id"] == "VARCHAR" else None


def number_of(node: Node) -> int | float | decimal.Decimal | None:
    """
    Return the number if *node* is a numeric literal, else ``None``.

    A decimal is what is written with a point, a float what is written with an exponent.
    """
    if node["class"] != "CONSTANT":
        return None
    if "literal" not in node:  # DuckDB 1
        value, kind = node["value"].get("value"), node["value"]["type"]
        if kind["id"] == "DECIMAL" and isinstance(value, int):
            return decimal.Decimal(value).scaleb(-int(kind["type_info"]["scale"]))
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    text = str(node["literal"]["text"]).replace("_", "")
    if node["literal"]["kind"] == "INTEGER":
        return int(text)
    if node["literal"]["kind"] != "NUMERIC":
        return None
    return float(text) if "e" in text.lower() else decimal.Decimal(text)


def truth_of(node: Node) -> bool | None:
    """Return the truth value if *node* is a boolean literal, else ``None``."""
    if node["class"] == "CAST" and cast_type(node) == "BOOLEAN":
        return {"t": True, "f": False}.get(text_of(node["child"]) or "")
    if node["class"] != "CONSTANT":
        return None
    if "literal" in node:  # DuckDB 2
        return str(node["literal"]["text"]).lower() == "true" if node["literal"]["kind"] == "BOOLEAN" else None
    value = node["value"].get("value")
    return value if isinstance(value, bool) else None


def is_null(node: Node) -> bool:
    """Whether *node* is the literal NULL."""
    if node["class"] != "CONSTANT":
        return False
    return bool(node["literal"]["kind"] == "NULL_LITERAL" if "literal" in node else node["value"]["is_null"])


def column_of(node: Node) -> str | None:
    """Return the lower-case name if *node* is a plain column, else ``None``."""
    names = node.get("column_names", ())
    return names[0].lower() if node["class"] == "COLUMN_REF" and len(names) == 1 else None


def columns_in(connection: duckdb.DuckDBPyConnection, sql: str, *, place: str) -> frozenset[str]:
    """Return the lower-case names of the columns that the expression *sql* reads; raises as `parse_expression`."""
    names = map(column_of, walk(parse_expression(connection, sql, place=place)))
    return frozenset(name for name in names if name is not None)


def cast_type(cast: Node) -> str:
    """Return the upper-case name of the type that *cast* gives, without its parameters."""
    if "type_expr" in cast:  # DuckDB 2
        return str(cast["type_expr"].get("type_name", "")).upper()
    return str(cast["cast_type"]["id"]).upper()


def arguments_of(function: Node) -> list[Node]:
    """Return the arguments of a function call."""
    if "arguments" in function:  # DuckDB 2
        return [argument["expression"] for argument in function["arguments"]]
    return list(function.get("children", ()))


def statements_of(connection: duckdb.DuckDBPyConnection, sql: str, *, place: str, shown: str = "") -> list[Node]:
    """
    Return the tree of each SELECT statement in *sql*; *place* begins the error, *shown* (or *sql*) is quoted in it.

    Raises:
        ManifestError: *sql* can't be parsed, or has a statement that is no SELECT.
    """
    if "\0" in sql:
        raise ManifestError(f"{place}: SQL can't hold a NUL character")
    row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    # DuckDB 2.0 answers '' to some literals of bytes, such as x'é'.
    document = json.loads(row[0]) if row and row[0] else {"error": True}
    if document["error"]:
        reason = str(document.get("error_message", "DuckDB can't parse it")).partition("\n")[0]
        raise ManifestError(f"{place}: {excerpt(shown or sql)} is not SQL: {reason}")
    return [statement["node"] for statement in _without_places(document["statements"])]


def _only_expression(connection: duckdb.DuckDBPyConnection, sql: str, place: str) -> Node:
    statements = statements_of(connection, f"SELECT {sql}\n", place=place, shown=sql)
    node = statements[0] if len(statements) == 1 else {}
    expressions = node.get("select_list", [])
    plain = node.get("type") == "SELECT_NODE" and node["from_table"]["type"] == "EMPTY"
    if not plain or len(expressions) != 1 or any(node.get(name) != value for name, value in _PLAIN.items()):
        raise ManifestError(f"{place}: {excerpt(sql)} is not one expression")
    expression: Node = expressions[0]
    if expression.get("alias") or node["cte_map"]["map"] or node["aggregate_handling"] != "STANDARD_HANDLING":
        raise ManifestError(f"{place}: {excerpt(sql)} is not one expression")
    return expression


def _without_places(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_places(item) for name, item in value.items() if not name.startswith("query_location")}
    return [_without_places(item) for item in value] if isinstance(value, list) else value


def excerpt(sql: str) -> str:
    """Return *sql* on one line, quoted and cut to 120 characters, for an error."""
    text = " ".join(sql.split())
    return repr(text if len(text) <= 120 else text[:117] + "…")
