"""An empty store, and publishing into it with everything by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from deliveries import JOBS, NOW, PREFIX, select

from airflow_s3batch.manifests.planning.publish import publish_manifest
from airflow_s3batch.manifests.sql.duck import open_locked
from airflow_s3batch.testing.storage import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import duckdb

    from airflow_s3batch.core.manifest import Manifest


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def publish(storage: MemoryStorage) -> Callable[..., Manifest]:
    """Publish with everything by default: ``publish(where=…, resume=…)``."""

    def call(where: str = "TRUE", *, inventory: str = PREFIX, job_id: str = "job", **more: Any) -> Manifest:
        options = {
            name: more.pop(name)
            for name in ("resume", "now", "log", "staging_limit", "staging_dir", "about", "access")
            if name in more
        }
        selection = select(inventory, where=where, **more)
        return publish_manifest(storage, JOBS, job_id, selection, **{"now": NOW, "threads": 2, **options})

    return call


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_locked(tmp_path, threads=1) as connection:
        yield connection
