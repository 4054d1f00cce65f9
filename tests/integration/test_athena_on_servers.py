"""
Athena's and Glue's requests against two servers: the emulator, and MiniStack, which runs SQL with DuckDB.

MiniStack knows neither UNLOAD nor ClientRequestToken. It tells whether requests and answers have AWS's shape,
and whether the SELECT that a job would unload runs on an engine that is not the emulator.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.config import Config

from airflow_s3batch.core.errors import InventoryError, S3BatchError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.manifests.planning.filtering.wanted import WantedRows
from airflow_s3batch.manifests.planning.selection import Selection
from airflow_s3batch.manifests.sources.athena.client import Athena
from airflow_s3batch.manifests.sources.athena.faults import failure
from airflow_s3batch.manifests.sources.athena.select import TableQuery
from airflow_s3batch.manifests.sources.athena.source import AthenaTable
from airflow_s3batch.manifests.sources.athena.unload import QueryWatch, unload_sql
from airflow_s3batch.manifests.sources.dataset import Place
from airflow_s3batch.manifests.sql.duck import open_locked
from airflow_s3batch.testing import MemoryStorage
from airflow_s3batch.testing.athena import AthenaEmulator

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_s3batch import testing

DT = "2026-11-21-12-00"
MOMENT = datetime(2026, 11, 2, 3, 4, 5, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {"key": "a b+c/ü", "version_id": "v1", "is_latest": True, "is_delete_marker": False, "size": 10},
    {"key": "quote'\"x", "version_id": None, "is_latest": True, "is_delete_marker": False, "size": 20},
    {"key": "old", "version_id": "v2", "is_latest": False, "is_delete_marker": False, "size": 30},
    {"key": "gone", "version_id": "v3", "is_latest": True, "is_delete_marker": True, "size": None},
]
COLUMNS = {
    "bucket": "string",
    "key": "string",
    "version_id": "string",
    "is_latest": "boolean",
    "is_delete_marker": "boolean",
    "size": "bigint",
    "last_modified_date": "timestamp",
    "e_tag": "string",
}


def table_over(bucket: str) -> dict[str, Any]:
    return {
        "Name": "inventories",
        "PartitionKeys": [{"Name": "dt", "Type": "string"}],
        "Parameters": {"EXTERNAL": "TRUE", "projection.enabled": "true"},
        "StorageDescriptor": {
            "Columns": [{"Name": name, "Type": kind} for name, kind in COLUMNS.items()],
            "Location": f"s3://{bucket}/lake/daily/hive/",
            "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
        },
    }


def parquet() -> bytes:
    rows = [{"bucket": "lake", "last_modified_date": MOMENT.replace(tzinfo=None), "e_tag": "0a", **row} for row in ROWS]
    arrow = {"string": pa.string(), "boolean": pa.bool_(), "bigint": pa.int64(), "timestamp": pa.timestamp("ms")}
    schema = pa.schema([(name, arrow[kind]) for name, kind in COLUMNS.items()])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    return sink.getvalue()


class Service(NamedTuple):
    """An Athena, and how it is told a SELECT."""

    athena: Athena
    bucket: str
    statement: Callable[[str], str]

    def request(self, select: str) -> dict[str, Any]:
        return {
            "QueryString": self.statement(select),
            "ClientRequestToken": uuid.uuid4().hex,
            "QueryExecutionContext": {"Catalog": "AwsDataCatalog", "Database": "lake"},
            "WorkGroup": "primary",
            "ResultConfiguration": {"OutputLocation": f"s3://{self.bucket}/athena/"},
        }


def reaching(access: S3Access, url: str) -> S3Access:
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    return replace(access, endpoints=(("athena", url), ("glue", url)), config=config)


@pytest.fixture(scope="module")
def lake(ministack: testing.Server) -> S3Access:
    """MiniStack with a database, a table over one partition, and its data."""
    access = reaching(ministack.access(), ministack.endpoint_url)
    ministack.client().create_bucket(Bucket="athena-lake")
    glue = access.client("glue")
    glue.create_database(DatabaseInput={"Name": "lake"})
    glue.create_table(DatabaseName="lake", TableInput=table_over("athena-lake"))
    S3Storage(access).write(S3Url("athena-lake", f"lake/daily/hive/dt={DT}/data.parquet"), parquet())
    return access


@pytest.fixture(params=["emulator", "ministack"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    if request.param == "ministack":
        yield Service(Athena(request.getfixturevalue("lake")), "athena-lake", lambda select: select)
        return
    storage = MemoryStorage()
    storage.write(S3Url("lake", f"lake/daily/hive/dt={DT}/data.parquet"), parquet())
    with AthenaEmulator(storage) as emulator:
        emulator.tables["lake.inventories"] = table_over("lake")
        session = boto3.session.Session("key", "secret", region_name="us-east-1")
        access = reaching(S3Access(session, region_name="us-east-1"), emulator.endpoint_url)
        yield Service(Athena(access), "lake", lambda select: unload_sql(select, S3Url("lake", "result/"), "ZSTD"))


def ended(service: Service, select: str) -> Any:
    query_id = service.athena.start(service.request(select))
    return QueryWatch(poll_s=0.1).end_of(service.athena, query_id, lambda _line: None)


def test_tables_are_read_from_glue(service: Service) -> None:
    table = service.athena.table("lake", "inventories")
    assert table.columns == tuple(COLUMNS.items())
    assert table.partition_keys == ("dt",)
    assert table.location == f"s3://{service.bucket}/lake/daily/hive"
    assert table.parameters["projection.enabled"] == "true"
    assert not table.is_csv


def test_a_table_that_is_not_there_is_told(service: Service) -> None:
    with pytest.raises(InventoryError, match=r"can't look up table lake\.nothing"):
        service.athena.table("lake", "nothing")


def test_a_query_ends(service: Service) -> None:
    state = ended(service, f"SELECT key FROM inventories WHERE dt = '{DT}'")
    assert (state.state, state.is_over) == ("SUCCEEDED", True)


def test_a_query_that_fails_tells_why(service: Service) -> None:
    state = ended(service, f"SELECT no_such_column FROM inventories WHERE dt = '{DT}'")
    assert state.state == "FAILED"
    assert "no_such_column" in str(failure(state, "SELECT …"))


def test_stopping_what_is_over_changes_nothing(service: Service) -> None:
    state = ended(service, f"SELECT size FROM inventories WHERE dt = '{DT}'")
    service.athena.stop(state.id)
    assert service.athena.look(state.id).state == "SUCCEEDED"


def test_a_query_that_nobody_knows_is_no_reason_to_retry(service: Service) -> None:
    with pytest.raises(S3BatchError) as error:
        service.athena.look("00000000-0000-0000-0000-000000000000")
    assert not error.value.is_retryable


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        ("TRUE", {"a b+c/ü", "quote'\"x", "old"}),
        ("is_latest AND size >= 20 AND last_modified_date < TIMESTAMP '2026-11-03'", {"quote'\"x"}),
        ("version_id = 'null' OR key LIKE 'a b%'", {"a b+c/ü", "quote'\"x"}),
    ],
)
def test_the_select_of_a_job_runs_on_ministack(lake: S3Access, tmp_path: Path, where: str, keys: set[str]) -> None:
    """The very text that would be unloaded, without UNLOAD around it."""
    source = AthenaTable("lake.inventories", dt=DT)
    athena = Athena(lake)
    with open_locked(tmp_path) as connection:
        wanted = WantedRows(connection, Selection(source, where))
        layout = JobLayout(S3Url("athena-lake", "jobs/job"))
        place = Place(S3Storage(lake), layout, lambda: lake, MOMENT, lambda _line: None, wanted)
        select = TableQuery.of(source, athena, place).sql()
    service = Service(athena, "athena-lake", lambda text: text)
    state = ended(service, select)
    assert state.state == "SUCCEEDED", state.reason
    rows = lake.client("athena").get_query_results(QueryExecutionId=state.id)["ResultSet"]["Rows"]
    values = [[datum.get("VarCharValue") for datum in row["Data"]] for row in rows]
    assert {row[values[0].index("key")] for row in values[1:]} == keys
