"""A shard's file is trusted only if it is the one that was published."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.manifest import ShardFile
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.shards.shard_file import fetch_shard
from airflow_s3batch.testing.storage import MemoryStorage

URL = S3Url("jobs", "j/manifest/shard-00000.parquet")


class LyingStorage(MemoryStorage):
    """Downloads what a broken way makes of a file, as often as told."""

    lies = 0

    def download(self, url: S3Url, path: Path) -> None:
        super().download(url, path)
        if self.lies:
            self.lies -= 1
            path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.fixture
def storage() -> LyingStorage:
    return LyingStorage()


def published(storage: MemoryStorage, *, rows: int = 3, told: int = 3) -> ShardFile:
    """Write a shard of *rows* rows, of which the manifest says that they are *told*."""
    file = io.BytesIO()
    pq.write_table(pa.table({"key": [f"k{number}" for number in range(rows)]}), file)
    body = file.getvalue()
    storage.write(URL, body)
    return ShardFile(0, URL.key, told, 0, len(body), hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize("lies", [0, 1])
def test_a_file_that_was_altered_on_the_way_is_fetched_once_more(
    storage: LyingStorage, tmp_path: Path, lies: int
) -> None:
    shard = published(storage)
    storage.lies = lies
    path = fetch_shard(storage, "jobs", shard, tmp_path)
    assert path.read_bytes() == storage.files[URL]
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_stays_altered_is_refused(storage: LyingStorage, tmp_path: Path) -> None:
    """And nothing lies there under its name."""
    shard = published(storage)
    storage.lies = 2
    with pytest.raises(JobDamagedError, match=r"shard-00000\.parquet: altered since it was published"):
        fetch_shard(storage, "jobs", shard, tmp_path)
    assert not list(tmp_path.glob("*.parquet"))


def test_a_file_with_other_rows_than_the_manifest_says_is_refused(storage: LyingStorage, tmp_path: Path) -> None:
    shard = published(storage, rows=3, told=4)
    with pytest.raises(JobDamagedError, match="has 3 rows, the job's manifest says 4"):
        fetch_shard(storage, "jobs", shard, tmp_path)
    assert not list(tmp_path.glob("*.parquet"))
