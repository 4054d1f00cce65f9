"""
``where=`` and ``columns=`` in Trino's SQL, for Athena: the same rows and values as on DuckDB, or a refusal.

DuckDB's own parser gives the tree; what is in the catalogue is spelled for Trino so that it means the same, NULLs and
edge cases included; and sqlglot's Trino parser has to understand the outcome.
"""

from __future__ import annotations

import decimal
import difflib
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.columns import InventoryColumn
from airflow_s3batch.manifests.sql import sqltree
from airflow_s3batch.manifests.sql.catalogue import spellings
from airflow_s3batch.manifests.sql.quoting import identifier
from airflow_s3batch.manifests.sql.trino_functions import FUNCTIONS, Rule
from airflow_s3batch.manifests.sql.trino_times import TIME_FUNCTIONS, moved
from airflow_s3batch.manifests.sql.trino_values import (
    NUMBERS,
    Call,
    Refusal,
    Value,
    date_value,
    kind_of,
    one_kind,
    text_value,
    timestamp_value,
)

if TYPE_CHECKING:
    import duckdb

    from airflow_s3batch.manifests.sql.sqltree import Node

RULES: Mapping[str, Rule] = MappingProxyType({**FUNCTIONS, **TIME_FUNCTIONS})
"""Every function and operator that has an equal in Trino, by its name in DuckDB's tree."""

_COMPARISONS = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
    "COMPARE_DISTINCT_FROM": "IS DISTINCT FROM",
    "COMPARE_NOT_DISTINCT_FROM": "IS NOT DISTINCT FROM",
}
_TRINO_TYPES = {
    "BOOLEAN": "boolean",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "DOUBLE": "double",
    "VARCHAR": "varchar",
    "DATE": "date",
    "TIMESTAMP": "timestamp(3)",
}
_MAX_INTEGER = 2**63 - 1


def to_trino(
    sql: str,
    columns: Sequence[InventoryColumn],
    *,
    place: str,
    connection: duckdb.DuckDBPyConnection | None = None,
) -> str:
    """
    Return the expression *sql*, in DuckDB's dialect over *columns*, in Trino's dialect; *place* begins the error.

    Parameters are to be bound before. Columns keep their names, quoted, and are to have the types of an inventory:
    ``timestamp`` without a zone, in UTC, for times. *connection* only parses; without one DuckDB is opened for that.

    Raises:
        ManifestError: something in *sql* has no equal; the message has both spellings. Or sqlglot is not installed.
    """
    if connection is None:
        from airflow_s3batch.manifests.sql.duck import open_sealed

        with open_sealed() as sealed:
            return to_trino(sql, columns, place=place, connection=sealed)
    tree = sqltree.parse_expression(connection, sql, place=place)
    try:
        text = _Translator({column.name.lower(): column for column in columns}).value(tree).sql
    except Refusal as refusal:
        raise ManifestError(_sentence(refusal, place)) from None
    _check_by_trino_parser(text, place)
    return text


class _Translator:
    def __init__(self, columns: Mapping[str, InventoryColumn]) -> None:
        self._columns = columns
        self._by_class = {
            "COLUMN_REF": self._column,
            "CONSTANT": self._constant,
            "COMPARISON": self._comparison,
            "CONJUNCTION": self._conjunction,
            "OPERATOR": self._operator,
            "BETWEEN": self._between,
            "CASE": self._case,
            "CAST": self._cast,
            "FUNCTION": self._function,
        }

    def value(self, node: Node) -> Value:
        """
        Return *node* in Trino's SQL.

        Raises:
            Refusal: it has no equal.
        """
        if node["class"] not in self._by_class:
            raise Refusal(str(node["class"]).lower(), "it is not in the catalogue")
        return self._by_class[node["class"]](node)

    def _column(self, node: Node) -> Value:
        name = sqltree.column_of(node) or ""
        if name not in self._columns:
            written = ".".join(node["column_names"])
            raise Refusal(written, f"there is no such column; there are: {', '.join(self._columns)}")
        column = self._columns[name]
        return Value(identifier(column.name), kind_of(column.type))

    def _constant(self, node: Node) -> Value:
        if sqltree.is_null(node):
            return Value("NULL", "null")
        text, number, truth = sqltree.text_of(node), sqltree.number_of(node), sqltree.truth_of(node)
        if text is not None:
            return text_value(text)
        if truth is not None:
            return Value(str(truth).upper(), "boolean")
        if number is None or not math.isfinite(number) or not -_MAX_INTEGER <= float(number) <= _MAX_INTEGER:
            raise Refusal("literal", "it is no text, boolean or number within 64 bits")
        return _number(number)

    def _comparison(self, node: Node) -> Value:
        operator = _COMPARISONS.get(node["type"])
        if operator is None:
            raise Refusal(node["type"], "it is not in the catalogue")
        (left, right), kind = one_kind(operator, [self.value(node["left"]), self.value(node["right"])])
        _check_comparable(operator, kind)
        return Value(f"({_shown(operator, left)} {operator} {_shown(operator, right)})", "boolean")

    def _conjunction(self, node: Node) -> Value:
        operator = " AND " if node["type"] == "CONJUNCTION_AND" else " OR "
        return Value(f"({operator.join(self._condition(child) for child in node['children'])})", "boolean")

    def _condition(self, node: Node) -> str:
        value = self.value(node)
        if value.kind not in ("boolean", "null"):
            raise Refusal("AND, OR, NOT, WHEN", f"a condition is needed, not {value.kind}")
        return value.sql

    def _operator(self, node: Node) -> Value:
        kind, children = node["type"], node["children"]
        if kind == "OPERATOR_NOT":
            return Value(f"(NOT {self._condition(children[0])})", "boolean")
        if kind in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
            negated = "NOT " * (kind == "OPERATOR_IS_NOT_NULL")
            return Value(f"({self.value(children[0]).sql} IS {negated}NULL)", "boolean")
        if kind == "OPERATOR_COALESCE":
            values, gives = one_kind("coalesce", [self.value(child) for child in children])
            return Value(f"COALESCE({', '.join(value.sql for value in values)})", gives) if values[1:] else values[0]
        if kind in sqltree.MEMBERSHIPS:
            (value, *others), gives = one_kind("IN", [self.value(child) for child in children])
            _check_comparable("IN", gives)
            negated = "NOT " * (kind == "COMPARE_NOT_IN")
            return Value(f"({value.sql} {negated}IN ({', '.join(other.sql for other in others)}))", "boolean")
        if kind == "ARRAY_EXTRACT":
            return self._element(*children)
        raise Refusal(kind, "it is not in the catalogue")

    def _element(self, whole: Node, part: Node) -> Value:
        value, key = self.value(whole), self.value(part)
        if value.kind == "map" and key.kind == "text":
            return Value(f"element_at({value.sql}, {key.sql})", "text")
        if value.kind == "list" and key.number and value.items is None:
            return Value(f"element_at({value.sql}, {key.number})", "text")
        raise Refusal("[…]", f"of {value.kind} with {key.sql} it is not in the catalogue")

    def _between(self, node: Node) -> Value:
        values = [self.value(node[name]) for name in ("input", "lower", "upper")]
        (value, lower, upper), kind = one_kind("BETWEEN", values)
        _check_comparable("BETWEEN", kind)
        return Value(f"({value.sql} BETWEEN {lower.sql} AND {upper.sql})", "boolean")

    def _case(self, node: Node) -> Value:
        checks = node["case_checks"]
        whens = [self._condition(check["when_expr"]) for check in checks]
        return _case(whens, [*(self.value(check["then_expr"]) for check in checks), self.value(node["else_expr"])])

    def _cast(self, node: Node) -> Value:
        if sqltree.truth_of(node) is not None:
            return Value(str(sqltree.truth_of(node)).upper(), "boolean")
        value, kind = self.value(node["child"]), sqltree.cast_type(node)
        name = "TRY_CAST" if node["try_cast"] else "CAST"
        if value.text is not None and (time := _time_literal(value.text, kind)):
            return time
        if value.kind == kind_of(kind) and value.kind in ("boolean", "text", "date", "timestamp"):
            return value
        _check_cast(f"{name}(… AS {kind})", value, kind, is_rounded=_is_rounded(node["child"]))
        return Value(f"CAST({value.sql} AS {_TRINO_TYPES[kind]})", kind_of(kind))

    def _function(self, node: Node) -> Value:
        name = str(node["function_name"]).lower()
        call = Call(name, sqltree.arguments_of(node), self.value)
        if name == "if" and len(call.nodes) == 3:
            return _case([self._condition(call.nodes[0])], [self.value(child) for child in call.nodes[1:]])
        if name in ("+", "-") and (time := moved(call)):
            return time
        if name not in RULES:
            call.refuse("")
        return RULES[name](call)


def _number(number: float | decimal.Decimal) -> Value:
    if isinstance(number, int):
        return Value(str(number) if number >= 0 else f"({number})", "integer", number=number)
    text = f"{number!r}e0".upper() if isinstance(number, float) and "e" not in repr(number) else str(number).upper()
    text = f"{number:f}" if isinstance(number, decimal.Decimal) else text
    kind = "double" if isinstance(number, float) else "decimal" if "." in text else "integer"
    return Value(text if number >= 0 else f"({text})", kind)


def _case(whens: Sequence[str], thens: Sequence[Value]) -> Value:
    (*values, last), kind = one_kind("CASE", thens)
    pieces = [f"WHEN {when} THEN {then.sql}" for when, then in zip(whens, values, strict=True)]
    return Value(f"CASE {' '.join(pieces)} ELSE {last.sql} END", kind)


def _shown(operator: str, value: Value) -> str:
    if value.kind == "interval" and value.span is not None and value.span.months:
        raise Refusal(operator, "to DuckDB a month has 30 days here, and to Trino none; write days")
    return value.sql


def _check_comparable(operator: str, kind: str) -> None:
    if kind not in (*NUMBERS, "text", "boolean", "date", "timestamp", "interval", "null"):
        raise Refusal(operator, f"{kind} can't be compared")


def _time_literal(text: str, kind: str) -> Value | None:
    return {"TIMESTAMP": timestamp_value, "DATE": date_value}.get(kind, lambda _text: None)(text)


def _check_cast(name: str, value: Value, kind: str, *, is_rounded: bool) -> None:
    """Refuse casts whose outcome differs; one that fails where the other would give a value is none of these."""
    wanted = kind_of(kind)
    if kind not in _TRINO_TYPES:
        raise Refusal(name, "cast to BOOLEAN, INTEGER, BIGINT, DOUBLE, VARCHAR, DATE or TIMESTAMP")
    allowed = {
        "text": ("integer", "boolean", "date"),
        "integer": ("integer", "boolean", "text", *("double", "decimal") * is_rounded),
        "double": ("integer", "decimal", "double"),
        "boolean": ("integer",),
        "timestamp": ("date",),
        "date": ("timestamp",),
    }[wanted]
    if value.kind == "text" and name.startswith("TRY_"):
        raise Refusal(
            name,
            "what text they can read differs; for numbers write "
            "CASE WHEN regexp_full_match(…, '[0-9]{1,18}') THEN CAST(… AS BIGINT) END, and compare dates as text",
        )
    if value.kind not in (*allowed, "null"):
        why = "round it first" if wanted == "integer" and value.kind in NUMBERS else f"{value.kind} reads otherwise"
        raise Refusal(name, why)


def _is_rounded(node: Node) -> bool:
    return str(node.get("function_name", "")).lower() in ("floor", "ceil", "ceiling", "round", "trunc")


def _sentence(refusal: Refusal, place: str) -> str:
    known = spellings(refusal.name)
    near = difflib.get_close_matches(refusal.name, RULES, n=1, cutoff=0.7)
    reason = refusal.reason or "it is not in the catalogue of what both have" + (
        f"; near to it is {near[0]}()" if near and near[0].isidentifier() else ""
    )
    both = f" DuckDB: {known.duckdb}. Trino: {known.trino}." if known else ""
    return (
        f"{place}: {refusal.name} is not the same on Athena: {reason}.{both} "
        "docs/filters.md has everything that both can do"
    )


def _check_by_trino_parser(text: str, place: str) -> None:
    try:
        import sqlglot
        from sqlglot.errors import SqlglotError
    except ImportError:
        raise ManifestError(
            f"{place}: SQL for Athena is checked by sqlglot, which is not installed: "
            "pip install 'airflow-provider-s3batch[athena]'"
        ) from None
    try:
        statements = sqlglot.parse(f"SELECT {text}", read="trino")
    except SqlglotError as error:
        reason = str(error).partition("\n")[0]
        raise ManifestError(f"{place}: its translation for Athena is no Trino SQL ({reason}): {text}") from None
    selected = [] if len(statements) != 1 or statements[0] is None else statements[0].args.get("expressions", [])
    if len(selected) != 1:
        raise ManifestError(f"{place}: its translation for Athena is not one expression: {text}")
