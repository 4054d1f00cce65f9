"""A manifest that is published again: retries, clears, edits, two planners at once."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from deliveries import JOBS, NOW, PREFIX, deliver, job_files, objects, published_rows

from airflow_s3batch.core.errors import (
    AccessError,
    InfrastructureError,
    InventoryError,
    JobChangedError,
    SelectionError,
)
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.filtering import fetch

if TYPE_CHECKING:
    from airflow_s3batch.testing.storage import MemoryStorage

Publish = Callable[..., Manifest]


def test_of_two_planners_at_once_the_first_manifest_counts(storage: MemoryStorage, publish: Publish) -> None:
    """Though they saw different newest deliveries, both give the same manifest."""
    deliver(storage, objects(10), days_ago=2)
    found: list[Manifest] = []

    def overtake(verb: str, _url: S3Url) -> None:
        if verb == "upload":
            storage.before = None
            deliver(storage, objects(20), days_ago=1)
            found.append(publish())

    storage.before = overtake
    found.append(publish())
    assert found[0] == found[1]
    assert found[0].rows == 10


def test_an_attempt_that_is_overtaken_while_it_searches_goes_on_with_what_is_pinned(
    storage: MemoryStorage, publish: Publish
) -> None:
    """A manifest of one delivery beside a ``job.json`` of a newer one would hide rows from ``since="previous"``."""
    deliver(storage, objects(10), days_ago=2)

    def overtake(verb: str, _url: S3Url) -> None:
        if verb == "folders":
            storage.before = None
            publish()
            deliver(storage, objects(20), days_ago=1)

    storage.before = overtake
    manifest = publish()
    assert manifest.rows == 10
    assert json.loads(storage.files[JobLayout(manifest.job_url).job])["fingerprint"] == manifest.fingerprint


def test_an_attempt_whose_comparison_was_overwritten_publishes_nothing(
    storage: MemoryStorage, publish: Publish
) -> None:
    """Two attempts may pin the same delivery, and compare it with different ones."""
    deliver(storage, objects(10))

    def overwrite(verb: str, _url: S3Url) -> None:
        if verb == "upload":
            storage.before = None
            place = JobLayout(JOBS / "job").job
            document = json.loads(storage.files[place])
            storage.write(place, json.dumps(document | {"comparison": {"since": "another"}}).encode())

    storage.before = overwrite
    with pytest.raises(InfrastructureError, match="another attempt has started this job"):
        publish()


def test_an_attempt_whose_pin_was_overwritten_publishes_nothing(storage: MemoryStorage, publish: Publish) -> None:
    """Another one wrote ``job.json`` in the same moment, and later; the next attempt goes on with that."""
    deliver(storage, objects(10), days_ago=2)
    publish()
    first = job_files(storage)
    for place in first:
        storage.delete(place)
    deliver(storage, objects(20), days_ago=1)

    def overwrite(verb: str, _url: S3Url) -> None:
        if verb == "upload":
            storage.before = None
            job = JobLayout(JOBS / "job").job
            storage.write(job, first[job])

    storage.before = overwrite
    with pytest.raises(InfrastructureError, match="another attempt has started this job"):
        publish()
    assert publish().rows == 10


def test_a_retry_publishes_byte_identical_files(
    storage: MemoryStorage, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two stores, different batches: same names, same bytes."""
    url = deliver(storage, objects(30_000), file_format="CSV", files=5)
    first = publish("size % 3 <> 0", columns={"n": "size"}, objects_per_shard=4_000)
    files = job_files(storage)
    for place in files:
        storage.delete(place)
    size = json.loads(storage.files[url])["files"][0]["size"]
    monkeypatch.setattr(fetch, "BATCH_BYTES", size * 2)
    assert publish("size % 3 <> 0", columns={"n": "size"}, objects_per_shard=4_000) == first
    assert job_files(storage) == files
    assert sorted(row["size"] for row in published_rows(storage, first)) == [n for n in range(30_000) if n % 3]


def test_a_published_manifest_is_returned_as_it_is(storage: MemoryStorage, publish: Publish) -> None:
    url = deliver(storage, objects(10))
    first = publish()
    files = job_files(storage)
    storage.delete(url)
    assert publish() == first
    assert job_files(storage) == files


def test_a_later_attempt_uses_the_pinned_delivery_though_there_is_a_newer_one(
    storage: MemoryStorage, publish: Publish
) -> None:
    deliver(storage, objects(10), days_ago=2)

    def fail(verb: str, url: S3Url) -> None:
        if verb == "upload":
            raise AccessError(f"can't write {url}")

    storage.before = fail
    with pytest.raises(AccessError):
        publish(max_age=dt.timedelta(days=3))
    storage.before = None
    deliver(storage, objects(20), days_ago=0)
    assert publish(max_age=dt.timedelta(days=3), now=NOW + dt.timedelta(days=9)).rows == 10
    assert publish(job_id="another", max_age=dt.timedelta(days=3)).rows == 20


@pytest.mark.parametrize("name", [str, lambda url: str(url).removesuffix("manifest.json"), lambda _url: PREFIX])
def test_a_published_job_stays_with_its_delivery_though_another_of_the_inventory_is_named(
    storage: MemoryStorage, publish: Publish, name: Callable[[S3Url], str]
) -> None:
    """As when a whole run is cleared, and its sensor finds a newer delivery."""
    older = deliver(storage, objects(10), days_ago=2)
    first = publish(inventory=str(older))
    job = storage.files[JobLayout(JOBS / "job").job]
    newer = deliver(storage, objects(20), days_ago=1)
    assert publish(inventory=name(newer)) == first
    assert storage.files[JobLayout(JOBS / "job").job] == job
    assert publish(inventory=name(newer), resume=False).rows == 20


def test_a_job_without_manifest_stays_with_its_delivery_too_and_says_so(
    storage: MemoryStorage, publish: Publish
) -> None:
    older = deliver(storage, objects(10), days_ago=2)
    with pytest.raises(SelectionError):
        publish(inventory=str(older), max_objects=5)
    newer = deliver(storage, objects(20), days_ago=1)
    said = (
        f"this job stays with the delivery that it was started with, {older}, though {newer} is asked for; "
        "set resume=False to start a new job with that one"
    )
    for _ in range(2):
        lines: list[str] = []
        assert publish(inventory=str(newer), log=lines.append).rows == 10
        assert said in lines
    for same in (str(older), str(older).removesuffix("manifest.json"), PREFIX):
        lines = []
        publish(inventory=same, log=lines.append)
        assert not [line for line in lines if "stays with" in line]


def test_a_delivery_of_another_inventory_does_not_resume_the_job(storage: MemoryStorage, publish: Publish) -> None:
    publish(inventory=str(deliver(storage, objects(10), days_ago=2)))
    other = deliver(storage, objects(10), days_ago=1, config_id="weekly")
    with pytest.raises(JobChangedError, match=r"inventory was .*daily.*, is .*weekly"):
        publish(inventory=str(other))


def test_a_pinned_delivery_that_is_gone_is_one_sentence(storage: MemoryStorage, publish: Publish) -> None:
    url = deliver(storage, objects(10), days_ago=2)
    publish()
    storage.delete(JobLayout(JOBS / "job").manifest)
    body = storage.files.pop(url)
    with pytest.raises(InventoryError, match=r"is gone .* Set resume=False"):
        publish()
    storage.files[url] = body + b" "
    with pytest.raises(InventoryError, match=r"has been altered since\. Set resume=False"):
        publish()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"where": "size > 1"}, 'where was "TRUE", is "size > 1"'),
        ({"columns": {"a": "1"}}, r'columns was \{\}, is \{"a": "1"\}'),
        ({"inventory": PREFIX + "-2"}, "inventory was "),
        ({"include_delete_markers": True}, "include_delete_markers was false, is true"),
    ],
)
def test_another_selection_does_not_resume_the_published_job(
    storage: MemoryStorage, publish: Publish, more: dict[str, Any], message: str
) -> None:
    deliver(storage, objects(10))
    publish()
    with pytest.raises(JobChangedError, match=rf"{message}.*Restore it .* or set resume=False"):
        publish(**more)


def test_guards_and_shard_sizes_may_change_between_attempts(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, objects(10))
    with pytest.raises(SelectionError):
        publish(max_objects=5)
    assert publish(max_objects=20, objects_per_shard=5).job_url == JOBS / "job"


def test_a_filter_edited_before_there_is_a_manifest_starts_a_new_job(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, objects(10))
    with pytest.raises(SelectionError):
        publish(max_objects=5)
    narrowed = publish("size < 5", max_objects=5)
    assert (narrowed.job_url, narrowed.rows) == (JOBS / "job-2", 5)
    assert publish("size < 5", max_objects=5) == narrowed


def test_resume_false_starts_beside_the_old_jobs_and_the_newest_counts(
    storage: MemoryStorage, publish: Publish
) -> None:
    deliver(storage, objects(10), days_ago=2)
    first = publish()
    deliver(storage, objects(20), days_ago=1)
    second = publish(resume=False)
    third = publish("size > 0", resume=False)
    assert [m.job_url for m in (first, second, third)] == [JOBS / "job", JOBS / "job-2", JOBS / "job-3"]
    assert [m.rows for m in (first, second, third)] == [10, 20, 19]
    assert publish("size > 0") == third
