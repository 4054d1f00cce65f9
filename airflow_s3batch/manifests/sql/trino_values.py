"""Values in Trino's SQL with what is known of them, so that each stands only where it means what DuckDB means."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from airflow_s3batch.manifests.sql.quoting import quoted
from airflow_s3batch.manifests.sql.sqltree import Node
from airflow_s3batch.manifests.sql.times import in_utc

NUMBERS = ("integer", "decimal", "double")
TIMES = ("date", "timestamp")

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(\.\d{1,6})?)?")


class Refusal(Exception):  # noqa: N818 - it is no error of the program, and never leaves this package
    """Why *name* has no equal in Trino; `airflow_s3batch.manifests.sql.trino` makes a sentence of it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason


class Span(NamedTuple):
    """A literal length of time; months come first when it is added to a time, as DuckDB does."""

    months: int = 0
    seconds: int = 0


class Value(NamedTuple):
    """
    An expression in Trino's SQL.

    Attributes:
        sql: binds as tightly as a name.
        kind: text, integer, decimal, double, boolean, date, timestamp, interval, list, map, or null for the literal.
        text: of a text literal.
        number: of an integer literal.
        span: of a literal interval.
        items: of a list of literals.
    """

    sql: str
    kind: str
    text: str | None = None
    number: int | None = None
    span: Span | None = None
    items: tuple[Value, ...] | None = None


class Call(NamedTuple):
    """A function call in DuckDB's tree, and how its arguments are translated."""

    name: str
    nodes: Sequence[Node]
    translated: Callable[[Node], Value]

    def refuse(self, reason: str) -> NoReturn:
        """
        Give up.

        Raises:
            Refusal: always.
        """
        raise Refusal(self.name, reason)

    def values(self, *kinds: str) -> list[Value]:
        """
        Return the arguments, one for each of *kinds* (several are joined by ``|``).

        Raises:
            Refusal: there are more or fewer, or one is of another kind.
        """
        if len(self.nodes) != len(kinds):
            self.refuse(f"with {len(self.nodes)} arguments it is not in the catalogue")
        values = [self.translated(node) for node in self.nodes]
        for value, kind in zip(values, kinds, strict=True):
            if value.kind not in (*kind.split("|"), "null"):
                self.refuse(f"takes {kind.replace('|', ' or ')} here, not {value.kind}")
        return values

    def literal(self, value: Value, what: str) -> str:
        """
        Return the text of *value*, a literal that is not empty; *what* names it in the refusal.

        Raises:
            Refusal: it is something else.
        """
        if not value.text:
            self.refuse(f"the {what} has to be a literal text that is not empty")
        return value.text

    def position(self, value: Value, what: str, least: int) -> int:
        """
        Return the number that *value* is, a literal of at least *least*; *what* names it in the refusal.

        Raises:
            Refusal: it is something else.
        """
        if value.number is None or value.number < least:
            self.refuse(f"the {what} has to be a literal number from {least} on")
        return value.number


def kind_of(duckdb_type: str) -> str:
    """Return the kind of a column of *duckdb_type*; for types that have none, the type itself."""
    name = duckdb_type.upper().partition("(")[0]
    if name.endswith("INT") or name == "INTEGER":
        return "integer"
    kinds = {"VARCHAR": "text", "DOUBLE": "double", "FLOAT": "double", "MAP": "map"}
    return kinds.get(name) or (name.lower() if name in ("BOOLEAN", "DATE", "DECIMAL", "TIMESTAMP") else duckdb_type)


def text_value(text: str) -> Value:
    """Return a text literal."""
    return Value(quoted(text), "text", text=text)


def one_kind(name: str, values: Sequence[Value]) -> tuple[list[Value], str]:
    """
    Return *values* so that they can be compared, and their kind: text literals beside times become times.

    Raises:
        Refusal: of *name*: DuckDB would convert, and Trino wouldn't.
    """
    kinds = {value.kind for value in values} - {"null"}
    if len(kinds) <= 1:
        return list(values), next(iter(kinds), "null")
    if kinds <= set(NUMBERS):
        return list(values), max(kinds, key=NUMBERS.index)
    times = kinds & set(TIMES)
    if times and kinds <= {*TIMES, "text"}:
        kind = max(times, key=TIMES.index)
        return [_as_time(name, value, kind) if value.kind == "text" else value for value in values], kind
    raise Refusal(name, f"mixes {' and '.join(sorted(kinds))}; cast one to the other's type")


def timestamp_value(text: str) -> Value | None:
    """Return the ``TIMESTAMP`` that the literal *text* names, in UTC; ``None`` if it names none."""
    match = _TIMESTAMP.fullmatch((in_utc(text) or text).strip())
    if match is None:
        return None
    date, minutes, seconds, fraction = match.groups()
    time = f"{minutes or '00:00'}{seconds or ':00'}"
    try:
        dt.datetime.fromisoformat(f"{date} {time}")
    except ValueError:
        return None
    return Value(f"TIMESTAMP '{date} {time}{fraction or ''}'", "timestamp")


def date_value(text: str) -> Value | None:
    """Return the ``DATE`` that the literal *text* names; ``None`` if it names none."""
    try:
        return Value(f"DATE '{dt.date.fromisoformat(text.strip()).isoformat()}'", "date")
    except ValueError:
        return None


def _as_time(name: str, value: Value, kind: str) -> Value:
    if value.text is None:
        raise Refusal(name, f"compares text with a {kind}; Trino has no such comparison")
    found = date_value(value.text) if kind == "date" else timestamp_value(value.text)
    if found is None:
        raise Refusal(name, f"{value.sql} is no {kind} that both read; write it as 2026-01-31 00:00:00")
    return found
