"""Names and texts as SQL spells them; needs no DuckDB, so that a Dag that is parsed need not load it."""

from __future__ import annotations


def quoted(text: str) -> str:
    """Return *text* as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return *name* as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
