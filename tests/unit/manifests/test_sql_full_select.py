"""``sql=``: which SELECTs pass, which columns they need, what they give, and what is said about the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.columns import TYPES, InventoryColumn
from airflow_s3batch.manifests.sql.duck import open_sealed
from airflow_s3batch.manifests.sql.full_select import CheckedSelect, checked_select

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = tuple(InventoryColumn(name, kind) for name, kind in TYPES.items())
OWNERS = (InventoryColumn("prefix", "VARCHAR"), InventoryColumn("team", "VARCHAR"), InventoryColumn("since", "DATE"))
VIEWS = {"inventory": SCHEMA, "Owners": OWNERS}
ALL = tuple(TYPES)
RANKED = "row_number() OVER (PARTITION BY key ORDER BY last_modified_date DESC)"


@pytest.fixture(scope="module")
def sealed() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_sealed() as connection:
        yield connection


@pytest.mark.parametrize(
    ("sql", "inventory", "owners"),
    [
        ("SELECT bucket, key FROM inventory", "bucket key", None),
        ('SELECT Bucket AS bucket, "KEY" AS key FROM INVENTORY;', "bucket key", None),
        ("FROM inventory SELECT bucket, key WHERE size > 1 -- why", "bucket key size", None),
        ("SELECT i.bucket, i.key, o.team FROM inventory i JOIN owners o ON starts_with(i.key, o.prefix)",
         "bucket key", "prefix team"),
        ("SELECT bucket, key FROM inventory WHERE key IN (SELECT prefix FROM owners)", "bucket key", "prefix"),
        ("SELECT bucket, key FROM inventory WHERE EXISTS (SELECT 1 FROM owners)", "bucket key", "prefix"),
        ("SELECT bucket, key, (SELECT count(*) FROM owners) AS n FROM inventory", "bucket key", "prefix"),
        (f"SELECT bucket, key FROM inventory QUALIFY {RANKED} > 3", "bucket key last_modified_date", None),
        (f"WITH r AS (SELECT bucket, key, {RANKED} AS n FROM inventory) SELECT * EXCLUDE (n) FROM r WHERE n > 3",
         "bucket key last_modified_date", None),
        ("SELECT bucket, key, max(size) AS size, count(*) AS n FROM inventory GROUP BY ALL HAVING sum(size) > 1",
         "bucket key size", None),
        ("SELECT bucket, first(key ORDER BY size, key) AS key FROM inventory GROUP BY bucket", "bucket key size", None),
        ("SELECT bucket, key, list(size ORDER BY size)[1] AS least FROM inventory GROUP BY 1, 2",
         "bucket key size", None),
        ("SELECT bucket, key FROM inventory ORDER BY size DESC, key LIMIT 100 OFFSET 5", "bucket key size", None),
        ("SELECT DISTINCT ON (e_tag) bucket, key FROM inventory ORDER BY e_tag, key", "bucket key e_tag", None),
        ("SELECT * FROM inventory UNION ALL BY NAME SELECT * FROM inventory", " ".join(ALL), None),
        ("SELECT * FROM inventory", " ".join(ALL), None),
        ("SELECT bucket, key FROM inventory i, owners o WHERE o IS NOT NULL", "bucket key", "prefix team since"),
        ("SELECT b AS bucket, k AS key FROM inventory AS i(b, k)", " ".join(ALL), None),
        ("SELECT o.* EXCLUDE (since), bucket, key FROM inventory, owners o", " ".join(ALL), "prefix team since"),
        ("WITH k(key) AS (VALUES ('a')) SELECT bucket, key FROM inventory SEMI JOIN k USING (key)", "bucket key", None),
        ("WITH RECURSIVE d(n) AS (SELECT 1 UNION SELECT n + 1 FROM d WHERE n < 3) SELECT bucket, key FROM d, inventory",
         "bucket key", None),
        ("SELECT bucket, key, part FROM inventory, unnest(string_split(key, '/')) AS t(part)", "bucket key", None),
        ("SELECT bucket, key, n FROM inventory, range(3) AS t(n)", "bucket key", None),
        ("SELECT bucket, key, list_transform([size], lambda x: x + 1)[1] AS more FROM inventory",
         "bucket key size", None),
        ("SELECT bucket, key FROM inventory i WHERE size > (SELECT avg(size) FROM inventory j WHERE j.key = i.key)",
         "bucket key size", None),
        ("SELECT bucket, key FROM inventory ASOF JOIN owners ON last_modified_date >= since",
         "bucket key last_modified_date", "since"),
        ("SELECT bucket, key, lag(size) OVER w AS b FROM inventory WINDOW w AS (PARTITION BY key ORDER BY version_id)",
         "bucket key version_id size", None),
        ("SELECT bucket, COLUMNS('^key$') FROM inventory", " ".join(ALL), None),
        ("(SELECT bucket, key FROM inventory)", "bucket key", None),
        ("SELECT team AS bucket, prefix AS key FROM owners", None, "prefix team"),
    ],
)  # fmt: skip
def test_a_select_passes_and_tells_which_columns_it_needs(
    sealed: duckdb.DuckDBPyConnection, sql: str, inventory: str | None, owners: str | None
) -> None:
    checked = checked_select(sealed, sql, VIEWS)
    expected = {"inventory": inventory, "Owners": owners}
    assert checked.used == {view: tuple(names.split()) for view, names in expected.items() if names is not None}
    _runs_with_these_columns_alone(checked)


def _runs_with_these_columns_alone(checked: CheckedSelect) -> None:
    with duckdb.connect() as connection:
        for view, columns in VIEWS.items():
            kept = [column for column in columns if column.name in checked.used.get(view, ())]
            if kept:
                connection.execute(f"CREATE TABLE {view} ({', '.join(f'{name} {kind}' for name, kind in kept)})")
        found = connection.execute(f"DESCRIBE (\n{checked.sql}\n)").fetchall()
    assert [InventoryColumn(row[0], row[1]) for row in found] == list(checked.outputs)


def test_it_tells_names_and_types_of_what_it_gives(sealed: duckdb.DuckDBPyConnection) -> None:
    checked = checked_select(sealed, "SELECT bucket, key, size / 2 AS half, TRUE AS yes FROM inventory ; ", VIEWS)
    assert checked.sql == "SELECT bucket, key, size / 2 AS half, TRUE AS yes FROM inventory"
    assert checked.outputs == (("bucket", "VARCHAR"), ("key", "VARCHAR"), ("half", "DOUBLE"), ("yes", "BOOLEAN"))


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT bucket FROM inventory", "it has to give a column 'key'; it gives: bucket"),
        ("SELECT bucket, key, key FROM inventory", "the column 'key' twice|it gives the column"),
        ("SELECT bucket, key, size + 1 FROM inventory", "is no name of a column; give it one: AS team"),
        ("SELECT bucket, key, [size] AS sizes FROM inventory", r"the column 'sizes' is BIGINT\[\]; expected a text"),
        ("SELECT bucket, key FROM inventry", "it can't read 'inventry'; did you mean 'inventory'"),
        ("SELECT bucket, key FROM lake.inventory", "it can't read 'lake.inventory'"),
        ("SELECT bucket, key FROM read_csv('x')", r"the table function read_csv\(\) is not allowed here"),
        ("SELECT bucket, key, nosuch FROM inventory", 'Referenced column "nosuch" not found'),
        ("SELECT bucket, key FROM inventory WHERE size = 'many'", "many"),
        ("SELECT bucket, key FROM inventory WHERE storage_class = 'GLACIR'", "did you mean 'GLACIER'"),
        ("SELECT bucket, key FROM inventory i WHERE i.storage_class IN ('GLACIR')", "did you mean 'GLACIER'"),
        ("SELECT bucket, key FROM inventory WHERE last_modified_date < '2026-01-01T00:00:00+02:00'", "has an offset"),
        ("SELECT bucket, key FROM inventory WHERE key ~ 'a'", "~ matches a whole text in one version"),
        ("SELECT bucket, key FROM inventory WHERE last_modified_date < now()", r"now\(\) is not allowed"),
        ("SELECT bucket, key FROM inventory WHERE last_modified_date < current_date", "current_date is not allowed"),
        ("SELECT bucket, key FROM inventory ORDER BY random() LIMIT 5", r"random\(\) is not allowed"),
        ("SELECT bucket, key FROM inventory LIMIT 5", "LIMIT and OFFSET need an ORDER BY"),
        ("SELECT bucket, key FROM inventory OFFSET 5", "LIMIT and OFFSET need an ORDER BY"),
        ("SELECT bucket, key FROM inventory LIMIT 5%", "LIMIT and OFFSET need an ORDER BY"),
        ("SELECT bucket, key FROM inventory ORDER BY NULL LIMIT 5", "LIMIT and OFFSET need an ORDER BY"),
        ("SELECT bucket, key FROM inventory WHERE key IN (SELECT prefix FROM owners LIMIT 1)", "need an ORDER BY"),
        ("SELECT DISTINCT ON (e_tag) bucket, key FROM inventory", "DISTINCT ON needs an ORDER BY"),
        ("SELECT bucket, key FROM inventory USING SAMPLE 5", "use sample=N"),
        ("SELECT bucket, key FROM inventory TABLESAMPLE 5%", "use sample=N"),
        ("SELECT bucket, any_value(key) AS key FROM inventory GROUP BY 1", r"any_value\(\) needs an ORDER BY inside"),
        ("SELECT bucket, key, list(size)[1] AS x FROM inventory GROUP BY ALL", r"list\(\) needs an ORDER BY inside"),
        ("SELECT bucket, string_agg(key, ',') AS key FROM inventory GROUP BY ALL", r"string_agg\(\) needs an ORDER BY"),
        ("SELECT bucket, key FROM inventory QUALIFY row_number() OVER (PARTITION BY key) = 1", r"row_number\(\) needs"),
        ("SELECT bucket, key FROM inventory QUALIFY row_number() OVER (ORDER BY 1) < 9", r"row_number\(\) needs"),
        ("SELECT bucket, key FROM inventory QUALIFY ntile(9) OVER (ORDER BY NULL) = 1", r"ntile\(\) needs"),
        ("SELECT bucket, key FROM inventory QUALIFY sum(size) OVER (ROWS UNBOUNDED PRECEDING) < 9", r"sum\(\) needs"),
        ("SELECT bucket, key, lag(key) OVER () AS x FROM inventory", r"lag\(\) needs ORDER BY in its OVER"),
        ("SELECT bucket, key, reservoir_quantile(size, 0.5) AS x FROM inventory GROUP BY ALL", "every attempt"),
        ("SELECT bucket, key FROM inventory POSITIONAL JOIN owners", "POSITIONAL JOIN depends on the order"),
        ("SELECT bucket, key, rowid AS x FROM inventory", "rowid is not allowed"),
        ("SELECT #1 AS bucket, #2 AS key FROM inventory", "#1 .* is not allowed"),
        ("SELECT bucket, key FROM inventory WHERE size > $least", r"a parameter without a value \(write \$name"),
        ("WITH inventory AS (SELECT 1 AS x) SELECT bucket, key FROM inventory", "WITH 'inventory': that name is there"),
        ("WITH a AS (WITH b AS (SELECT 1) FROM b), c AS (WITH b AS (SELECT 2) FROM b) SELECT bucket FROM inventory",
         "WITH 'b': that name is there already"),
        ('WITH "a.b" AS (SELECT 1) SELECT bucket, key FROM inventory', "WITH 'a.b': that name is not a plain name"),
        ("", "is not one SELECT|is not SQL"),
        ("TRUE", "is not SQL"),
    ],
)  # fmt: skip
def test_a_select_that_won_t_do_is_answered_with_what_would(
    sealed: duckdb.DuckDBPyConnection, sql: str, message: str
) -> None:
    with pytest.raises(ManifestError, match=rf"(?i)^sql: .*({message})"):
        checked_select(sealed, sql, VIEWS)


def test_a_table_s_own_values_are_not_those_of_the_inventory(sealed: duckdb.DuckDBPyConnection) -> None:
    own = {"inventory": SCHEMA, "plan": (InventoryColumn("storage_class", "VARCHAR"),)}
    sql = "SELECT bucket, key FROM inventory WHERE EXISTS (SELECT 1 FROM plan p WHERE p.storage_class = 'COLD')"
    assert checked_select(sealed, sql, own).used["plan"] == ("storage_class",)


def test_nothing_is_left_in_the_connection(connection: duckdb.DuckDBPyConnection) -> None:
    checked_select(connection, "SELECT bucket, key FROM inventory", VIEWS)
    assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]
