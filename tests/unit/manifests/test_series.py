"""What the runs of one task leave for one another."""

from __future__ import annotations

from typing import Any

import pytest
from deliveries import JOBS

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.identity import series_id
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.pin import Job
from airflow_s3batch.manifests.planning.series import Published, Reported, Series
from airflow_s3batch.testing.storage import MemoryStorage

ABOUT = {"dag_id": "My Dag", "task_id": "group.manifest", "map_index": None}


def job(name: str, created: str, **comparison: Any) -> Job:
    return Job(JobLayout(JOBS / name), {}, {}, "f", comparison, ABOUT, created)


def manifest(rows: int) -> Manifest:
    return Manifest(JOBS / "j", rows, 10 * rows, 250, (), (), "f")


def test_a_series_is_one_task_map_index_and_group_included() -> None:
    names = {
        series_id("d", "t"),
        series_id("d", "t", 0),
        series_id("d", "g.t"),
        series_id("d-t", ""),
        series_id("é", "t"),
    }
    assert len(names) == 5
    assert series_id("My Dag", "group.manifest").startswith("my-dag-group-manifest-")
    assert len(series_id("x" * 250, "y" * 250)) <= 80
    assert Series.of(JOBS, {"run_id": "r"}) is None


def test_the_job_itself_tells_its_series(storage: MemoryStorage) -> None:
    """The reporter has nothing but the job's folder."""
    assert Series.of_job(job("a", "1")) == Series.of(JOBS, ABOUT)
    assert Series.of_job(job("a", "1")) == Series.of(JOBS, {**ABOUT, "map_index": -1, "run_id": "another"})


def test_the_later_job_counts_whoever_writes_last(storage: MemoryStorage) -> None:
    series = Series(JOBS / "series/s")
    assert (series.published(storage), series.reported(storage)) == (None, None)
    for name in ("2026-02-01", "2026-03-01", "2026-01-01"):
        series.write_published(storage, job(name, name), manifest(int(name[6])))
        series.write_reported(storage, job(name, name))
    assert series.published(storage) == Published(f"{JOBS}/2026-03-01", "2026-03-01", 3, 30)
    assert series.reported(storage) == Reported(f"{JOBS}/2026-03-01", "2026-03-01")


def test_sizes_are_compared_with_those_of_their_kind(storage: MemoryStorage) -> None:
    series = Series(JOBS / "series/s")
    delta, first = job("a", "1", since={"source": {"x": 1}}), job("b", "2", since={"nothing": "it is the first"})
    series.write_published(storage, delta, manifest(5))
    assert series.comparable(storage, delta) == Published(f"{JOBS}/a", "1", 5, 50, is_delta=True)
    assert series.comparable(storage, first) is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"format": "other"}', b'{"format": "airflow-s3batch-series/1", "a": 1}']
)
def test_a_damaged_file_is_told_and_gives_way_to_the_next(storage: MemoryStorage, body: bytes) -> None:
    series = Series(JOBS / "series/s")
    storage.write(S3Url(JOBS.bucket, f"{JOBS.key}/series/s/reported.json"), body)
    with pytest.raises(JobDamagedError, match=r"series/s/reported\.json: .* delete it to start the series anew"):
        series.reported(storage)
    series.write_reported(storage, job("a", "1"))
    assert series.reported(storage) == Reported(f"{JOBS}/a", "1")
