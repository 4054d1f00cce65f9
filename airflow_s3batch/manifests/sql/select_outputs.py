"""What a SELECT gives: tried over empty tables, in a DuckDB that can open nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import duckdb

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.columns import InventoryColumn
from airflow_s3batch.manifests.sql.duck import identifier, one_line, open_sealed
from airflow_s3batch.manifests.sql.filters import SCALAR_TYPES
from airflow_s3batch.manifests.sql.used_columns import dicts

if TYPE_CHECKING:
    from airflow_s3batch.manifests.sql.sqltree import Node

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DESCRIBE = "DESCRIBE {}"


def outputs_of(
    text: str, tree: Node, views: Mapping[str, Sequence[InventoryColumn]], place: str
) -> tuple[InventoryColumn, ...]:
    """
    Return names and types of the columns that the SELECT *text*, parsed as *tree*, gives; *place* begins the error.

    It is tried on a row of NULLs in each table, unless it might go on for long even so.

    Raises:
        ManifestError: DuckDB refuses it, or it gives what no manifest can have.
    """
    with open_sealed() as sealed:
        for name, columns in views.items():
            declared = ", ".join(f"{identifier(column.name)} {column.type}" for column in columns)
            sealed.execute(f"CREATE TABLE {identifier(name)} ({declared})")
            sealed.execute(f"INSERT INTO {identifier(name)} DEFAULT VALUES")
        try:
            rows = sealed.execute(_DESCRIBE.format(text)).fetchall()
            if _ends_surely(tree):
                sealed.execute(text).fetchall()
        except duckdb.Error as error:
            raise ManifestError(f"{place}: {one_line(error)}") from None
    outputs = tuple(InventoryColumn(str(row[0]), str(row[1])) for row in rows)
    _check_outputs(outputs, place)
    return outputs


def _ends_surely(tree: Node) -> bool:
    """Whether the SELECT can't go on for long over tables of one row."""
    return all(node.get("type") not in ("RECURSIVE_CTE_NODE", "TABLE_FUNCTION") for node in dicts(tree))


def _check_outputs(outputs: Sequence[InventoryColumn], place: str) -> None:
    names = [column.name for column in outputs]
    for needed in ("bucket", "key"):
        if needed not in names:
            raise ManifestError(f"{place}: it has to give a column {needed!r}; it gives: {', '.join(names)}")
    for name, kind in outputs:
        if not _NAME.fullmatch(name):
            raise ManifestError(f"{place}: {name!r} is no name of a column; give it one: AS team")
        if sum(other.lower() == name.lower() for other in names) > 1:
            raise ManifestError(f"{place}: it gives the column {name!r} twice")
        if kind.partition("(")[0] not in SCALAR_TYPES or kind.endswith("]"):
            raise ManifestError(
                f"{place}: the column {name!r} is {kind}; expected a text, number, time or boolean; cast it"
            )
