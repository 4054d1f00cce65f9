"""``airflow s3batch …``: what reaches AWS's own jobs goes through the connection, too."""

from __future__ import annotations

import argparse
import json
from typing import Any

import pytest

from airflow_s3batch.airflow_cli import get_cli_commands
from airflow_s3batch.cli import exits
from airflow_s3batch.cli.aws_jobs import control_in
from airflow_s3batch.cli.main import carry_out
from airflow_s3batch.cli.store_options import add_store_options
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.generation import open_generation
from airflow_s3batch.managed.round_files import StoredRequest, write_job, write_request
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.testing import MemoryStorage

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> str:
    """A connection whose AWS jobs are at a port on which nobody listens."""
    extra = {
        "region_name": "eu-west-1",
        "service_config": {"s3control": {"endpoint_url": NOBODY}},
        "config_kwargs": {"retries": {"total_max_attempts": 1}},
    }
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))
    monkeypatch.delenv("_AIRFLOW_PROCESS_CONTEXT", raising=False)
    return "lake"


@pytest.fixture
def job() -> tuple[MemoryStorage, JobLayout]:
    """A job that AWS is at."""
    store, layout = MemoryStorage(), JobLayout(S3Url("ops", "s3batch/job-1"))
    store.write(layout.job, json.dumps({"format": "airflow-s3batch-job/1", "selection": {}, "source": {}}).encode())
    manifest = Manifest(layout.url, 5, 0, 100, (), (ShardFile(0, "shard-0", 5, 0, 1, "0" * 64),), "0" * 16)
    store.write(layout.manifest, manifest.to_json().encode())
    task = layout.operation("q.run")
    opened = open_generation(
        store, task, PutObjectTagging({"a": "b"}), Policy(), bucket="lake", resume=True, opened="2026-11-22T00:00:00Z"
    )
    place = opened.round("lake", 1)
    write_request(store, place, StoredRequest("0001-1700000000000-abc123", None, (0,), {}))
    write_job(store, place, job_id="aws-1", account_id="123456789012", region="eu-west-1")
    return store, layout


def parsed(name: str, *argv: str) -> argparse.Namespace:
    """Return what Airflow makes of a command line."""
    (group,) = get_cli_commands()
    command = next(command for command in group.subcommands if command.name == name)
    parser = argparse.ArgumentParser()
    for argument in command.args:
        argument.add_to_parser(parser)
    return parser.parse_args(argv)


@pytest.mark.parametrize(
    ("verb", "code"), [(("status",), exits.GREEN), (("speed", "--priority", "5"), exits.UNREACHABLE)]
)
def test_jobs_of_aws_are_reached_through_the_connection(
    connection: str,
    job: tuple[MemoryStorage, JobLayout],
    capsys: pytest.CaptureFixture[str],
    verb: tuple[str, ...],
    code: int,
) -> None:
    """The sentence names the connection's own endpoint for them."""
    store, layout = job
    args = parsed(verb[0], str(layout.url), *verb[1:], "--aws-conn-id", connection)
    assert carry_out(args, lambda _: store) == code
    told = capsys.readouterr()
    assert NOBODY in told.out + told.err


def test_the_script_reaches_them_with_boto3s_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3_CONTROL", NOBODY)
    parser = argparse.ArgumentParser()
    add_store_options(parser)
    control: Any = control_in(parser.parse_args(["--endpoint-url", "http://127.0.0.1:8"]), "eu-west-1")
    assert (control._client.meta.endpoint_url, control._client.meta.region_name) == (NOBODY, "eu-west-1")
