"""Which SQL functions a filter may call: those that give the same for the same arguments, on any day."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.sql import sqltree
from airflow_s3batch.manifests.sql.duck import open_sealed

if TYPE_CHECKING:
    import duckdb

    from airflow_s3batch.manifests.sql.sqltree import Node

_CLOCK_DESPITE_CLAIM = frozenset({"current_localtime", "current_localtimestamp"})
_SESSION_DESPITE_CLAIM = frozenset(
    {"current_setting", "getvariable", "in_search_path", "json_serialize_plan", "version", "write_log"}
)
_SYNTAX = frozenset({"CONSTANT", "COMPARISON", "CONJUNCTION", "OPERATOR", "CAST", "CASE", "BETWEEN", "COLLATE", "TYPE"})


class _Declared(NamedTuple):
    kinds: Mapping[str, Collection[str]]
    macros: Mapping[str, Sequence[tuple[Collection[str], str]]]


@functools.cache
def _declared() -> _Declared:
    """Return DuckDB's own functions: of each name the kinds and stabilities, of macros parameters and definition."""
    kinds: dict[str, set[str]] = {}
    macros: dict[str, list[tuple[Collection[str], str]]] = {}
    with open_sealed() as sealed:
        rows = sealed.execute(
            "SELECT lower(function_name), function_type, stability, parameters, macro_definition "
            "FROM duckdb_functions() WHERE internal"
        ).fetchall()
    for name, kind, stability, parameters, definition in rows:
        kinds.setdefault(name, set()).add(stability if kind == "scalar" else kind)
        if kind == "macro":
            macros.setdefault(name, []).append((parameters or (), definition))
    return _Declared(kinds, macros)


class Functions:
    """What DuckDB's own catalog says about each function; the few wrong claims in it are corrected here."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """*connection* is asked to parse the definitions of macros."""
        self._connection = connection
        self._kinds, self._macros = _declared()

    def check(self, call: Node, place: str, *, many_rows: bool = False) -> None:
        """
        Check that the function *call* may stand in a filter; *place* begins the error.

        With *many_rows* also aggregates, window functions and ``unnest``; some are not steady even so, see
        `airflow_s3batch.manifests.sql.steadiness`.

        Raises:
            ManifestError: it may not; the message says why.
        """
        name = str(call["function_name"]).lower()
        if call.get("schema") not in (None, "", "main", "system") or call.get("catalog"):
            raise ManifestError(f"{place}: call functions by their plain name: {name}(…)")
        problem = self._problem(name, len(sqltree.arguments_of(call)), many_rows=many_rows)
        if problem:
            raise ManifestError(f"{place}: {name}() {problem}")

    def _problem(self, name: str, arguments: int, *, many_rows: bool) -> str:
        kinds = set(self._kinds.get(name, ()))
        if many_rows and (kinds & {"aggregate", "window"} or name == "unnest"):
            return ""
        if kinds & {"aggregate", "window"}:
            return "looks at many rows; write an expression over the columns of one row"
        if not kinds & {"CONSISTENT", "CONSISTENT_WITHIN_QUERY", "VOLATILE", "macro"} or name.startswith("__internal"):
            near = [] if kinds else difflib.get_close_matches(name, self._kinds, n=1)
            return "is not a scalar function of DuckDB" + (f"; did you mean {near[0]}()?" if near else "")
        one_argument_age = name == "age" and arguments < 2
        unsteady = {"VOLATILE", "CONSISTENT_WITHIN_QUERY"} & kinds
        if unsteady or one_argument_age or name in _CLOCK_DESPITE_CLAIM | _SESSION_DESPITE_CLAIM:
            return "is not allowed, because a retry must select the very same objects; write its value as a literal"
        if "macro" in kinds and not self._is_plain_macro(name, many_rows=many_rows):
            return "is not allowed here"
        return ""

    def _is_plain_macro(self, name: str, *, many_rows: bool) -> bool:
        """Whether the macro *name* is one of DuckDB's own, made of nothing but allowed functions of its parameters."""
        definitions = self._macros.get(name, [])
        return bool(definitions) and all(self._is_plain(*definition, many_rows=many_rows) for definition in definitions)

    def _is_plain(self, parameters: Collection[str], definition: str, *, many_rows: bool) -> bool:
        try:
            tree = sqltree.parse_expression(self._connection, definition, place="macro")
        except ManifestError:
            return False
        for node in sqltree.walk(tree):
            if node["class"] == "COLUMN_REF":
                if sqltree.column_of(node) not in parameters:
                    return False
            elif node["class"] == "FUNCTION":
                arguments = len(sqltree.arguments_of(node))
                if self._problem(str(node["function_name"]).lower(), arguments, many_rows=many_rows):
                    return False
            elif node["class"] not in _SYNTAX:
                return False
        return True
