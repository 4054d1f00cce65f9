"""Inventories by chance, with nasty keys, odd sizes, NULLs everywhere, and tags: for comparing engines on them."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_s3batch.manifests.columns import TYPES, VALUES, InventoryColumn

if TYPE_CHECKING:
    import duckdb

COLUMNS = (
    *(InventoryColumn(name, kind) for name, kind in TYPES.items()),
    InventoryColumn("object_tags", "MAP(VARCHAR, VARCHAR)"),
)
KEYS = (
    *(
        "a",
        "",
        "/",
        "_",
        "123",
        "12345",
        "it's",
        "A_B",
        "a.b.c",
        "logs/",
        "LOGS12",
        "100%!_",
        "12/abc/7",
        "//a//",
        "zzz",
    ),
    *("logs/b.gz", "logs/2026/01/x.tar.GZ", "a b+c%20", "é/ü/ß.gz", "Éé", "👍/👩‍👩‍👧.png", "a\nb", "aaazzz", "z" * 50),
)
SIZES = (0, 1, 7, 10, 99, 100, 101, 1000, 2**31, 2**40, 2**53 + 1, 5 * 2**30)
_ARROW = {
    "VARCHAR": pa.string(),
    "BOOLEAN": pa.bool_(),
    "BIGINT": pa.int64(),
    "TIMESTAMP": pa.timestamp("us"),
    "MAP(VARCHAR, VARCHAR)": pa.map_(pa.string(), pa.string()),
}
TAGS: tuple[dict[str, str], ...] = ({}, {"team": "web"}, {"team": "é", "stage": ""}, {"stage": "team"})


def inventory_rows(number: int, seed: int) -> list[tuple[Any, ...]]:
    """Return *number* rows with a value, or now and then NULL, for each of `COLUMNS`."""
    chance = random.Random(seed)
    return [tuple(_value(chance, column) for column in COLUMNS) for _ in range(number)]


def create_inventory(connection: duckdb.DuckDBPyConnection, rows: list[tuple[Any, ...]]) -> None:
    """Make the table ``inventory`` of *rows*, with their number as ``n``."""
    declared = ", ".join(f'"{column.name}" {column.type}' for column in COLUMNS)
    connection.execute(f"CREATE TABLE inventory (n INTEGER, {declared})")
    marks = ", ".join("?" * (len(COLUMNS) + 1))
    connection.executemany(
        f"INSERT INTO inventory VALUES ({marks})", [(n, *map(_for_duckdb, row)) for n, row in enumerate(rows)]
    )


def _for_duckdb(value: Any) -> Any:
    return dict(value) if isinstance(value, list) else value


def inventory_table(rows: list[tuple[Any, ...]]) -> pa.Table:
    """Return *rows* with their number as ``n``."""
    named = {column.name: pa.array([row[at] for row in rows], _ARROW[column.type]) for at, column in enumerate(COLUMNS)}
    return pa.table({"n": range(len(rows)), **named})


def _value(chance: random.Random, column: InventoryColumn) -> Any:
    if chance.random() < 0.15:
        return None
    if column.name in VALUES:
        return chance.choice(VALUES[column.name])
    if column.type == "TIMESTAMP":
        return dt.datetime(2026, 1, 1) + dt.timedelta(milliseconds=chance.randrange(200 * 86_400_000))  # noqa: DTZ001
    if column.type.startswith("MAP"):
        return list(chance.choice(TAGS).items())
    return chance.choice({"BIGINT": SIZES, "BOOLEAN": (True, False)}.get(column.type, KEYS))
