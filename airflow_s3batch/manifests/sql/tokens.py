"""SQL cut into texts, names, comments and operators, without a parser: enough to know what is not inside a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from airflow_s3batch.core.errors import ManifestError

_TOKEN = re.compile(
    r"""
      (?P<comment>--[^\n\r]*)
    | (?P<open>/\*)
    | (?P<text>[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<list>[iI][nN]\s*\(\s*\$[A-Za-z_][A-Za-z0-9_]*\s*\))
    | (?P<parameter>\$[A-Za-z_][A-Za-z0-9_]*(?![\w$]))
    | (?P<word>[\w][\w$]*)
    | (?P<operator>(?:(?!--|/\*)[~!@\#^&|`?+\-*/%<>=])+)
    | (?P<other>.)
    """,
    re.DOTALL | re.VERBOSE,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_VAGUE = frozenset({"~", "!~", "~*", "!~*"})


class Token(NamedTuple):
    """
    A piece of SQL.

    Attributes:
        kind: comment, text, quoted (a name), list (``IN ($name)``), parameter, word, operator or other.
        start: where it begins.
        end: where it ends.
    """

    kind: str
    start: int
    end: int


def tokens(sql: str) -> Iterator[Token]:
    """Yield the pieces of *sql* in order; block comments nest, as they do in DuckDB."""
    at = 0
    while match := _TOKEN.match(sql, at):
        start, at = at, match.end()
        kind = str(match.lastgroup)
        if match["open"]:
            at, kind = _comment_end(sql, at), "comment"
        yield Token("text" if match["text"] else kind, start, at)


def is_blank(sql: str) -> bool:
    """Whether *sql* is nothing but white space and comments."""
    return all(token.kind == "comment" or sql[token.start : token.end].isspace() for token in tokens(sql))


def check_operators(sql: str, place: str) -> None:
    """
    Check that *sql* has no operator that means another thing in another version of DuckDB; *place* begins the error.

    Raises:
        ManifestError: it has ``~`` or a relative of it: the whole text has to match in DuckDB 1, a part of it in 2.
    """
    for token in tokens(sql):
        operator = sql[token.start : token.end]
        if token.kind == "operator" and operator in _VAGUE:
            raise ManifestError(
                f"{place}: {operator} matches a whole text in one version of DuckDB and a part of it in another; "
                "write regexp_full_match(key, '…') or regexp_matches(key, '…')"
            )


def _comment_end(sql: str, at: int) -> int:
    depth = 1
    for edge in _COMMENT_EDGE.finditer(sql, at):
        depth += 1 if edge[0] == "/*" else -1
        if not depth:
            return edge.end()
    return len(sql)
