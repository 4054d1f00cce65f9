"""Which rows a rehearsal is done on."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.checks.sampling import MOST_RANGES, MOST_SHARDS, Sample, sampled


def manifest_of(rows: list[int], range_rows: int, job: str = "job") -> Manifest:
    shards = tuple(ShardFile(index, f"shard-{index}", number, 0, 0, "") for index, number in enumerate(rows))
    return Manifest(S3Url("ops", f"jobs/{job}"), sum(rows), 0, range_rows, (), shards, "0" * 16)


def rows_in(sample: Sample) -> Counter[tuple[int, int, int]]:
    return Counter(
        (shard, index, ordinal)
        for shard, ranges in sample.items()
        for index, flags in ranges.items()
        for ordinal, flag in enumerate(flags)
        if flag
    )


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.integers(1, 200), min_size=1, max_size=40),
    range_rows=st.integers(1, 50),
    objects=st.integers(1, 500),
    job=st.text("abc123-", min_size=1, max_size=8),
)
def test_each_row_at_most_once_as_many_as_asked_for_and_from_few_files(
    rows: list[int], range_rows: int, objects: int, job: str
) -> None:
    """The bounds are only exceeded by what it takes to hold the sample."""
    manifest = manifest_of(rows, range_rows, job)
    sample = sampled(manifest, objects)
    found = rows_in(sample)
    assert len(found) == min(objects, manifest.rows)
    for shard, ranges in sample.items():
        expected = {entry.index: entry.rows for entry in manifest.shards[shard].ranges(range_rows)}
        assert {index: len(flags) for index, flags in ranges.items()}.items() <= expected.items()
        assert all(any(flags) for flags in ranges.values())
    smallest_range = min(entry.rows for shard in manifest.shards for entry in shard.ranges(range_rows))
    assert len(sample) <= max(MOST_SHARDS, -(-objects // min(rows)))
    assert sum(map(len, sample.values())) <= max(MOST_RANGES, -(-objects // smallest_range))
    assert sampled(manifest, objects) == sample


def test_a_large_job_is_sampled_from_a_few_files() -> None:
    manifest = manifest_of([1_000_000] * 200, 10_000)
    sample = sampled(manifest, 1_000)
    assert len(sample) <= MOST_SHARDS
    assert sum(map(len, sample.values())) <= MOST_RANGES
    assert sum(rows_in(sample).values()) == 1_000


def test_another_job_gets_another_sample() -> None:
    one, other = (sampled(manifest_of([5_000] * 20, 100, job), 50) for job in ("one", "other"))
    assert rows_in(one) != rows_in(other)


def test_every_row_has_about_the_same_chance() -> None:
    """Whatever the sizes of the shards and ranges are; 1,000 jobs draw 8 of 80 rows, 100 times each row."""
    drawn: Counter[tuple[int, int, int]] = Counter()
    for job in range(1_000):
        drawn.update(rows_in(sampled(manifest_of([50, 5, 20, 5], 10, str(job)), 8)))
    assert len(drawn) == 80
    assert 60 < min(drawn.values()) <= max(drawn.values()) < 140
