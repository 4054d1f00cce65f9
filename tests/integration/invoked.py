"""Functions that jobs call: some count their executions, some hang or die."""

from __future__ import annotations

import functools
import json
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.testing import Server

GATE = threading.Event()
"""What `hang` waits for on threads."""

STORE_VARIABLE = "S3BATCH_TEST_STORE"
"""Environment variable that holds what `store_of` returns, as JSON, for functions whose params don't."""


def store_of(server: Server) -> dict[str, str]:
    """Return what functions need to know to reach *server*."""
    return {
        "endpoint_url": server.endpoint_url,
        "aws_access_key_id": server.access_key,
        "aws_secret_access_key": server.secret_key,
        "region_name": server.region,
    }


def leave_receipt(obj: S3Object, params: dict[str, Any]) -> str:
    """
    Put an object below ``receipts/``: in a versioned bucket the versions count the executions.

    The store is the one of the params, or else of `STORE_VARIABLE`.
    """
    store = params.get("store") or json.loads(os.environ[STORE_VARIABLE])
    client = _client(os.getpid(), tuple(sorted(store.items())))
    client.put_object(Bucket=obj.bucket, Key=f"receipts/{obj.key}", Body=b"done")
    return f"receipts/{obj.key}"


@functools.cache
def _client(pid: int, store: tuple[tuple[str, str], ...]) -> Any:
    """Return a client of this process's own: connections don't survive a fork."""
    import boto3  # takes long, and most functions here do without

    return boto3.session.Session().client("s3", **dict(store))


def read(obj: S3Object, params: Mapping[str, Any]) -> dict[str, Any]:
    """Tell how long the object is, and who asked."""
    reply = _client(os.getpid(), tuple(sorted(params["store"].items()))).get_object(Bucket=obj.bucket, Key=obj.key)
    return {"bytes": len(reply["Body"].read()), "team": params["team"], "pid": os.getpid()}


def hang(obj: S3Object, params: Mapping[str, Any]) -> None:
    """Do not return for keys that end so, and say so by a file."""
    if obj.key.endswith(tuple(params["hanging"])):
        Path(params["folder"], obj.key.replace("/", "-")).touch()
        GATE.wait()


def die(obj: S3Object, params: Mapping[str, Any]) -> None:
    """End the process for keys that end so."""
    if obj.key.endswith(tuple(params["dying"])):
        os.kill(os.getpid(), signal.SIGKILL)


def tell_pid_and_hang(obj: S3Object, params: Mapping[str, Any]) -> None:
    """Write down which process it is, and do not return."""
    name = Path(params["folder"], f"{os.getpid()}.new")
    name.touch()
    name.rename(name.with_suffix(".pid"))
    signal.pause()
