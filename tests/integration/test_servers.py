"""The servers do what `airflow_s3batch.testing` says of them, and never outlive the tests."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import botocore.exceptions
import pytest

from airflow_s3batch.testing import servers

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from server_users import BucketFactory

    from airflow_s3batch.testing import Server

STARTERS = {"seaweedfs": servers.seaweedfs, "ministack": servers.ministack, "rclone": servers.rclone}
HARD_KEYS = ["../up", "a/../b", "/leading", "a//b", "ends/", "k" * 1_024, "new\nline\ttab", "100%+é"]


@pytest.mark.parametrize("key", HARD_KEYS)
def test_ministack_keeps_any_key(ministack: Server, bucket: BucketFactory, key: str) -> None:
    name, client = bucket(ministack), ministack.client()
    client.put_object(Bucket=name, Key=key, Body=b"body")
    assert client.get_object(Bucket=name, Key=key)["Body"].read() == b"body"
    assert [entry["Key"] for entry in client.list_objects_v2(Bucket=name)["Contents"]] == [key]


def test_rclone_overwrites_an_object_that_is_to_be_tagged(rclone: Server, bucket: BucketFactory) -> None:
    """If this ever fails, rclone no longer shows what the preflight is for."""
    name, client = bucket(rclone), rclone.client()
    client.put_object(Bucket=name, Key="a", Body=b"body")
    client.put_object_tagging(Bucket=name, Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    assert b"<Tagging" in client.get_object(Bucket=name, Key="a")["Body"].read()


def test_seaweedfs_encrypts_and_versions(seaweedfs: Server, bucket: BucketFactory) -> None:
    name, client = bucket(seaweedfs), seaweedfs.client()
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    first = client.put_object(Bucket=name, Key="a", Body=b"1")
    second = client.put_object(Bucket=name, Key="a", Body=b"2", ServerSideEncryption="AES256")
    assert first["VersionId"] != second["VersionId"]
    assert client.head_object(Bucket=name, Key="a")["ServerSideEncryption"] == "AES256"


def test_a_listener_that_is_no_s3_server_is_reported_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "rclone"
    program.write_text("#!/bin/sh\necho cannot open the data folder >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("S3BATCH_SERVERS_BIN", str(tmp_path))
    with (
        pytest.raises(RuntimeError, match=r"rclone ended at once; the end of its log:\ncannot open the data folder"),
        servers.rclone(),
    ):
        pass


@pytest.mark.parametrize("name", STARTERS)
def test_a_killed_test_run_leaves_no_server_behind(request: pytest.FixtureRequest, name: str) -> None:
    """The connection that stays open ends when the kernel has killed the server after its parent."""
    request.getfixturevalue(name)  # skips where the program is missing
    code = f"from airflow_s3batch.testing import {name}\nwith {name}() as s: print(s.endpoint_url, flush=True); input()"
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    port = int(parent.stdout.readline().strip().rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(30)
        parent.send_signal(signal.SIGKILL)
        assert _rest_of(connection) == b""
    parent.communicate()


@pytest.mark.parametrize("name", STARTERS)
def test_nothing_answers_once_the_context_is_left(request: pytest.FixtureRequest, name: str) -> None:
    request.getfixturevalue(name)
    starter: Callable[[], AbstractContextManager[Server]] = STARTERS[name]
    with starter() as server:
        client = server.client(retries={"total_max_attempts": 1})
        client.list_buckets()
    with pytest.raises(botocore.exceptions.BotoCoreError):
        client.list_buckets()


def _rest_of(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1)
    except ConnectionResetError:
        return b""
