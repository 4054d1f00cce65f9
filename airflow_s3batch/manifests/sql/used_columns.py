"""Which columns of which view a SELECT may need: rather one too many than one too few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_s3batch.manifests.columns import InventoryColumn
    from airflow_s3batch.manifests.sql.sqltree import Node

_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})


def used_columns(tree: Node, views: Mapping[str, Sequence[InventoryColumn]]) -> dict[str, tuple[str, ...]]:
    """
    Return the columns of each of *views* that the SELECT *tree* may need, in the view's order; at least the first.

    A name counts for every view that has such a column. All columns count where there is a star over the view itself,
    a NATURAL JOIN, a list of names for its columns, or the view's name as a value.
    """
    nodes = list(dicts(tree))
    tables = [node for node in nodes if node.get("type") == "BASE_TABLE"]
    named = {name for node in nodes for name in _names(node)}
    values = {name for node in nodes for name in _possible_tables(node)}
    whole = {name for node in nodes if node.get("type") == "SELECT_NODE" for name in _starred(node)}
    whole |= {_table(node) for node in tables if node.get("column_name_alias") or _alias(node) in values}
    read = {_table(node) for node in tables}
    used = {}
    for view, columns in views.items():
        if view.lower() in read:
            names = [column.name for column in columns]
            needed = [name for name in names if name.lower() in named or view.lower() in whole]
            used[view] = tuple(needed or names[:1])
    return used


def dicts(tree: Any) -> Iterator[Node]:
    """Yield each query, table reference and expression of *tree*, and what they are made of, outer ones first."""
    if isinstance(tree, dict):
        yield tree
        for child in tree.values():
            yield from dicts(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from dicts(child)


def _table(node: Node) -> str:
    return str(node["table_name"]).lower()


def _alias(node: Node) -> str:
    return str(node.get("alias") or node["table_name"]).lower()


def _names(node: Node) -> list[str]:
    """Return the names by which *node* may mean a column: of ``a.b`` both, because ``b`` may be a field of ``a``."""
    names = node["column_names"] if node.get("class") == "COLUMN_REF" else node.get("using_columns") or ()
    return [str(name).lower() for name in names]


def _possible_tables(node: Node) -> list[str]:
    """Return the names by which *node* may mean a whole table."""
    if node.get("class") == "COLUMN_REF":
        return _names(node)[-1:]
    return [str(node["relation_name"]).lower()] if node.get("class") == "STAR" and node["relation_name"] else []


def _starred(select: Node) -> Iterator[str]:
    """Yield the tables that a star of *select*, or a NATURAL JOIN in it, takes whole."""
    own = [node for part in select.values() for node in _within(part)]
    if any(node.get("class") == "STAR" or node.get("ref_type") == "NATURAL" for node in own):
        yield from (_table(node) for node in own if node.get("type") == "BASE_TABLE")


def _within(tree: Any) -> Iterator[Node]:
    """Yield what *tree* is made of, without the queries in it."""
    if isinstance(tree, list):
        for child in tree:
            yield from _within(child)
    elif isinstance(tree, dict) and (not isinstance(tree.get("type"), str) or tree["type"] not in _QUERIES):
        yield tree
        for child in tree.values():
            yield from _within(child)
