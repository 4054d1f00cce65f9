"""Where the failures are, counted in memory that no job and no key makes grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_s3batch.reports.accounts.prefixes import MOST_KEPT, MOST_TOLD, Failures, PrefixCount, by_prefix, prefix_of


def failures_in(rows: Iterable[tuple[str, str, str]]) -> Failures:
    return by_prefix(Counter((code, f"{bucket}/{key.rpartition('/')[0]}") for code, bucket, key in rows))


def counted(*keys: str, code: str = "AccessDenied", bucket: str = "lake") -> PrefixCount:
    count = PrefixCount()
    count.add(failures_in((code, bucket, key) for key in keys))
    return count


def told(count: PrefixCount) -> dict[str, int]:
    return {entry["prefix"]: entry["failed"] for entry in count.to_json()}


def test_prefix_is_bucket_and_first_folders() -> None:
    assert prefix_of("lake", "a/b/c/d") == "lake/a/b/c/"
    assert prefix_of("lake", "a") == "lake/a/"
    assert prefix_of("lake", "") == "lake/"
    assert prefix_of("lake", "/") == "lake///"
    assert len(prefix_of("lake", "x" * 900)) < 130


def test_all_failures_in_one_folder_are_told_as_deep_as_it_is() -> None:
    assert told(counted("a/b/c/1", "a/b/c/2", "a/b/c/3/4")) == {"s3://lake/a/b/c/": 3}


def test_failures_all_over_the_place_are_told_by_what_they_have_in_common() -> None:
    keys = [f"logs/{day}/{n}/x.gz" for day in range(60) for n in range(3)]
    assert told(counted(*keys)) == {"s3://lake/logs/": 180}


def test_codes_are_told_by_prefix() -> None:
    count = counted("a/1", "a/2", "b/3")
    count.add(failures_in([("NoSuchKey", "lake", "a/4")]))
    first, second = count.to_json()
    assert (first["prefix"], first["codes"]) == ("s3://lake/a/", {"AccessDenied": 2, "NoSuchKey": 1})
    assert (second["prefix"], second["failed"], second["is_exact"]) == ("s3://lake/b/", 1, True)


def test_an_attackers_keys_don_t_fill_the_memory() -> None:
    """A folder of its own for every object, each a thousand characters long, beside one where the trouble is."""
    count = PrefixCount()
    for start in range(0, 20_000, 1_000):
        rows = [("Denied", "lake", f"{n:06d}{'x' * 900}/k") for n in range(start, start + 1_000)]
        count.add(failures_in([*rows, *[("Denied", "lake", "bad/k")] * 300]))
        assert all(len(level.counts) <= 2 * MOST_KEPT for level in count._levels)
    assert max(len(prefix) for level in count._levels for _, prefix in level.counts) < 200
    deep = next(level for level in count._levels if level.depth == 1)
    assert 6_000 - deep.lost <= dict(deep.by_prefix())["lake/bad/"] <= 6_000


KEYS = st.lists(st.sampled_from([f"{a}/{b}/k" for a in "abc" for b in range(40)]), max_size=300)


@settings(max_examples=60, deadline=None)
@given(KEYS)
def test_few_prefixes_are_counted_exactly(keys: list[str]) -> None:
    found = counted(*keys).to_json()
    depth = found[0]["prefix"].count("/") - 3 if found else 0
    exact = Counter("/".join(["s3://lake", *key.split("/")[:-1][:depth], ""]) for key in keys)
    assert {entry["prefix"]: entry["failed"] for entry in found} == dict(exact.most_common(MOST_TOLD))
    assert len(found) <= MOST_TOLD
