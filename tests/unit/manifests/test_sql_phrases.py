"""Phrases for filters: SQL that selects what their names say, and can be combined."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from deliveries import select

from airflow_s3batch import filters
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.filters import (
    all_of,
    any_of,
    current_versions,
    in_storage_class,
    larger_than,
    noncurrent_versions,
    none_of,
    older_than,
    smaller_than,
    under,
    unencrypted,
    with_suffix,
    younger_than,
)
from airflow_s3batch.manifests.columns import TYPES, InventoryColumn
from airflow_s3batch.manifests.sql.filters import check_selection
from airflow_s3batch.manifests.sql.params import bound
from airflow_s3batch.manifests.sql.trino import to_trino

if TYPE_CHECKING:
    import duckdb

SCHEMA = [InventoryColumn(name, kind) for name, kind in TYPES.items()]
SNAPSHOT = pendulum.datetime(2026, 3, 31, 12, tz="UTC")
OBJECT = {
    "key": "logs/it's/a.TAR.gz",
    "is_latest": True,
    "is_delete_marker": False,
    "size": 5 * 2**30,
    "last_modified_date": dt.datetime(2026, 2, 28, 12),  # noqa: DTZ001
    "storage_class": "GLACIER",
    "encryption_status": "NOT-SSE",
}


def selects(connection: duckdb.DuckDBPyConnection, phrase: str, **changed: Any) -> bool:
    row = {**dict.fromkeys(TYPES), **OBJECT, **changed}
    where = bound(connection, phrase, {"snapshot_time": SNAPSHOT}, place="where")
    check_selection(connection, select("s3://i/c", where=where), SCHEMA, source="s3://i/c")
    assert to_trino(where, SCHEMA, place="where", connection=connection)
    values = ", ".join(f"CAST(${name} AS {kind}) AS {name}" for name, kind in TYPES.items())
    found = connection.execute(f"SELECT count(*) FROM (SELECT {values}) WHERE {where}", row).fetchall()
    return found == [(1,)]


@pytest.mark.parametrize(
    ("phrase", "other"),
    [
        (current_versions(), {"is_latest": False}),
        (current_versions(), {"is_delete_marker": True}),
        (noncurrent_versions(), None),
        (older_than(dt.timedelta(days=30)), {"last_modified_date": dt.datetime(2026, 3, 1, 12)}),  # noqa: DTZ001
        (older_than(pendulum.duration(months=1)), None),
        (older_than(pendulum.duration(days=30, seconds=1)), {"last_modified_date": dt.datetime(2026, 3, 2)}),  # noqa: DTZ001
        (younger_than(pendulum.duration(months=1)), {"last_modified_date": dt.datetime(2026, 2, 28, 11, 59)}),  # noqa: DTZ001
        (younger_than(dt.timedelta(days=1)), None),
        (larger_than(5 * 2**30 - 1), {"size": 5 * 2**30 - 1}),
        (larger_than("5 GiB"), None),
        (larger_than("4.5 GiB"), {"size": None}),
        (smaller_than("5.5 GiB"), {"size": 6 * 10**9}),
        (under("tmp/", "logs/it's/"), {"key": "log"}),
        (with_suffix(".zip", ".Tar.GZ"), {"key": "a.tar.gz2"}),
        (in_storage_class("GLACIER", "DEEP_ARCHIVE"), {"storage_class": "STANDARD"}),
        (unencrypted(), {"encryption_status": "SSE-S3"}),
        (all_of(current_versions(), "size > 1 OR key = 'x' -- why", "TRUE"), {"size": 1}),
        (any_of("size = 1", "key LIKE 'logs/%'"), {"key": "a"}),
        (none_of("size = 1", "key = 'a'"), {"size": 1}),
        (none_of("replication_status = 'FAILED'"), {"replication_status": "FAILED"}),
    ],
)
def test_a_phrase_selects_what_it_says(connection: duckdb.DuckDBPyConnection, phrase: str, other: Any) -> None:
    """Of an object as above, and no longer when it is *other*; those without *other* don't select it to begin with."""
    assert selects(connection, phrase) is (other is not None)
    if other is not None:
        assert not selects(connection, phrase, **other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (all_of, "all_of.*'TRUE' means every object"),
        (lambda: any_of("size > 1", " -- nothing"), "any_of"),
        (lambda: none_of(""), "none_of"),
        (lambda: older_than(30), "30 is no age; pass a positive timedelta"),  # type: ignore[arg-type]
        (lambda: older_than(dt.timedelta(0)), "no age"),
        (lambda: older_than(dt.timedelta(milliseconds=1)), "whole seconds"),
        (lambda: older_than(dt.timedelta(1), "size"), "'size' is no column of times; these are: last_modified_date"),
        (lambda: larger_than("5 giga"), "'5 giga' is no size.*units: B, KB"),
        (lambda: larger_than(-1), "-1 is no size"),
        (lambda: larger_than("0.5 B"), "no size"),
        (lambda: larger_than(True), "no size"),
        (under, "every key begins with an empty one"),
        (lambda: under("a", ""), "every key begins with an empty one"),
        (lambda: with_suffix(""), "every key ends with an empty one"),
        (lambda: under(["a", "b"]), "one by one"),  # type: ignore[arg-type]
        (lambda: under("{{ params.prefix }}/"), "a template is not pasted into SQL; write starts_with"),
        (lambda: with_suffix(".gz", "{% if x %}"), "a template is not pasted into SQL; write ends_with"),
        (lambda: all_of(["a", "b"]), "one by one"),  # type: ignore[arg-type]
        (lambda: in_storage_class("GLACIR"), "there is no 'GLACIR'; did you mean 'GLACIER'"),
        (in_storage_class, "at least one of STANDARD"),
    ],
)
def test_a_phrase_that_says_nothing_is_an_error(call: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call()


def test_phrases_load_nothing_heavy() -> None:
    """They are called whenever the Dag is parsed."""
    heavy = "duckdb pyarrow pandas boto3 botocore sqlglot airflow pendulum"
    script = f"import sys, airflow_s3batch.filters; print(*[m for m in {heavy.split()} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "\n"


def test_all_phrases_are_exported() -> None:
    from airflow_s3batch.manifests.sql import phrases

    public = {name for name, value in vars(phrases).items() if getattr(value, "__module__", "") == phrases.__name__}
    assert {name for name in public if not name.startswith("_")} == set(filters.__all__)
