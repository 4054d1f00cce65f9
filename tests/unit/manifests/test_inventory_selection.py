"""What the arguments tell by themselves, at parse time."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from deliveries import select


def test_a_good_selection_has_no_problems() -> None:
    columns = {"team": "split_part(key, '/', 1)", "last_modified_date": "last_modified_date"}
    assert (
        select("s3://i/c", where="TRUE", columns=columns, min_objects=0, max_objects=5, objects_per_shard=1).problems()
        == []
    )


@pytest.mark.parametrize("where", ["", "  \n", "-- all", "/* all\n of them */ "])
def test_an_empty_filter_never_means_everything(where: str) -> None:
    assert select("s3://logs", where=where).problems() == [
        f'where={where!r}: an empty filter would select every object of s3://logs; pass where="TRUE" to mean that'
    ]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"inventory": "logs/daily"}, "inventory='logs/daily' is not an S3 URL"),
        ({"columns": {"a b": "1"}}, "'a b' is not a name"),
        ({"columns": {"Key": "1"}}, "'Key' is in every manifest anyway"),
        ({"columns": {"team": "1", "TEAM": "2"}}, "'TEAM' is there twice"),
        ({"columns": {"team": " "}}, "'team' has no SQL"),
        ({"as_of": dt.datetime.fromisoformat("2026-01-01")}, "has no timezone"),
        ({"max_age": dt.timedelta(0)}, "must be positive"),
        ({"min_objects": 5, "max_objects": 4}, "min_objects=5 is more than max_objects=4"),
        ({"max_objects": -1}, "max_objects=-1 must be at least 0"),
        ({"objects_per_shard": 0}, "objects_per_shard=0 must be at least 1"),
        ({"max_shards": 0}, "max_shards=0 must be at least 1"),
    ],
)
def test_each_wrong_argument_is_told(more: dict[str, Any], message: str) -> None:
    (problem,) = select(more.pop("inventory", "s3://i/c"), **more).problems()
    assert message in problem


def test_all_wrong_arguments_are_told_at_once() -> None:
    assert len(select("x", where="", columns={"key": "1"}, max_shards=0).problems()) == 4


def test_the_fingerprint_is_of_what_decides_the_rows_only() -> None:
    base = select("s3://i/c", where="TRUE")
    same = select("s3://i/c", where="TRUE", max_objects=9, min_objects=1, objects_per_shard=7, max_age=dt.timedelta(1))
    assert base.fingerprint() == same.fingerprint()
    for other in (
        select("s3://i/d", where="TRUE"),
        select("s3://i/c", where="true"),
        select("s3://i/c", where="TRUE", columns={"a": "1"}),
        select("s3://i/c", where="TRUE", include_delete_markers=True),
        select("s3://i/c", where="TRUE", as_of=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    ):
        assert other.fingerprint() != base.fingerprint()


def test_values_of_every_kind_are_part_of_what_is_asked() -> None:
    values = [
        None,
        "3",
        3,
        Decimal(3),
        [3],
        dt.timedelta(days=3),
        dt.date(2026, 1, 3),
        dt.datetime(2026, 1, 3, tzinfo=dt.UTC),
    ]
    prints = {select("s3://i", where="size > $n", params={"n": value}).fingerprint() for value in values}
    assert len(prints) == len(values) - 1  # a decimal is written as its text


def test_as_of_is_the_same_moment_in_every_timezone() -> None:
    utc = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    elsewhere = utc.astimezone(dt.timezone(dt.timedelta(hours=9)))
    assert (
        select("s3://i", where="TRUE", as_of=utc).fingerprint()
        == select("s3://i", where="TRUE", as_of=elsewhere).fingerprint()
    )


def test_checking_arguments_at_dag_parse_loads_no_engine() -> None:
    code = (
        "import sys; from airflow_s3batch.manifests.planning.selection import Selection;"
        "from airflow_s3batch.sources import *; Selection(Inventory.of('s3://a'), '').problems();"
        "print(sorted({'duckdb', 'pyarrow', 'pandas', 'boto3', 'airflow'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
