"""Each expression of the catalogue, run: on DuckDB, on what stands in for Trino, and on an engine of other people's."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from datafusion import SessionContext
from random_inventories import COLUMNS, create_inventory, inventory_rows, inventory_table
from trino_stand_in import trino_stand_in

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.sql.catalogue import CATALOGUE, Entry
from airflow_s3batch.manifests.sql.functions import Functions
from airflow_s3batch.manifests.sql.sqltree import arguments_of, parse_expression, walk
from airflow_s3batch.manifests.sql.trino import RULES, to_trino

if TYPE_CHECKING:
    from collections.abc import Iterator


ROWS = inventory_rows(250, seed=20261123)
RUN = [(entry, example) for entry in CATALOGUE for example in entry.examples if entry.checked == "rows"]
PARSED = [(entry, example) for entry in CATALOGUE for example in entry.examples if entry.checked == "parsed"]

# DataFusion spells these otherwise …
DATAFUSION = {
    "key IN ['a', 'logs/b.gz']": "key IN ('a', 'logs/b.gz')",
    "NOT key IN []": "CASE WHEN key IS NOT NULL THEN TRUE END",
    "if(size > 100, key, e_tag)": "CASE WHEN size > 100 THEN key ELSE e_tag END",
    "key LIKE '%100!%%' ESCAPE '!'": "key LIKE '%100\\%%'",
    "key NOT LIKE '%!_%' ESCAPE '!'": "key NOT LIKE '%\\_%'",
    "key ILIKE '%!_B%' ESCAPE '!'": "key ILIKE '%\\_B%'",
    "suffix(key, 'é')": "ends_with(key, 'é')",
    "string_split(key, '/')[2]": "string_to_array(key, '/')[2]",
    "string_split(key, '/')[-1]": "CASE WHEN key = '' THEN '' ELSE string_to_array(key, '/')[-1] END",
    "strlen(key) > 3": "octet_length(key) > 3",
    "regexp_matches(key, '^logs/.*\\.gz$')": "regexp_like(key, '^logs/.*\\.gz$')",
    "regexp_matches(key, 'LOGS|\\d{2,}', 'i')": "regexp_like(key, 'LOGS|[0-9]{2,}', 'i')",
    "regexp_matches(key, '[^a-z/]$')": "regexp_like(key, '[^a-z/]$')",
    "regexp_full_match(key, '[a-z]+/.*')": "regexp_like(key, '^(?:[a-z]+/.*)$')",
    "key SIMILAR TO '(a|b).*'": "regexp_like(key, '^(?:(a|b).*)$')",
    "regexp_extract(key, '\\d+')": "CASE WHEN key IS NOT NULL THEN coalesce(regexp_match(key, '[0-9]+')[1], '') END",
    "regexp_extract(key, '([a-z]+)/(\\d+)?', 2)": "CASE WHEN key IS NOT NULL THEN "
    "coalesce(regexp_match(key, '([a-z]+)/([0-9]+)?')[2], '') END",
    "sha256(key)": "encode(sha256(key), 'hex')",
    "size + 1.5": "CAST(size AS DECIMAL(38, 1)) + CAST(1.5 AS DECIMAL(2, 1))",
    "size / 3": "CAST(size AS DOUBLE) / 3",
    "size / nullif(length(key), 0) > 2.5": "CAST(size AS DOUBLE) / nullif(length(key), 0) > 2.5",
    "size // 3": "size / 3",
    "-size // 7": "-size / 7",
    "mod(-size, 7)": "-size % 7",
    "floor(size / 7)": "floor(CAST(size AS DOUBLE) / 7)",
    "ceil(size / 7)": "ceil(CAST(size AS DOUBLE) / 7)",
    "round(size / 2)": "round(CAST(size AS DOUBLE) / 2)",
    "trunc(size / 7)": "trunc(CAST(size AS DOUBLE) / 7)",
    "CASE WHEN regexp_full_match(key, '[0-9]{1,18}') THEN CAST(key AS BIGINT) END > 5": "CASE WHEN "
    "regexp_like(key, '^[0-9]{1,18}$') THEN CAST(key AS BIGINT) END > 5",
    "last_modified_date NOT BETWEEN '2026-01-01' AND '2026-02-01 12:30'": "last_modified_date NOT BETWEEN "
    "'2026-01-01' AND '2026-02-01 12:30:00'",
    "last_modified_date - (INTERVAL 1 QUARTER + INTERVAL 3 DAY)": "last_modified_date - INTERVAL '3 months' - "
    "INTERVAL '3 days'",
    "CAST(last_modified_date AS DATE) + INTERVAL 36 HOUR": "date_trunc('day', last_modified_date) + "
    "INTERVAL '36 hours'",
    "TIMESTAMP '2026-03-31' - last_modified_date > INTERVAL 30 DAY": "last_modified_date + INTERVAL '30 days' < "
    "TIMESTAMP '2026-03-31'",
    "week(last_modified_date)": "date_part('week', last_modified_date)",
    "hour(last_modified_date) < 6": "date_part('hour', last_modified_date) < 6",
    "epoch(last_modified_date)": "date_part('epoch', last_modified_date)",
    "isodow(last_modified_date)": "(date_part('dow', last_modified_date) + 6) % 7 + 1",
    "dayofyear(last_modified_date)": "date_part('doy', last_modified_date)",
    "strftime(last_modified_date, '%Y-%m-%d')": "to_char(last_modified_date, '%Y-%m-%d')",
    "strftime(last_modified_date, '%H:%M:%S day %j of %y %%')": "to_char(last_modified_date, "
    "'%H:%M:%S day %j of %y %%')",
    "last_day(last_modified_date)": "CAST(date_trunc('month', last_modified_date) + INTERVAL '1 month' - "
    "INTERVAL '1 day' AS DATE)",
    "object_tags['team'] = 'web'": "object_tags['team'] = 'web'",
    "map_contains(object_tags, 'team')": "array_has(map_keys(object_tags), 'team')",
    "list_contains(map_keys(object_tags), 'stage')": "array_has(map_keys(object_tags), 'stage')",
}
# … and has nothing like these.
NOT_IN_DATAFUSION = ("date_diff(", "date_sub(")


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        create_inventory(connection, ROWS)
        yield connection


@pytest.fixture(scope="module")
def stand_in() -> Iterator[duckdb.DuckDBPyConnection]:
    with trino_stand_in() as connection:
        create_inventory(connection, ROWS)
        yield connection


@pytest.fixture(scope="module")
def datafusion() -> SessionContext:
    context = SessionContext()
    context.register_record_batches("inventory", [inventory_table(ROWS).to_batches()])
    return context


def _values(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    return [row[0] for row in connection.execute(f"SELECT {sql} FROM inventory ORDER BY n").fetchall()]


def _translated(sql: str, duck: duckdb.DuckDBPyConnection) -> str:
    return to_trino(sql, COLUMNS, place="where", connection=duck)


@pytest.mark.parametrize(("entry", "example"), RUN, ids=[example for _, example in RUN])
def test_the_trino_form_gives_the_same_as_duckdb(
    duck: duckdb.DuckDBPyConnection, stand_in: duckdb.DuckDBPyConnection, entry: Entry, example: str
) -> None:
    found = _values(duck, example)
    assert found == _values(stand_in, _translated(example, duck))
    assert len(set(map(str, found))) > 1, f"an example of {entry.duckdb} that says the same of every row shows nothing"


@pytest.mark.parametrize(("entry", "example"), PARSED, ids=[example for _, example in PARSED])
def test_what_is_said_to_be_parsed_only_can_t_be_run_here(
    duck: duckdb.DuckDBPyConnection, stand_in: duckdb.DuckDBPyConnection, entry: Entry, example: str
) -> None:
    translated = _translated(example, duck)
    with pytest.raises(duckdb.Error):
        _values(stand_in, translated)


@pytest.mark.parametrize(
    "example",
    [
        example
        for entry in CATALOGUE
        for example in entry.examples
        if not example.startswith(NOT_IN_DATAFUSION)  # it has no such functions
    ],
)
def test_an_engine_of_other_people_s_gives_the_same_as_duckdb(
    duck: duckdb.DuckDBPyConnection, datafusion: SessionContext, example: str
) -> None:
    """DataFusion: the same text where it has it, else its own spelling."""
    sql = DATAFUSION.get(example, example)
    theirs = datafusion.sql(f"SELECT {sql} AS found FROM inventory ORDER BY n").to_arrow_table()["found"].to_pylist()
    assert list(map(_plain, theirs)) == list(map(_plain, _values(duck, example)))


def _plain(value: Any) -> Any:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):  # DuckDB 1.4 truncates times to dates
        return dt.datetime.combine(value, dt.time())
    return float(value) if isinstance(value, int | float | decimal.Decimal) and not isinstance(value, bool) else value


def test_every_rule_is_in_the_catalogue_and_the_other_way_round(duck: duckdb.DuckDBPyConnection) -> None:
    listed = {name for entry in CATALOGUE if not entry.refused for name in entry.names}
    assert listed - {"if"} == set(RULES)
    used = {
        str(node["function_name"]).lower()
        for entry in CATALOGUE
        for example in entry.examples
        for node in walk(parse_expression(duck, example, place="example"))
        if node["class"] == "FUNCTION"
    }
    same = [entry.names for entry in CATALOGUE if entry.names and not entry.refused and entry.examples]
    assert not [names for names in same if not used & set(names) and names != ("if",)]


def test_every_example_is_allowed_in_a_filter_on_duckdb(duck: duckdb.DuckDBPyConnection) -> None:
    functions = Functions(duck)
    for entry in CATALOGUE:
        for example in entry.examples:
            for node in walk(parse_expression(duck, example, place="example")):
                if node["class"] == "FUNCTION":
                    functions.check(node, f"{example} ({len(arguments_of(node))})")


@pytest.mark.parametrize("entry", [entry for entry in CATALOGUE if entry.refused and entry.names], ids=str)
def test_what_the_catalogue_refuses_is_refused_with_both_spellings(
    duck: duckdb.DuckDBPyConnection, entry: Entry
) -> None:
    name = entry.names[0]
    call = f"TRY_CAST(key AS {name[14:-1]})" if name.startswith("TRY_CAST") else f"{name}(key, key)"
    call = {"->>": "key ->> 'a'", "^": "size ^ 2", "hash": "hash(key)", "reverse": "reverse(key)"}.get(name, call)
    with pytest.raises(ManifestError) as caught:
        _translated(call, duck)
    assert f"DuckDB: {entry.duckdb}. Trino: {entry.trino}." in str(caught.value)
