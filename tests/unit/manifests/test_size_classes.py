"""Objects by size: counted by the planner, kept in the manifest, added up for the report."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.core.size_classes import BOUNDS, added
from airflow_s3batch.manifests.planning.counting.size_count import SizeCount
from airflow_s3batch.reports.accounts.sizes import size_histogram

SIZES = st.lists(st.one_of(st.none(), st.integers(0, 100 * 1024**3), st.sampled_from(BOUNDS)), max_size=50)


def classes_of(*chunks: list[int | None]) -> Any:
    count = SizeCount()
    for chunk in chunks:
        count.add(pa.chunked_array([pa.array(chunk, pa.int64())]))
    return count.classes()


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES)
def test_each_size_is_in_the_class_whose_bounds_it_is_between(
    first: list[int | None], second: list[int | None]
) -> None:
    known = [size for size in [*first, *second] if size is not None]
    bounds = [(0, BOUNDS[0]), *zip(BOUNDS, (*BOUNDS[1:], float("inf")), strict=True)]
    inside = [[size for size in known if least <= size < below] for least, below in bounds]
    assert classes_of(first, second) == tuple((len(sizes), sum(sizes)) for sizes in inside)


def shard(index: int, *sizes: int | None) -> ShardFile:
    return ShardFile(index, f"k{index}", len(sizes), 0, 1, "0" * 64, classes_of(list(sizes)))


def manifest(*shards: ShardFile) -> Manifest:
    return Manifest(S3Url("b", "job"), sum(each.rows for each in shards), 0, 10, (), shards, "f", 99)


def test_manifest_keeps_them_and_the_report_adds_them_up() -> None:
    made = manifest(shard(0, 0, 5, None), shard(1, 5, 2**40))
    read = Manifest.from_json(made.to_json(), place="s3://b/manifest.json")
    assert read == made
    found = size_histogram(read)
    told = [(entry["at_least"], entry["below"], entry["objects"], entry["bytes"]) for entry in found["classes"]]
    assert [entry for entry in told if entry[2]] == [(0, 1, 1, 0), (1, 1024, 2, 10), (BOUNDS[-1], None, 1, 2**40)]
    assert found["unknown"] == 1


@pytest.mark.parametrize("classes", [(), ((1, 1), (2, 2))], ids=["none", "others"])
def test_where_somebody_did_not_count_nothing_is_told(classes: Any) -> None:
    """Manifests of earlier releases have no counts; those of later ones may have other classes."""
    made = manifest(shard(0, 1), dataclasses.replace(shard(1, 1), sizes=classes))
    assert size_histogram(made) == {}
    assert size_histogram(manifest()) == {}


def test_manifest_of_an_earlier_release_can_be_read() -> None:
    data = json.loads(manifest(shard(0, 1)).to_json())
    del data["source_rows"], data["shards"][0]["sizes"]
    read = Manifest.from_json(json.dumps(data), place="s3://b/manifest.json")
    assert (read.source_rows, read.shards[0].sizes, read.sizes) == (None, (), ())


def test_sums_of_nothing_are_nothing() -> None:
    assert added([]) == ()
