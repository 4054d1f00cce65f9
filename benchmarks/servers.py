"""The servers under test: the null server in a process of its own, and a real one from `airflow_s3batch.testing`."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

from airflow_s3batch.testing.servers import Server

OBJECTS_BUCKET = "bench-objects"
COPIES_BUCKET = "bench-copies"
JOBS_BUCKET = "bench-jobs"


class Endpoint(NamedTuple):
    """Where a contender sends its requests, and with which credentials."""

    url: str
    access_key: str
    secret_key: str

    @classmethod
    def of(cls, server: Server) -> Endpoint:
        """Return the endpoint of a server of `airflow_s3batch.testing`."""
        return cls(server.endpoint_url, server.access_key, server.secret_key)


class Sight(NamedTuple):
    """What a null server saw: how many requests on objects, and the monotonic times of the first and the last."""

    requests: int
    first: float
    last: float


class NullServer(NamedTuple):
    """A null server that runs."""

    endpoint: Endpoint
    port: int

    def sight(self) -> Sight:
        """Return what was seen since last asked."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/-/sight")
            return Sight(**json.loads(connection.getresponse().read()))


@contextlib.contextmanager
def null_server(latency_ms: float = 0.0) -> Iterator[NullServer]:
    """Run a null server that takes *latency_ms* for each answer."""
    command = [sys.executable, "-m", "benchmarks.null_server", "--latency-ms", str(latency_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield NullServer(Endpoint(f"http://127.0.0.1:{port}", "null", "null-secret"), port)
        finally:
            process.kill()


def make_buckets(server: Server) -> None:
    """Make the buckets of all benchmarks on a real server."""
    client = server.client()
    for bucket in (OBJECTS_BUCKET, COPIES_BUCKET, JOBS_BUCKET):
        client.create_bucket(Bucket=bucket)
