"""Cutting rows into shards: every row exactly once."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from staging import staged_files

from airflow_s3batch.manifests.planning.cutting.shards import range_rows_for, shard_sizes, write_shards

if TYPE_CHECKING:
    from pathlib import Path


@given(st.integers(0, 10**9), st.none() | st.integers(1, 10**6), st.integers(1, 500), st.integers(1, 128))
def test_shards_are_equal_complete_and_not_too_many(
    rows: int, per_shard: int | None, max_shards: int, slots: int
) -> None:
    sizes = shard_sizes(rows, per_shard, max_shards, slots)
    assert sum(sizes) == rows
    assert len(sizes) <= max_shards
    assert not sizes or (min(sizes) > 0 and max(sizes) - min(sizes) <= 1)
    if len(sizes) < max_shards - (0 if per_shard else slots) and sizes:
        assert max(sizes) <= (per_shard or 150_000)
    if not per_shard and slots <= len(sizes):
        assert len(sizes) % slots == 0 or len(sizes) == -(-rows // 50_000)


@pytest.mark.parametrize(
    ("rows", "per_shard", "slots", "shards"),
    [
        (0, None, 8, 0),
        (50_000, None, 8, 1),
        (50_001, None, 8, 2),
        (400_001, None, 8, 8),
        (10**6, None, 8, 16),
        (2_400_000, None, 8, 48),
        (7_200_000, None, 8, 48),
        (7_200_001, None, 8, 56),
        (10**7, None, 8, 72),
        (10**7, None, 1, 67),
        (10**7, None, 32, 192),
        (10**9, None, 8, 200),
        (10**9, None, 32, 192),
        (10**9, None, 500, 200),
        (10**6, 50_000, 8, 20),
    ],
)
def test_shards_are_a_minutes_work_and_fill_the_slots_by_default(
    rows: int, per_shard: int | None, slots: int, shards: int
) -> None:
    assert len(shard_sizes(rows, per_shard, 200, slots)) == shards


@pytest.mark.parametrize(("size", "range_rows"), [(0, 250), (10, 250), (50_000, 5_000), (5_000_000, 10_000)])
def test_a_shard_has_about_ten_ranges(size: int, range_rows: int) -> None:
    assert range_rows_for([size, size]) == range_rows


def test_shard_files_depend_on_the_rows_not_on_how_they_were_staged(tmp_path: Path) -> None:
    written = []
    for layout in ([1_000], [100, 0, 7, 93]):
        shards = write_shards(staged_files(tmp_path, 1_000, layout), [334, 333, 333], 50, tmp_path)
        written.append(
            [(s.index, s.rows, s.bytes, s.sha256, pq.read_table(s.path)["size"].to_pylist()) for s in shards]
        )
    assert written[0] == written[1]
    assert sorted(n for *_, sizes in written[0] for n in sizes) == list(range(1_000))
    assert [(len(sizes), sum(sizes)) for *_, sizes in written[0]] == [(s[1], s[2]) for s in written[0]]
    assert not list(tmp_path.glob("shard-*"))


def test_shards_that_run_at_the_same_time_begin_in_different_parts_of_the_key_space(tmp_path: Path) -> None:
    files = staged_files(tmp_path, 60_000, [20_000])
    shards = write_shards(files, [6_000] * 10, 600, tmp_path)
    numbers = [pq.read_table(shard.path)["size"].to_pylist() for shard in shards]
    assert sorted(n for shard in numbers for n in shard) == list(range(60_000))
    begins = sorted(shard[0] for shard in numbers)
    assert min(later - earlier for earlier, later in pairwise(begins)) > 600


def test_a_row_group_is_a_row_range(tmp_path: Path) -> None:
    for shard in write_shards(staged_files(tmp_path, 1_000, [64]), [500, 500], 200, tmp_path):
        metadata = pq.read_metadata(shard.path)
        assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [200, 200, 100]
