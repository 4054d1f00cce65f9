"""What importing the package costs, in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("duckdb", "pyarrow", "pandas", "numpy", "pycurl", "botocore", "boto3")
DAG = """
from airflow.sdk import dag
from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import PutObjectTagging, Column
from airflow_s3batch.sensors import S3InventorySensor
from airflow_s3batch.notifications import EventBridgeJobNotifier
from airflow_s3batch.triggers import S3InventoryTrigger
from airflow_s3batch.hooks import StoreSettings
from airflow_s3batch import ManagedBatchJobOperator, S3BatchJobSensor
from airflow_s3batch.triggers import S3BatchJobTrigger
from airflow_s3batch.sources import CompletionReport, CsvManifest, ParquetFiles

@dag(schedule="@weekly")
def tagging():
    inventory = S3InventorySensor(task_id="inventory", inventory="s3://inv/lake/daily", deferrable=True)
    s3_batch_job(group_id="job", inventory=inventory.output, where="size > 5", columns={"team": "key"},
        operation=PutObjectTagging({"team": Column("team")}), job_url="s3://ops/s3batch",
        notifications=[EventBridgeJobNotifier()])
    s3_batch_job(group_id="aws", inventory=inventory.output, where="size > 5", engine="managed",
        operation=PutObjectTagging({"team": "lake"}), job_url="s3://ops/s3batch",
        role_arn="arn:aws:iam::123456789012:role/batch")
    S3BatchJobSensor(task_id="awaited", job_id="x")
    for name, source in (("csv", CsvManifest("s3://in/a.csv", fields=["Key"], bucket="lake")),
            ("parquet", ParquetFiles("s3://in/a/")), ("report", CompletionReport("s3://ops/s3batch/job"))):
        s3_batch_job(name, source=source, operation=PutObjectTagging({"team": "lake"}), job_url="s3://ops/s3batch")

tagging()
"""


def loaded_after(code: str, names: tuple[str, ...]) -> set[str]:
    script = f"{code}\nimport sys\nprint('loaded', *[name for name in {names!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(result.stdout.splitlines()[-1].split()) - {"loaded"}


def test_plain_names_come_without_airflow_and_without_a_transport() -> None:
    """``run_batch`` users never import Airflow."""
    code = "from airflow_s3batch import S3Object, Summary, Column, S3BatchError; S3Object('b', 'k')"
    assert loaded_after(code, ("airflow", *HEAVY)) == set()


def test_parsing_a_dag_loads_nothing_heavy() -> None:
    """A Dag file with a sensor, a job and a notifier imports no engine."""
    assert loaded_after(DAG, HEAVY) == set()


def test_watched_inventory_loads_no_more_than_any_asset_on_s3() -> None:
    """For those Airflow itself asks its amazon provider how to spell their address, which imports boto3."""
    ours = "from airflow_s3batch import inventory_asset; inventory_asset('s3://inv/lake/daily')"
    any_asset = "from airflow.sdk import Asset; Asset('s3://inv/lake/daily')"
    assert loaded_after(ours, HEAVY) <= loaded_after(any_asset, HEAVY)


def test_unknown_names_are_attribute_errors() -> None:
    """The lazy module behaves as a module does."""
    import airflow_s3batch

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = airflow_s3batch.nonsense
    assert set(airflow_s3batch.__all__) <= set(dir(airflow_s3batch))
    for name in airflow_s3batch.__all__:
        assert getattr(airflow_s3batch, name) is not None
