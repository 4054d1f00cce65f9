"""
The catalogue's Trino forms on MiniStack's Athena, which is a DuckDB: those that it knows give what DuckDB gives.

The others are functions that only Trino has; a stand-in for it runs them in the unit tests.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from airflow_s3batch.manifests.columns import TYPES, InventoryColumn
from airflow_s3batch.manifests.sources.athena.client import Athena
from airflow_s3batch.manifests.sources.athena.unload import QueryWatch
from airflow_s3batch.manifests.sql.catalogue import CATALOGUE
from airflow_s3batch.manifests.sql.literals import literal
from airflow_s3batch.manifests.sql.trino import to_trino

if TYPE_CHECKING:
    from airflow_s3batch import testing

COLUMNS = [InventoryColumn(name, kind) for name, kind in TYPES.items()]
OBJECTS: list[dict[str, Any]] = [
    {"key": "logs/2026/01/x.tar.GZ", "size": 5 * 2**30, "is_latest": True, "storage_class": "GLACIER"},
    {"key": "é/it's 100%!_.gz", "size": 7, "is_latest": False, "e_tag": "0a"},
    {"key": "12345", "size": 0, "is_delete_marker": True},
    {"key": "a", "storage_class": "STANDARD"},
]
WHEN = dt.datetime(2026, 2, 28, 23, 59, 59, 500_000, tzinfo=dt.UTC)
ROWS = [{"last_modified_date": WHEN + dt.timedelta(days=17 * n), **row} for n, row in enumerate(OBJECTS)]


def _inventory() -> str:
    values = [
        ", ".join(f"CAST({literal(row.get(name))} AS {kind}) AS {name}" for name, kind in TYPES.items()) for row in ROWS
    ]
    return "(" + " UNION ALL ".join(f"SELECT {n} AS n, {row}" for n, row in enumerate(values)) + ") AS inventory"


def _runnable(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """
    Return those examples, with their Trino forms, whose words DuckDB knows.

    Not those that it knows with another meaning: ``/`` of whole numbers, and ``date_diff`` of whole days.
    """
    found = {}
    for example in (example for entry in CATALOGUE for example in entry.examples):
        if any(odd in example for odd in ("object_tags", "//", "date_sub")):
            continue
        translated = to_trino(example, COLUMNS, place="where", connection=connection)
        try:
            connection.execute(f"SELECT {translated} FROM {_inventory()}").fetchall()
        except duckdb.Error:
            continue
        found[example] = translated
    return found


@pytest.mark.integration
def test_trino_forms_give_on_ministack_s_athena_what_duckdb_gives(ministack: testing.Server) -> None:
    with duckdb.connect() as connection:
        forms = _runnable(connection)
        assert len(forms) > 60
        texts = ", ".join(f"CAST({example} AS VARCHAR)" for example in forms)
        expected = connection.execute(f"SELECT {texts} FROM {_inventory()} ORDER BY n").fetchall()
    named = ", ".join(f"CAST({form} AS VARCHAR) AS c{n}" for n, form in enumerate(forms.values()))
    access = ministack.access()
    ministack.client().create_bucket(Bucket="filters-on-athena")
    athena = Athena(replace(access, endpoints=(("athena", ministack.endpoint_url),)))
    request = {
        "QueryString": f"SELECT {named} FROM {_inventory()} ORDER BY n",
        "WorkGroup": "primary",
        "ResultConfiguration": {"OutputLocation": "s3://filters-on-athena/results/"},
    }
    state = QueryWatch(poll_s=0.1).end_of(athena, athena.start(request), lambda _line: None)
    assert state.state == "SUCCEEDED", state.reason
    client = replace(access, endpoints=(("athena", ministack.endpoint_url),)).client("athena")
    rows = client.get_query_results(QueryExecutionId=state.id)["ResultSet"]["Rows"][1:]
    answers = [[datum.get("VarCharValue") or "" for datum in row["Data"]] for row in rows]
    for position, (example, form) in enumerate(forms.items()):
        found = [row[position] for row in answers]
        assert found == [row[position] or "" for row in expected], f"{example} as {form}"
