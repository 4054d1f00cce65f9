"""
Binds ``$name`` in ``where=``, ``columns=`` and ``sql=``: a value takes the place of the name, and stays a value.

Names are found by a scanner that knows texts, quoted names and comments. Where there is a connection, DuckDB's own
parser then has to agree: the bound SQL must be the tree of the unbound one with literals in place of its parameters.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.sql import sqltree
from airflow_s3batch.manifests.sql.literals import list_items, literal
from airflow_s3batch.manifests.sql.times import in_utc, taken_for_times
from airflow_s3batch.manifests.sql.tokens import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb

SNAPSHOT_TIME = "snapshot_time"
"""The parameter that is always there: when the data was made, so that "older than" is the same in every attempt."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Place(NamedTuple):
    """
    Where a parameter stands in SQL.

    Attributes:
        start: of the text that gives way to the literal.
        end: of it.
        in_list: whether it stands alone in ``IN ($name)``, where a list gives its items.
    """

    name: str
    start: int
    end: int
    in_list: bool


def parameters(sql: str) -> list[Place]:
    """Return the parameters of *sql* in order; ``$name`` in a text, quoted name or comment is none."""
    return list(_parameters(sql))


def bound(connection: duckdb.DuckDBPyConnection | None, sql: str, values: Mapping[str, Any], *, place: str) -> str:
    """
    Return *sql* with each ``$name`` as a literal of ``values[name]``; *place* begins the error.

    *values* has ``snapshot_time``, too. With a connection DuckDB's parser checks the outcome, and a text such as
    ``2026-11-01T02:00:00+02:00`` that is compared with a time (or cast to one) is turned into UTC.

    Raises:
        ManifestError: an unknown name, a value without a literal, another spelling of parameters, or one in quotes.
    """
    _check_quotes(sql, values, place)
    if connection is None:
        return _bound(sql, values, place)
    trees = _trees(connection, sql, place)
    names = {str(node["identifier"]) for tree in trees for node in sqltree.walk(tree) if node["class"] == "PARAMETER"}
    if extra := names - {each.name for each in parameters(sql)}:
        raise ManifestError(
            f"{place}: {min(extra)!r} is no name of a parameter; write $name, and its value into params="
        )
    values = _with_utc(trees, values)
    text = _bound(sql, values, place)
    if [_substituted(tree, connection, values, place) for tree in trees] != _trees(connection, text, place):
        raise ManifestError(
            f"{place}: a parameter of {sqltree.excerpt(sql)} stands where no value can stand; "
            "compute with it: 0 - $n, to_days($n)"
        )
    return text


def _parameters(sql: str) -> Iterator[Place]:
    for token in tokens(sql):
        if token.kind in ("parameter", "list"):
            start = sql.index("$", token.start)
            match = _NAME.match(sql, start + 1)
            end = match.end() if match else token.end
            yield Place(sql[start + 1 : end], start, end, in_list=token.kind == "list")


def _shown(each: Place, values: Mapping[str, Any], place: str) -> str:
    if each.name not in values:
        raise ManifestError(_unknown(place, each.name, values))
    value = values[each.name]
    is_items = each.in_list and isinstance(value, list | tuple)
    if is_items and not value:
        raise ManifestError(
            f"{place}: ${each.name} is an empty list, and IN () is no SQL; without parentheses, IN ${each.name}, it is "
            "a list that nothing is in"
        )
    try:
        return ", ".join(list_items(value)) if is_items else literal(value)
    except ValueError as error:
        raise ManifestError(f"{place}: ${each.name} {error}") from None


def _check_quotes(sql: str, values: Mapping[str, Any], place: str) -> None:
    """Refuse a text that names a parameter: ``LIKE '$prefix%'`` would look for a dollar sign, and find nothing."""
    for token in tokens(sql):
        text = sql[token.start : token.end]
        quoted = [name for name in values if re.search(rf"\${name}(?!\w)", text)] if token.kind == "text" else []
        if quoted and text.startswith("'"):
            name = max(quoted, key=len)
            raise ManifestError(
                f"{place}: in quotes ${name} is a text, and no parameter; write ${name} outside of them: "
                f"starts_with(key, ${name})"
            )


def _bound(sql: str, values: Mapping[str, Any], place: str) -> str:
    pieces, done = [], 0
    for each in parameters(sql):
        pieces += [sql[done : each.start], _shown(each, values, place)]
        done = each.end
    return "".join([*pieces, sql[done:]])


def _with_utc(trees: Sequence[sqltree.Node], values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *values* with those texts in UTC that *trees* take for times."""
    taken = [node for tree in trees for node in taken_for_times(tree) if node["class"] == "PARAMETER"]
    names = {str(node["identifier"]) for node in taken}
    return {name: _in_utc(value) if name in names else value for name, value in values.items()}


def _in_utc(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_in_utc(item) for item in value]
    return (in_utc(value) or value) if isinstance(value, str) else value


def _trees(connection: duckdb.DuckDBPyConnection, sql: str, place: str) -> list[sqltree.Node]:
    """Return the statements that *sql* is: a SELECT, or an expression."""
    try:
        return sqltree.statements_of(connection, sql, place=place)
    except ManifestError:
        return sqltree.statements_of(connection, f"SELECT {sql}\n", place=place, shown=sql)


def _substituted(tree: Any, connection: duckdb.DuckDBPyConnection, values: Mapping[str, Any], place: str) -> Any:
    """Return *tree* with the tree of its literal for each parameter."""
    if isinstance(tree, list):
        return [_substituted(item, connection, values, place) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if tree.get("class") == "PARAMETER":
        (found,) = _literal_trees(tree, connection, values, place)
        return found
    plain = {name: _substituted(item, connection, values, place) for name, item in tree.items()}
    if tree.get("class") == "OPERATOR" and tree["type"] in sqltree.MEMBERSHIPS and len(tree["children"]) == 2:
        plain["children"][1:] = _literal_trees(tree["children"][1], connection, values, place, as_items=True)
    return plain


def _literal_trees(
    node: sqltree.Node,
    connection: duckdb.DuckDBPyConnection,
    values: Mapping[str, Any],
    place: str,
    *,
    as_items: bool = False,
) -> list[sqltree.Node]:
    """Return the tree of the literal for the parameter *node*, those of its items if wanted and it is a list."""
    if node["class"] != "PARAMETER":
        return [_substituted(node, connection, values, place)]
    value = values[str(node["identifier"])]
    shown = list_items(value) if as_items and isinstance(value, list | tuple) else [literal(value)]
    (statement,) = sqltree.statements_of(connection, f"SELECT {', '.join(shown)}", place=place)
    return [{**tree, "alias": node["alias"]} for tree in statement["select_list"]]


def _unknown(place: str, name: str, known: Mapping[str, Any]) -> str:
    if name == SNAPSHOT_TIME:
        return f"{place}: ${name} is not known of this data; pass a time of your own in params="
    names = [*(other for other in known if other != SNAPSHOT_TIME), SNAPSHOT_TIME]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"; did you mean ${near[0]}?" if near else "."
    return f"{place}: ${name} is not in params={hint} There is: {', '.join('$' + other for other in names)}"
