"""
Texts that SQL takes for times. Times of an inventory are UTC; a text may say otherwise, and DuckDB would not listen.

DuckDB 1.4 and 2.0 read ``'2026-11-01T02:00:00+02:00'`` as a ``TIMESTAMP`` of 02:00, whatever the offset says. So a
parameter with an offset is turned into UTC, and a literal with one is refused.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.columns import TYPES
from airflow_s3batch.manifests.sql import sqltree

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from airflow_s3batch.manifests.sql.sqltree import Node

TIME_COLUMNS = frozenset(name for name, kind in TYPES.items() if kind == "TIMESTAMP")

_OFFSET_TIME = re.compile(r"\s*(\d{4,}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*(Z|[+-]\d\d(?::?\d\d)?)\s*")
_ZONE_TIME = re.compile(r"\s*\d{4,}-\d\d-\d\d[T ]\d\d:\d\d\S*\s+(?!UTC\s*$)[A-Za-z_]+(/\S*)?\s*")
_TIME_TYPES = ("TIMESTAMP", "DATETIME", "DATE")


def in_utc(text: str) -> str | None:
    """Return the time that *text* names in UTC, without its offset; ``None`` if *text* is no time with an offset."""
    match = _OFFSET_TIME.fullmatch(text)
    if match is None:
        return None
    try:
        time = dt.datetime.fromisoformat("T".join(match.group(1, 2)) + match[3])
        return time.astimezone(dt.UTC).replace(tzinfo=None).isoformat(sep=" ")
    except (ValueError, OverflowError):
        return None


def taken_for_times(tree: Node, time_columns: Collection[str] = TIME_COLUMNS) -> Iterator[Node]:
    """
    Yield the parameters and literals in *tree* that are cast to a time, or stand beside one of *time_columns*.

    Beside it is what the same comparison, function or CASE is applied to.
    """
    for node in sqltree.walk(tree):
        children = sqltree.children_of(node)
        leaves = [child for child in children if child["class"] in ("PARAMETER", "CONSTANT")]
        if not leaves:
            continue
        if node["class"] == "CAST":
            if sqltree.cast_type(node) in _TIME_TYPES or sqltree.cast_type(node).startswith("TIMESTAMP_"):
                yield from leaves
        elif any(_has_time(child, time_columns) for child in children):
            yield from leaves


def check_times(tree: Node, time_columns: Collection[str], place: str) -> None:
    """
    Check that no literal in *tree* names a time in another zone than UTC; *place* begins the error.

    Raises:
        ManifestError: one does; the message gives the same time in UTC.
    """
    for node in taken_for_times(tree, time_columns):
        text = sqltree.text_of(node) or ""
        match, utc = _OFFSET_TIME.fullmatch(text), in_utc(text)
        if match and utc and not set(match[3]) <= set("+-:0Z"):
            raise ManifestError(f"{place}: {text!r} has an offset, and SQL would ignore it; write it in UTC: '{utc}'")
        if _ZONE_TIME.fullmatch(text):
            raise ManifestError(f"{place}: {text!r} has a time zone, and SQL would ignore it; write it in UTC")


def _has_time(tree: Node, time_columns: Collection[str]) -> bool:
    return any(
        node["class"] == "COLUMN_REF" and node["column_names"][-1].lower() in time_columns
        for node in sqltree.walk(tree)
    )
