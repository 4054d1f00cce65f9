"""Filters put together by chance from the catalogue: DuckDB, the stand-in for Trino and DataFusion select the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from datafusion import SessionContext
from hypothesis import given, settings
from hypothesis import strategies as st
from random_inventories import COLUMNS, create_inventory, inventory_rows, inventory_table
from test_sql_catalogue import DATAFUSION, NOT_IN_DATAFUSION
from trino_stand_in import trino_stand_in

from airflow_s3batch.manifests.sql.catalogue import CATALOGUE
from airflow_s3batch.manifests.sql.trino import to_trino

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = inventory_rows(120, seed=7)
Node = tuple[str, tuple["Node", ...]]


def _conditions() -> list[str]:
    """Return the examples that are conditions, and that all three engines have."""
    examples = [example for entry in CATALOGUE for example in entry.examples if entry.checked == "rows"]
    with duckdb.connect() as connection:
        create_inventory(connection, ROWS[:1])
        types = {
            example: connection.execute(f"DESCRIBE SELECT {example} FROM inventory").fetchall()[0][1]
            for example in examples
        }
    return [name for name, kind in types.items() if kind == "BOOLEAN" and not name.startswith(NOT_IN_DATAFUSION)]


CONDITIONS = _conditions()
FILTERS: st.SearchStrategy[Node] = st.recursive(
    st.sampled_from(CONDITIONS).map(lambda text: (text, ())),
    lambda inner: st.one_of(
        st.tuples(st.just("({} AND {})"), st.tuples(inner, inner)),
        st.tuples(st.just("({} OR {})"), st.tuples(inner, inner)),
        st.tuples(st.just("(NOT {})"), st.tuples(inner)),
        st.tuples(st.just("(CASE WHEN {} THEN {} ELSE {} END)"), st.tuples(inner, inner, inner)),
        st.tuples(st.just("coalesce({}, {})"), st.tuples(inner, inner)),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def engines() -> dict[str, Callable[[str], list[int]]]:
    """How each engine gives the numbers of the rows that a filter selects."""
    duck, trino, theirs = duckdb.connect(), trino_stand_in(), SessionContext()
    duck.execute("SET disabled_optimizers = 'statistics_propagation'")
    create_inventory(duck, ROWS)
    create_inventory(trino, ROWS)
    theirs.register_record_batches("inventory", [inventory_table(ROWS).to_batches()])
    query = "SELECT n FROM inventory WHERE {} ORDER BY n"
    return {
        "duckdb": lambda where: [row[0] for row in duck.execute(query.format(where)).fetchall()],
        "trino": lambda where: [
            row[0]
            for row in trino.execute(query.format(to_trino(where, COLUMNS, place="where", connection=duck))).fetchall()
        ],
        "datafusion": lambda where: theirs.sql(query.format(where)).to_arrow_table()["n"].to_pylist(),
    }


@settings(deadline=None, max_examples=40)
@given(FILTERS)
def test_engines_select_the_same_rows(engines: dict[str, Callable[[str], list[int]]], tree: Node) -> None:
    selected = engines["duckdb"](_spelled(tree, {}))
    assert engines["trino"](_spelled(tree, {})) == selected
    assert engines["datafusion"](_spelled(tree, DATAFUSION)) == selected


def _spelled(tree: Node, spellings: dict[str, str]) -> str:
    form, parts = tree
    return form.format(*(_spelled(part, spellings) for part in parts)) if parts else f"({spellings.get(form, form)})"
