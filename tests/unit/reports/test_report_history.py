"""What the reports of one task leave for the next: one point a job, bounded, robust."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from report_examples import BEGAN, DENIED, JOBS, OK, Example, Rows, written

from airflow_s3batch.core.errors import AccessError, InfrastructureError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.reports.history import MOST
from airflow_s3batch.testing.storage import MemoryStorage


def job(storage: MemoryStorage, day: int, failed: int = 0, **how: Any) -> Example:
    """Return the task's job of *day*, of which the first *failed* objects failed."""
    rows = Rows(20, lambda n: DENIED if n < failed else OK, shards=1)
    return written(f"job-{day:04d}", rows, storage=storage, began=BEGAN + timedelta(days=day), **how)


def trend(example: Example) -> list[tuple[str, int]]:
    return [(point["job_url"].rpartition("-")[2], point["failed"]) for point in example.report().history]


def points(storage: MemoryStorage) -> list[S3Url]:
    return sorted(url for url in storage.files if "/history/" in url.key)


def test_each_report_shows_the_jobs_before_it() -> None:
    storage = MemoryStorage()
    assert trend(job(storage, 1, 3)) == [("0001", 3)]
    assert trend(job(storage, 2, 2)) == [("0001", 3), ("0002", 2)]
    assert trend(job(storage, 40, 0)) == [("0001", 3), ("0002", 2), ("0040", 0)]


def test_a_report_made_again_has_one_point_with_the_newest_counts() -> None:
    storage = MemoryStorage()
    job(storage, 1).report()
    example = job(storage, 2, 2)
    example.report()
    assert trend(job(storage, 2, 1)) == [("0001", 0), ("0002", 1)]
    assert len(points(storage)) == 2


def test_a_report_of_an_older_job_looks_back_from_there() -> None:
    storage = MemoryStorage()
    for day in (1, 2, 3):
        job(storage, day, day).report()
    assert trend(job(storage, 2, 0)) == [("0001", 1), ("0002", 0)]


def test_only_the_newest_jobs_are_read_however_many_there_are() -> None:
    storage = MemoryStorage()
    example = job(storage, 500)
    example.report()
    own = points(storage)[0]
    document = json.loads(storage.files[own])
    for day in range(300):
        began = BEGAN + timedelta(days=day)
        name = f"{began:%Y%m}/{began:%Y%m%dT%H%M%S%f}Z-old-{day}.json"
        folder = own.key.partition("/history/")[0]
        body = json.dumps({**document, "job_url": f"s3://ops/s3batch/old-{day}"})
        storage.write(S3Url("ops", f"{folder}/history/{name}"), body.encode())
    seen: list[tuple[str, str]] = []
    storage.before = lambda verb, url: seen.append((verb, url.key)) if "/history/" in url.key else None
    history = example.report().history
    assert [point["job_url"] for point in history] == [f"s3://ops/s3batch/old-{day}" for day in range(241, 300)] + [
        str(example.url)
    ]
    assert len(history) == MOST
    assert len([verb for verb, _ in seen if verb == "read"]) == MOST - 1
    assert len([verb for verb, _ in seen if verb == "list"]) <= 4


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[1]",
        b'{"format": "other"}',
        b'{"format": "airflow-s3batch-history/1"}',
        b"[" * 8_000,
        b"x" * 9_000,
    ],
    ids=["empty", "cut", "null", "list", "other", "bare", "deep", "large"],
)
def test_foreign_files_are_left_out(body: bytes) -> None:
    storage = MemoryStorage()
    job(storage, 1).report()
    (own,) = points(storage)
    folder = own.key.rpartition("/")[0]
    for name in ("20261122T000000000000Z-x.json", "20261122T000000000000Z-../x.json", "note.txt", "a/b.json"):
        storage.write(S3Url("ops", f"{folder}/{name}"), body)
    assert trend(job(storage, 2)) == [("0001", 0), ("0002", 0)]


def test_a_second_point_of_the_same_job_is_left_out() -> None:
    storage = MemoryStorage()
    example = job(storage, 1)
    example.report()
    (own,) = points(storage)
    earlier = own._replace(key=own.key.replace("20261123T", "20261101T"))
    storage.write(earlier, storage.files[own])
    assert trend(example) == [("0001", 0)]


def test_a_large_file_is_not_even_fetched() -> None:
    storage = MemoryStorage()
    job(storage, 1).report()
    (own,) = points(storage)
    storage.write(own, json.dumps({**json.loads(storage.files[own]), "padding": "x" * 9_000}).encode())
    assert trend(job(storage, 2)) == [("0002", 0)]


@pytest.mark.parametrize("wrong", [{"objects": "many"}, {"failed": None}, {"bytes": float("inf")}, {"created": None}])
def test_points_with_wrong_values_are_left_out_or_become_text(wrong: dict[str, Any]) -> None:
    storage = MemoryStorage()
    job(storage, 1).report()
    (own,) = points(storage)
    storage.write(own, json.dumps({**json.loads(storage.files[own]), **wrong}).encode())
    example = job(storage, 2)
    assert len(trend(example)) == (2 if "created" in wrong else 1)
    assert b"<html" in example.page()


def test_a_dry_run_is_marked() -> None:
    storage = MemoryStorage()
    job(storage, 1, dry_run=True).report()
    assert [point["dry_run"] for point in job(storage, 2).report().history] == [True, False]


def test_a_report_that_is_killed_before_its_end_leaves_no_point_and_is_made_up_for() -> None:
    storage = MemoryStorage()
    example = job(storage, 1)

    def die(verb: str, url: S3Url) -> None:
        if verb == "upload" and url.key.endswith("report/manifest.json"):
            raise InfrastructureError("killed")

    storage.before = die
    with pytest.raises(InfrastructureError):
        example.report()
    assert points(storage) == []
    storage.before = None
    example.report()
    assert len(points(storage)) == 1


def test_a_store_that_does_not_let_us_look_back_costs_the_history_and_no_report() -> None:
    storage = MemoryStorage()
    job(storage, 1).report()

    def refuse(verb: str, url: S3Url) -> None:
        if verb in ("folders", "list") and "/history" in url.key:
            raise AccessError("the store refuses")

    storage.before = refuse
    assert trend(job(storage, 2)) == [("0002", 0)]


def test_jobs_of_other_tasks_and_of_none_are_apart() -> None:
    storage = MemoryStorage()
    job(storage, 1).report()
    other = job(storage, 2)
    place = JOBS / "job-0002/job.json"
    document = json.loads(storage.files[place])
    storage.write(place, json.dumps({**document, "about": {**document["about"], "task_id": "another"}}).encode())
    assert trend(other) == [("0002", 0)]
    storage.write(place, json.dumps({**document, "about": {}}).encode())
    assert trend(other) == []
