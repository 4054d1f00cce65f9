"""A short look at each of many files, several at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_s3batch.engine.files.storage import StoredFile

THREADS = 16

T = TypeVar("T")


def look_at_all(files: Sequence[StoredFile], look: Callable[[StoredFile], T]) -> list[T]:
    """Return *look* of each of *files*, in their order; the first failure is raised, and no further look is begun."""
    with ThreadPoolExecutor(min(THREADS, len(files)), thread_name_prefix="look") as pool:
        pending = [pool.submit(look, file) for file in files]
        try:
            return [future.result() for future in pending]
        finally:
            pool.shutdown(cancel_futures=True)
