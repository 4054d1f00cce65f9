"""What `MemoryStorage` offers beside the storage contract: faults on demand, and safety between threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_s3batch.core.errors import InfrastructureError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.testing import MemoryStorage

URL = S3Url("bucket", "file")


def test_a_fault_reaches_the_caller_and_nothing_is_written() -> None:
    def fail(verb: str, url: S3Url) -> None:
        if verb == "write":
            raise InfrastructureError(f"can't write {url}: the network is down")

    storage = MemoryStorage(before=fail)
    with pytest.raises(InfrastructureError, match="the network is down"):
        storage.write(URL, b"x")
    assert storage.read(URL) is None


def test_before_may_use_the_storage_itself() -> None:
    """Tests change files between two calls this way, as a second worker would."""
    storage = MemoryStorage()
    storage.before = lambda verb, url: storage.files.update({url: b"foreign"}) if verb == "read" else None
    assert storage.read(URL) == b"foreign"


def test_a_later_change_of_a_buffer_does_not_change_the_file() -> None:
    storage, buffer = MemoryStorage(), bytearray(b"old")
    storage.write(URL, buffer)
    buffer[:] = b"new"
    assert storage.read(URL) == b"old"


def test_threads_may_write_while_one_lists() -> None:
    storage = MemoryStorage()
    with ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(storage.write, S3Url("bucket", f"file-{i}"), b"x") for i in range(2_000)]
        sizes = [len(list(storage.list(S3Url("bucket", "")))) for _ in range(20)]
        for write in writes:
            write.result()
    assert sizes == sorted(sizes)
    assert len(storage.files) == 2_000
