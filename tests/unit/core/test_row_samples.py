"""A sample that every task draws for itself, and that is the same for all of them."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.core.row_samples import sample_sizes, sampled_rows

SHARDS = st.lists(st.integers(1, 10_000), min_size=1, max_size=30)


@given(st.integers(1, 400_000), SHARDS, st.text())
def test_sizes_add_up_to_what_was_asked_for_in_proportion_to_the_shards(
    number: int, rows: list[int], seed: str
) -> None:
    sizes = sample_sizes(number, rows, seed)
    assert sum(sizes) == min(number, sum(rows))
    share = min(1.0, number / sum(rows))
    assert all(0 <= size <= most and abs(size - share * most) < 1.01 for size, most in zip(sizes, rows, strict=True))
    assert sample_sizes(number, rows, seed) == sizes


@given(st.integers(0, 50), st.sets(st.integers(0, 2**40), max_size=100), st.text(), st.randoms())
def test_rows_are_chosen_by_nothing_but_their_number_and_the_seed(
    number: int, rows: set[int], seed: str, rng: random.Random
) -> None:
    """In whatever order they come; with more rows to choose from, none comes in that was passed over before."""
    shuffled = sorted(rows)
    rng.shuffle(shuffled)
    found = sampled_rows(number, shuffled, seed)
    assert found == sampled_rows(number, sorted(rows), seed)
    assert len(found) == min(number, len(rows))
    assert set(found) <= rows
    more = set(sampled_rows(number, {*rows, *range(2**41, 2**41 + 20)}, seed))
    assert more & rows <= set(found)


def test_each_row_has_about_the_same_chance() -> None:
    """Of 50 rows in 3 shards, over 2,000 seeds; a fair one strays no further than this but once in a million."""
    shards, number, seeds = [25, 20, 5], 5, 2_000
    chosen: Counter[tuple[int, int]] = Counter()
    for seed in map(str, range(seeds)):
        for shard, size in enumerate(sample_sizes(number, shards, seed)):
            chosen.update((shard, row) for row in sampled_rows(size, range(shards[shard]), f"{seed} {shard}"))
    expected = seeds * number / sum(shards)
    assert len(chosen) == 50
    assert all(abs(times - expected) < 5.5 * (expected * 0.9) ** 0.5 for times in chosen.values())
