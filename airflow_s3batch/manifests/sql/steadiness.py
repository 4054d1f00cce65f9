"""What a full SELECT needs to give the same rows in every attempt: an order where it picks some of several rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.sql import sqltree
from airflow_s3batch.manifests.sql.used_columns import dicts

if TYPE_CHECKING:
    from airflow_s3batch.manifests.sql.sqltree import Node

_ORDERED_AGGREGATES = frozenset(
    {
        "any_value",
        "arbitrary",
        "array_agg",
        "first",
        "group_concat",
        "json_group_array",
        "json_group_object",
        "json_group_structure",
        "last",
        "list",
        "listagg",
        "mode",
        "string_agg",
    }
)
_ORDERED_WINDOWS = frozenset(
    {"cume_dist", "fill", "first_value", "lag", "last_value", "lead", "nth_value", "ntile", "row_number"}
)
_UNSTEADY = frozenset({"approx_quantile", "approx_top_k", "reservoir_quantile"})
_SORTS = frozenset({"array_reverse_sort", "array_sort", "list_reverse_sort", "list_sort"})
_LIMITS = frozenset({"LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER"})


def check_steady(tree: Node, place: str) -> None:
    """
    Check the SELECT *tree*; *place* begins the error.

    Raises:
        ManifestError: which rows or values it picks would be for chance, or for the order of arrival, to decide.
    """
    nodes = list(dicts(tree))
    # DuckDB 1.4 parses list(x ORDER BY x) as list_sort(list(x)).
    sorts = (node for node in nodes if node.get("class") == "FUNCTION" and node["function_name"] in _SORTS)
    is_sorted = {id(argument) for sort in sorts for argument in sqltree.arguments_of(sort)}
    for node in nodes:
        if node.get("sample"):
            raise ManifestError(f"{place}: a sample differs in every attempt; use sample=N, which doesn't")
        if node.get("ref_type") == "POSITIONAL":
            raise ManifestError(f"{place}: POSITIONAL JOIN depends on the order of arrival; join on columns")
        if node.get("modifiers"):
            _check_modifiers(node, place)
        if node.get("class") in ("FUNCTION", "WINDOW") and id(node) not in is_sorted:
            _check_function(node, place)


def _check_modifiers(query: Node, place: str) -> None:
    modifiers = {modifier["type"]: modifier for modifier in query["modifiers"]}
    has_order = any(map(_is_order, modifiers.get("ORDER_MODIFIER", {}).get("orders", ())))
    if _LIMITS & modifiers.keys() and not has_order:
        raise ManifestError(
            f"{place}: LIMIT and OFFSET need an ORDER BY beside them, or every attempt picks other rows"
        )
    if modifiers.get("DISTINCT_MODIFIER", {}).get("distinct_on_targets") and not has_order:
        raise ManifestError(f"{place}: DISTINCT ON needs an ORDER BY beside it, or attempts pick other rows")


def _is_order(order: Node) -> bool:
    expression = order["expression"]
    if expression["class"] != "CONSTANT":
        return True
    return sqltree.text_of(expression) is None and not sqltree.is_null(expression)


def _check_function(call: Node, place: str) -> None:
    name = str(call["function_name"]).lower()
    if name in _UNSTEADY:
        raise ManifestError(f"{place}: {name}() gives another value in every attempt; use quantile_disc() or median()")
    is_window = call["class"] == "WINDOW"
    orders = (call.get("order_bys") or {}).get("orders") or call.get("orders") or call.get("arg_orders") or ()
    if any(order["expression"]["class"] != "CONSTANT" for order in orders):
        return
    if is_window and (name in _ORDERED_WINDOWS or _counts_rows(call)):
        raise ManifestError(f"{place}: {name}() needs ORDER BY in its OVER (…), or every attempt numbers otherwise")
    if name in _ORDERED_AGGREGATES:
        example = f"{name}(size ORDER BY last_modified_date, version_id)"
        raise ManifestError(f"{place}: {name}() needs an ORDER BY inside, for example {example}; or use min() or max()")


def _counts_rows(window: Node) -> bool:
    """Whether the frame of *window* begins or ends some rows from the current one: ``ROWS UNBOUNDED PRECEDING``."""
    return any(str(window.get(edge)).endswith("_ROWS") for edge in ("start", "end"))
