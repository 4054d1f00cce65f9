"""``airflow s3batch …``: our commands in Airflow's own command line, where it asks providers for some."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.providers_manager import ProvidersManager

if TYPE_CHECKING:
    from dag_runs import DagFolder

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not hasattr(ProvidersManager, "cli_command_functions"), reason="this Airflow asks providers for no commands"
    ),
]


EXTRA = {"endpoint_url": "http://127.0.0.1:9", "aws_access_key_id": "a", "aws_secret_access_key": "b"}


@pytest.fixture
def connection(dags: DagFolder) -> Iterator[str]:
    """A connection in Airflow's database, to a port on which nobody listens."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import delete, insert

    row = {"conn_id": "store", "conn_type": "aws", "extra": json.dumps(EXTRA)}  # not encrypted: keys differ by process
    with create_session() as session:
        session.execute(insert(Connection.__table__).values(**row, is_encrypted=False, is_extra_encrypted=False))
    yield "store"
    with create_session() as session:
        session.execute(delete(Connection.__table__).where(Connection.conn_id == "store"))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which Airflow finds this provider, whether it is installed or not."""
    info = tmp_path / "airflow_provider_s3batch-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: airflow-provider-s3batch\nVersion: 0\n")
    (info / "entry_points.txt").write_text(
        "[apache_airflow_provider]\nprovider_info = airflow_s3batch.get_provider_info:get_provider_info\n"
    )
    root = Path(__file__).parents[2]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(root), os.environ.get("PYTHONPATH", "")]),
        "AWS_MAX_ATTEMPTS": "1",
        "COLUMNS": "200",
    }


def test_airflow_has_our_commands_and_takes_the_store_from_a_connection(
    environment: dict[str, str], connection: str
) -> None:
    """The sentence shows that the connection's endpoint was asked."""
    command = [sys.executable, "-m", "airflow", "s3batch", "plan", "s3://ops/jobs/x", "--aws-conn-id", connection]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "s3batch: can't read s3://ops/jobs/x/job.json" in done.stderr
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
