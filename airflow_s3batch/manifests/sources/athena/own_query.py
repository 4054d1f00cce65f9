"""Checks a query in Athena's own dialect: one SELECT that gives a bucket and a key, and nothing beside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.sql.sqltree import excerpt

if TYPE_CHECKING:
    from collections.abc import Collection

DIALECT = "trino"
_NEEDED = ("bucket", "key")
_COLOURS = re.compile(r"\x1b\[\d+m")


class CheckedQuery(NamedTuple):
    """
    A query that may be sent.

    Attributes:
        sql: without a semicolon at the end; may end in a comment.
        outputs: lower-case names of its columns, as far as they can be told without the tables.
    """

    sql: str
    outputs: list[str]


def checked_query(sql: str) -> CheckedQuery:
    """
    Return *sql* if it is one query, by a parser for Trino's dialect; what its tables have is for Athena to say.

    It may look at the clock or at chance: its result is pinned, and a later attempt reads that.

    Raises:
        ManifestError: it is something else, or its columns won't do. Or sqlglot is not installed.
    """
    text = sql.strip().removesuffix(";").rstrip()
    statements = _parsed(text)
    from sqlglot import exp

    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise ManifestError(f"query: {excerpt(sql)} is not one SELECT; write one, WITH … before it if need be")
    tree = statements[0]
    if parameter := tree.find(exp.Placeholder, exp.Parameter):
        raise ManifestError(f"query: {parameter.sql(dialect=DIALECT)!r} is a parameter; write the value, by a template")
    if tree.find(exp.Into, exp.DML, exp.DDL):
        raise ManifestError(f"query: {excerpt(sql)} is not only a SELECT; it must change nothing")
    return CheckedQuery(text, _outputs(tree.selects))


def _parsed(sql: str) -> list[Any]:
    try:
        import sqlglot
        from sqlglot.errors import SqlglotError
    except ImportError:
        raise ManifestError(
            "query: SQL for Athena is checked by sqlglot, which is not installed: "
            "pip install 'airflow-provider-s3batch[athena]'"
        ) from None
    try:
        return [tree for tree in sqlglot.parse(sql, dialect=DIALECT) if tree is not None]
    except SqlglotError as error:
        reason = " ".join(_COLOURS.sub("", str(error)).split())
        raise ManifestError(f"query: {excerpt(sql)} can't be parsed as Athena's SQL: {reason}") from None


def _outputs(selects: list[Any]) -> list[str]:
    """Return the names of the columns *selects*; of ``*`` no more is known than that it has to have what is needed."""
    from sqlglot import exp

    names = []
    for output in selects:
        if isinstance(output, exp.Star) or (isinstance(output, exp.Column) and output.is_star):
            return list(_NEEDED)
        if not isinstance(output, (exp.Alias, exp.Column)):
            written = output.sql(dialect=DIALECT)
            raise ManifestError(f"query: {written} has no name; write {written} AS some_name")
        names.append(output.alias_or_name.lower())
    _check_names(names)
    return names


def _check_names(names: Collection[str]) -> None:
    listed = ", ".join(names)
    for needed in _NEEDED:
        if needed not in names:
            raise ManifestError(
                f"query: it gives no column {needed!r}, and a manifest needs bucket and key; it gives {listed}"
            )
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ManifestError(f"query: it gives {name!r} twice; give one of them another name")
        seen.add(name)
