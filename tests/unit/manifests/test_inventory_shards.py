"""Cutting rows into shards: every row exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.manifests.planning.shards import range_rows_for, shard_sizes, write_shards

if TYPE_CHECKING:
    from pathlib import Path


@given(st.integers(0, 10**9), st.none() | st.integers(1, 10**6), st.integers(1, 500))
def test_shards_are_equal_complete_and_not_too_many(rows: int, per_shard: int | None, max_shards: int) -> None:
    sizes = shard_sizes(rows, per_shard, max_shards)
    assert sum(sizes) == rows
    assert len(sizes) <= max_shards
    assert not sizes or (min(sizes) > 0 and max(sizes) - min(sizes) <= 1)
    if len(sizes) < max_shards and sizes:
        assert max(sizes) <= (per_shard or 50_000)


@pytest.mark.parametrize(
    ("rows", "per_shard", "shards"),
    [(0, None, 0), (1, None, 1), (50_000, None, 1), (50_001, None, 2), (10**9, None, 200)],
)
def test_shards_have_fifty_thousand_rows_by_default(rows: int, per_shard: int | None, shards: int) -> None:
    assert len(shard_sizes(rows, per_shard, 200)) == shards


@pytest.mark.parametrize(("size", "range_rows"), [(0, 250), (10, 250), (50_000, 5_000), (5_000_000, 10_000)])
def test_a_shard_has_about_ten_ranges(size: int, range_rows: int) -> None:
    assert range_rows_for([size, size]) == range_rows


def staged_file(path: Path, first: int, rows: int, row_group_size: int) -> Path:
    numbers = list(range(first, first + rows))
    table = pa.table({"key": [f"k{n}" for n in numbers], "size": pa.array(numbers, pa.int64()), "team": ["a"] * rows})
    pq.write_table(table, path, row_group_size=row_group_size)
    return path


def test_shard_files_depend_on_the_rows_not_on_how_they_were_staged(tmp_path: Path) -> None:
    one = [staged_file(tmp_path / "one", 0, 1_000, 1_000)]
    many = [staged_file(tmp_path / f"many{n}", n * 100, 100, 7 + n) for n in range(10)]
    many.insert(3, staged_file(tmp_path / "empty", 0, 0, 1))
    written = []
    for staged in (one, many):
        shards = write_shards(staged, [334, 333, 333], 50, tmp_path)
        written.append(
            [(s.index, s.rows, s.bytes, s.sha256, pq.read_table(s.path)["size"].to_pylist()) for s in shards]
        )
    assert written[0] == written[1]
    assert [n for *_, sizes in written[0] for n in sizes] == list(range(1_000))
    assert [total for _, _, total, _, _ in written[0]] == [
        sum(range(334)),
        sum(range(334, 667)),
        sum(range(667, 1_000)),
    ]
    assert not list(tmp_path.glob("shard-*"))


def test_a_row_group_is_a_row_range(tmp_path: Path) -> None:
    staged = [staged_file(tmp_path / "one", 0, 1_000, 64)]
    for shard in write_shards(staged, [500, 500], 200, tmp_path):
        metadata = pq.read_metadata(shard.path)
        assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [200, 200, 100]
