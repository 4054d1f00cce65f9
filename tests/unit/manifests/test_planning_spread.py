"""Rows are dealt from all over the key space: each exactly once, and the same in every attempt."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from staging import staged_files

from airflow_s3batch.manifests.planning.cutting.spread import SECTIONS, dealt, turn_rows_for
from airflow_s3batch.manifests.planning.cutting.stage_files import BATCH_BYTES, RowReader, StagedFile, StageWriter

LAYOUTS = st.lists(st.integers(0, 60), min_size=1, max_size=5).filter(lambda sizes: sizes[-1] > 20)
QUICK = settings(max_examples=50, deadline=None)


def numbers_of(files: list[StagedFile], turn_rows: int, sections: int) -> list[int]:
    return [n for batch in dealt(files, turn_rows, sections) for n in batch["size"].to_pylist()]


@QUICK
@given(st.integers(0, 300), st.integers(1, 9), st.integers(1, 12), LAYOUTS, LAYOUTS)
def test_every_row_is_dealt_once_and_the_layout_of_the_files_does_not_matter(
    rows: int, turn_rows: int, sections: int, layout: list[int], other: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        order = numbers_of(staged_files(Path(one), rows, layout), turn_rows, sections)
        assert order == numbers_of(staged_files(Path(two), rows, other), turn_rows, sections)
    assert sorted(order) == list(range(rows))


@settings(max_examples=15, deadline=None)
@given(st.integers(61 * 60, 61 * 80), st.integers(1, 5))
def test_any_round_has_rows_from_every_section(rows: int, turn_rows: int) -> None:
    """So nowhere do tasks that run at the same time meet in one part of the key space for long."""
    with tempfile.TemporaryDirectory() as name:
        order = numbers_of(staged_files(Path(name), rows, [1_000]), turn_rows, SECTIONS)
    one_round = turn_rows * SECTIONS
    for first in range(0, rows - 6 * one_round, 97):
        window = order[first : first + one_round]
        sections = {n * SECTIONS // rows for n in window}
        assert len(sections) >= SECTIONS - 2
    starts = [order[round_ * one_round] * SECTIONS // rows for round_ in range(10)]
    assert all(later != earlier for earlier, later in pairwise(starts))


@pytest.mark.parametrize(("range_rows", "turn_rows"), [(250, 4), (5_000, 81), (10_000, 163), (1, 1)])
def test_a_row_range_has_rows_from_every_section(range_rows: int, turn_rows: int) -> None:
    assert turn_rows_for(range_rows) == turn_rows
    assert turn_rows * SECTIONS <= max(range_rows, SECTIONS)


def test_few_rows_keep_their_order(tmp_path: Path) -> None:
    assert numbers_of(staged_files(tmp_path, SECTIONS, [7]), 4, SECTIONS) == list(range(SECTIONS))


def test_long_rows_are_staged_in_small_batches(tmp_path: Path) -> None:
    """Each of the readers holds a batch, so a batch has a bounded size, not only a bounded number of rows."""
    batch = pa.record_batch({"key": ["k" * 1_000] * 4_000})
    with StageWriter(tmp_path / "rows", batch.schema) as writer:
        writer.write(batch)
    sizes = [end - begin for begin, end in pairwise((0, *writer.file.ends))]
    assert sum(sizes) == 4_000
    assert max(sizes) * 1_000 <= BATCH_BYTES


@QUICK
@given(st.integers(0, 50), st.integers(0, 50), st.lists(st.integers(1, 20), max_size=5), LAYOUTS)
def test_a_reader_gives_its_rows_in_pieces_of_any_size(
    first: int, end: int, pieces: list[int], layout: list[int]
) -> None:
    first, end = sorted((first, end))
    with tempfile.TemporaryDirectory() as name, RowReader(staged_files(Path(name), 50, layout), first, end) as reader:
        taken = [[n for batch in reader.take(rows) for n in batch["size"].to_pylist()] for rows in pieces]
    expected = list(range(first, end))
    for rows, got in zip(pieces, taken, strict=True):
        assert got == expected[:rows]
        expected = expected[rows:]
