"""S3 servers and buckets for the tests of this folder."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from server_users import DEPUTY, READER, STRANGER, BucketFactory

from airflow_s3batch import testing

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_numbers = itertools.count(1)
_clients: dict[str, Any] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "integration" in item.path.parts:
            item.add_marker(pytest.mark.integration)


def _started(server: Callable[[], AbstractContextManager[testing.Server]]) -> Iterator[testing.Server]:
    """Yield the running server; without its program the test is skipped, on CI it fails."""
    try:
        context = server()
        running = context.__enter__()
    except testing.ServerMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    try:
        yield running
    finally:
        context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[testing.Server]:
    """A store that checks signatures; `as_identity` gives it as ``reader``, ``stranger`` or ``deputy`` see it."""
    yield from _started(lambda: testing.seaweedfs([READER, STRANGER, DEPUTY]))


@pytest.fixture(scope="session")
def ministack() -> Iterator[testing.Server]:
    """A store that keeps any key."""
    yield from _started(testing.ministack)


@pytest.fixture(scope="session")
def rclone() -> Iterator[testing.Server]:
    """A store that overwrites objects when asked to tag them."""
    yield from _started(testing.rclone)


@pytest.fixture
def bucket() -> BucketFactory:
    """``bucket(server, "purpose", **create_bucket_arguments)`` makes a new bucket and returns its name."""

    def make(server: testing.Server, purpose: str = "test", **arguments: Any) -> str:
        name = f"{purpose}-{os.getpid()}-{next(_numbers)}"
        if server.endpoint_url not in _clients:  # a client takes longer to make than a bucket
            _clients[server.endpoint_url] = server.client()
        _clients[server.endpoint_url].create_bucket(Bucket=name, **arguments)
        return name

    return make


@pytest.fixture(scope="module")
def _proxy(seaweedfs: testing.Server) -> Iterator[testing.FaultProxy]:
    with testing.FaultProxy(seaweedfs) as running:
        yield running


@pytest.fixture
def proxy(_proxy: testing.FaultProxy) -> Iterator[testing.FaultProxy]:
    """A fault proxy in front of SeaweedFS, calm when a test begins."""
    yield _proxy
    _proxy.calm()


@pytest.fixture(scope="module")
def _shared_buckets() -> dict[str, str]:
    return {}


@pytest.fixture
def shared_buckets(
    seaweedfs: testing.Server, bucket: BucketFactory, _shared_buckets: dict[str, str]
) -> tuple[str, str]:
    """Buckets for objects and for jobs that a module's tests share, for a new bucket takes the server long."""
    for purpose in () if _shared_buckets else ("data", "ops"):
        _shared_buckets[purpose] = bucket(seaweedfs, purpose)
    return _shared_buckets["data"], _shared_buckets["ops"]
