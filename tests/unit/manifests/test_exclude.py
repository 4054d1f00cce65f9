"""``exclude``: what an earlier job did is left out, as long as it is the same body."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from deliveries import NOW, deliver, published_rows
from finished_jobs import finish, keys, row, write_report

from airflow_s3batch.core.errors import InventoryError, ManifestError
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.reports.build import build_report

if TYPE_CHECKING:
    from airflow_s3batch.testing.storage import MemoryStorage


Publish = Callable[..., Manifest]


def test_what_succeeded_in_an_earlier_job_is_left_out_as_long_as_it_is_the_same_body(
    storage: MemoryStorage, publish: Publish
) -> None:
    deliver(storage, [row("a"), row("b"), row("c"), row("d")], days_ago=3)
    job = publish("key <> 'd'", job_id="first")
    with pytest.raises(ManifestError, match="has no report yet"):
        publish(job_id="early", exclude=(str(job.job_url),))
    finish(storage, job, failed={"b"})
    deliver(storage, [row("a"), row("b"), row("c", 2), row("d")], days_ago=2)
    for n, spelling in enumerate(("", "/", "/report", "/report/manifest.json")):
        manifest = publish(job_id=f"second{n}", exclude=(f"{job.job_url}{spelling}",))
        assert keys(storage, manifest) == ["b", "c", "d"]


def test_a_job_that_is_at_work_again_is_not_excluded_by_its_old_report(
    storage: MemoryStorage, publish: Publish
) -> None:
    """What it does meanwhile would be done twice."""
    deliver(storage, [row("a")])
    job = publish(job_id="first")
    storage.clock = lambda: NOW
    build_report(storage, job.job_url, "tag.run", now=NOW)
    assert keys(storage, publish(job_id="second", exclude=(str(job.job_url),))) == ["a"]
    storage.clock = lambda: NOW + dt.timedelta(seconds=1)
    storage.write(job.job_url / "tag.run/g0001/shard-00000/range-000000-x.commit.json", b"{}")
    with pytest.raises(InventoryError, match="objects were worked on since this report was made"):
        publish(job_id="third", exclude=(f"{job.job_url}/report",))


def version(key: str, version_id: str | None, body: int, **more: Any) -> dict[str, Any]:
    return row(key, body, version_id=version_id, is_latest=True, is_delete_marker=False, **more)


def test_versions_are_left_out_by_their_id_and_null_versions_by_their_etag(
    storage: MemoryStorage, publish: Publish
) -> None:
    deliver(storage, [version("a", "v1", 1), version("b", None, 1), version("c", None, 1)], days_ago=3)
    finish(storage, job := publish(job_id="first"))
    deliver(storage, [version("a", "v1", 9), version("a", "v2", 1), version("b", None, 1), version("c", None, 2)])
    rest = published_rows(storage, publish(job_id="second", exclude=(str(job.job_url),)))
    assert [(each["key"], each["version_id"]) for each in rest] == [("a", "v2"), ("c", "null")]


def test_reports_of_others_are_excluded_by_version(storage: MemoryStorage, publish: Publish) -> None:
    """AWS's tell no ETag: without a version nobody can say which body it was."""
    versioned, plain = S3Url("aws", "job-1"), S3Url("aws", "job-2")
    write_report(storage, versioned, [{"bucket": "lake", "key": "a b", "version_id": "v1"}])
    write_report(storage, plain, [{"bucket": "lake", "key": "a b"}])
    deliver(storage, [version("a b", "v1", 1), version("a b", "v2", 1)])
    rest = published_rows(storage, publish(exclude=(f"{versioned}/manifest.json",), job_id="one"))
    assert [each["version_id"] for each in rest] == ["v2"]
    with pytest.raises(ManifestError, match="tells neither version nor ETag of its 1 objects"):
        publish(exclude=(str(plain),), job_id="two")
    with pytest.raises(ManifestError, match="is neither the folder of a job with a manifest nor a completion report"):
        publish(exclude=("s3://aws/nothing",), job_id="three")


def test_a_result_file_that_was_altered_is_noticed(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, [row("a")])
    finish(storage, job := publish(job_id="first"), failed={"a"})
    (place,) = [p for p in storage.files if "/results/" in p.key and storage.files[p]]
    storage.files[place] += b" "
    with pytest.raises(ManifestError, match=r"results/.*altered since the report was made"):
        publish(job_id="second", exclude=(str(job.job_url),))
