"""`ListObjectsToManifestOperator`: its arguments, and that it is what ``s3_batch_job(source=Listing…)`` makes."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_s3batch import ListObjectsToManifestOperator
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operators.origins import Origin
from airflow_s3batch.sources import Listing


def operator(**arguments: Any) -> ListObjectsToManifestOperator:
    defaults = {"task_id": "manifest", "prefix": "s3://lake/logs/", "where": "size > 5", "job_url": "s3://ops/s3batch"}
    return ListObjectsToManifestOperator(**{**defaults, **arguments})


def test_rendered_arguments_describe_a_listing() -> None:
    urls = ["s3://{{ params.lake }}/a", "s3://other"]
    task = operator(prefix=urls, versions=True, max_requests_per_s="{{ params.most }}")
    task.render_template_fields({"params": {"lake": "lake", "most": "50"}})
    assert task.source() == Listing.of("s3://lake/a", "s3://other", versions=True, max_requests_per_s=50.0)
    assert operator().source() == Listing.of("s3://lake/logs/")


@pytest.mark.parametrize(
    ("wrong", "clause"),
    [
        ({"prefix": "lake/logs"}, "prefix='lake/logs' is not an S3 URL"),
        ({"prefix": []}, "names no bucket"),
        ({"prefix": ["s3://lake/a", "s3://lake/a/b"]}, "would come twice"),
        ({"prefix": ["s3://lake/a", "s3://lake/a"]}, "would come twice"),
        ({"max_concurrency": 0}, "max_concurrency=0 must be at least 1"),
        ({"max_requests_per_s": -1}, "max_requests_per_s=-1.0 must be above 0"),
        ({"where": ""}, "where"),
    ],
)
def test_wrong_arguments_are_told_when_the_dag_is_parsed(wrong: dict[str, Any], clause: str) -> None:
    with pytest.raises(ValueError, match=clause):
        operator(**wrong)


def test_a_source_and_the_operators_arguments_say_the_same() -> None:
    source = Listing.of("s3://lake/a", "s3://other", versions=True, owners=True, max_concurrency=7)
    origin = Origin.of(None, source, {})
    assert origin.operator is ListObjectsToManifestOperator
    assert origin.operator.source_of(origin.arguments) == source
    assert not origin.problems({"where": "TRUE", "job_url": "s3://ops/jobs"})


def test_a_job_goes_on_only_with_the_same_listing() -> None:
    then = Listing.of("s3://lake/a").essence()
    assert Listing.of("s3://lake/a", max_concurrency=1).essence() == then
    assert not Listing.of("s3://lake/b").is_same(then, "listing")
    assert not Listing.of("s3://lake/a", versions=True).is_same(then, "versions")


def test_columns_are_known_before_anything_is_listed() -> None:
    current = [column.name for column in Listing.of("s3://lake").known_columns()]
    versions = [column.name for column in Listing.of("s3://lake", versions=True, owners=True).known_columns()]
    assert set(versions) == {*current, "object_owner"}
    assert current[:3] == ["bucket", "key", "size"]
    assert versions[:5] == ["bucket", "key", "version_id", "is_latest", "is_delete_marker"]


def test_a_listing_without_a_way_to_the_store_says_so() -> None:
    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.manifests.sources.dataset import Place
    from airflow_s3batch.testing import MemoryStorage

    place = Place(MemoryStorage(), JobLayout(S3Url("ops", "job")), None, None, print)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="there is no access="):
        Listing.of("s3://lake").find(place)
