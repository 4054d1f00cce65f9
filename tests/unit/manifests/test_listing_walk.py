"""A walk lists each entry exactly once, or says that the store's order does not allow it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listed_store import ListedStore, Walked

from airflow_s3batch.core.errors import AccessError, InfrastructureError, ManifestError
from airflow_s3batch.manifests.sources.listing.ranges import BINARY, BY_FOLDER, Order, after_all
from airflow_s3batch.manifests.sources.listing.walk import OutOfOrderError
from airflow_s3batch.operations.requests import Request, Response

KEYS = st.lists(
    st.one_of(
        st.text("ab/-0", min_size=1, max_size=6),
        st.integers(0, 500).map("logs/part-{:06d}.gz".format),
        st.text(min_size=1, max_size=4),
    ),
    max_size=120,
    unique=True,
)
KEY = st.text("ab/-", min_size=1, max_size=4)
WINDOWS = st.sampled_from([1, 2, 7, 40])
SEEDS = st.integers(0, 5)
QUICK = settings(max_examples=25, deadline=None)


def by_folder(key: str) -> list[str]:
    return key.split("/")


@QUICK
@given(KEYS, WINDOWS, SEEDS, st.integers(1, 8))
def test_each_key_comes_exactly_once(keys: list[str], window: int, seed: int, page: int) -> None:
    assert sorted(Walked(ListedStore(keys, page=page), BINARY, window=window, seed=seed).keys) == sorted(keys)


@QUICK
@given(KEYS.map(lambda keys: [key.replace("\0", "0") for key in keys]), WINDOWS, SEEDS, st.integers(1, 8))
def test_likewise_in_a_store_that_lists_folder_by_folder(keys: list[str], window: int, seed: int, page: int) -> None:
    store = ListedStore(keys, page=page, rank=by_folder)
    assert sorted(Walked(store, BY_FOLDER, window=window, seed=seed).keys) == sorted({*keys})


def scattered(key: str) -> bytes:
    return hashlib.md5(key.encode()).digest()


ORDERS = st.sampled_from([by_folder, scattered, str.lower, lambda key: key[::-1]])


@QUICK
@given(
    KEYS, WINDOWS, SEEDS, st.integers(1, 8), st.sampled_from([by_folder, scattered, str.lower, lambda key: key[::-1]])
)
def test_another_order_is_told_and_never_loses_a_key(
    keys: list[str], window: int, seed: int, page: int, rank: Callable[[str], object]
) -> None:
    keys = list({str(rank(key)): key for key in keys}.values())
    try:
        found = Walked(ListedStore(keys, page=page, rank=rank), BINARY, window=window, seed=seed).keys
    except OutOfOrderError:
        found = Walked(ListedStore(keys, page=page, rank=rank), None, window=window, seed=seed).keys
    assert sorted(found) == sorted(keys)


def swapped(key: str) -> str:
    return key.translate(str.maketrans("bc", "cb"))


@pytest.mark.parametrize("seed", range(12))
def test_keys_that_only_a_cut_could_lose_are_missed_at_the_seam(seed: int) -> None:
    """Each range ascends by itself, but the store lists ``c`` before ``b``, and a cut between them skips both."""
    keys = [f"{letter}{n:02d}" for letter in "abcd" for n in range(40)]
    store = ListedStore(keys, page=10, rank=swapped)
    try:
        found = Walked(store, BINARY, window=4, seed=seed).keys
    except OutOfOrderError:
        found = keys
    assert sorted(found) == keys


def test_keys_out_of_order_are_told_at_the_first_page() -> None:
    store = ListedStore(["a/1", "a-1", *(f"b{n}" for n in range(99))], page=10, rank=by_folder)
    with pytest.raises(OutOfOrderError, match="keys do not come in UTF-8 binary order"):
        Walked(store, BINARY)
    assert len(store.requests) == 1


class Forgetful(ListedStore):
    """Begins again with the versions of the key at which a page has ended."""

    def listed_versions(self, query: dict[str, str]) -> str:
        if query.pop("version-id-marker", None):
            before = [key for key in self.keys() if key < query["key-marker"]]
            query["key-marker"] = before[-1] if before else ""
        return super().listed_versions(query)


@pytest.mark.parametrize("order", [BINARY, None])
def test_a_version_that_comes_again_on_the_next_page_is_taken_once(order: Order | None) -> None:
    versions = {"a": [("1", False)], "b": [("3", False), ("2", True)], "c": [("4", False)]}
    rows = Walked(Forgetful(versions=versions, page=3), order).rows
    assert sorted(rows) == [("a", "1", False), ("b", "2", True), ("b", "3", False), ("c", "4", False)]


@QUICK
@given(
    st.dictionaries(
        st.text("ab/-", min_size=1, max_size=4), st.lists(st.booleans(), min_size=1, max_size=7), max_size=30
    ),
    WINDOWS,
    SEEDS,
    st.integers(1, 8),
)
def test_each_version_and_delete_marker_comes_exactly_once(
    keys: dict[str, list[bool]], window: int, seed: int, page: int
) -> None:
    versions = {key: [(f"v{n}", is_marker) for n, is_marker in enumerate(kinds)] for key, kinds in keys.items()}
    walked = Walked(ListedStore(versions=versions, page=page), BINARY, window=window, seed=seed)
    assert sorted(walked.rows) == sorted((key, *entry) for key, entries in versions.items() for entry in entries)


SHAPES = {
    "one flat prefix": [f"data/{n:09d}.parquet" for n in range(20_000)],
    "one hot prefix of many": [f"{n}/x" for n in range(300)] + [f"150/hot/{n:07d}" for n in range(20_000)],
    "a long common beginning": [
        f"warehouse/sales/version=1/day=2026-01-01/part-{n:05d}-c000.gz" for n in range(20_000)
    ],
    "deep": [f"{n % 7}/{n % 11}/{n % 13}/{n % 17}/{n}" for n in range(20_000)],
    "hashes": [hashlib.md5(str(n).encode()).hexdigest() for n in range(20_000)],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_work_is_shared_whatever_the_shape_of_the_keys(shape: str) -> None:
    """With few requests more than pages; the requests in flight are as many as may be."""
    keys = SHAPES[shape]
    store = ListedStore(keys, page=100)
    walked = Walked(store, BINARY, window=16)
    assert sorted(walked.keys) == sorted(keys)
    assert walked.most_flying == 16
    pages = len(keys) // 100
    assert len(store.requests) <= 2 * pages
    assert walked.walk.pages <= 1.4 * pages


def test_a_small_prefix_takes_one_request() -> None:
    store = ListedStore([f"a/{n}" for n in range(9)], page=10)
    Walked(store, BINARY, prefix="a/", window=16)
    assert store.requests == [{}]


@pytest.mark.parametrize("seed", range(6))
def test_what_is_there_all_the_time_comes_once_while_others_write_and_delete(seed: int) -> None:
    chance = random.Random(seed)
    lasting = {f"{chance.randrange(1000):03d}/{n}" for n in range(3_000)}
    store = ListedStore(sorted(lasting), page=20)

    def interfere() -> None:
        for _ in range(3):
            key = f"{chance.randrange(1000):03d}/passing-{chance.randrange(50)}"
            if store.versions.pop(key, None) is None:
                store.versions[key] = [("null", False)]
            store.changed()

    store.between = interfere
    found = Walked(store, BINARY, window=12, seed=seed).keys
    assert len(found) == len(set(found))
    assert lasting <= set(found)


class Deaf(ListedStore):
    """Takes no notice of where it is told to begin."""

    def behind(self, key: str) -> list[str]:
        return self.keys()


class Stuck(ListedStore):
    """Understands where to begin, but not its own tokens."""

    def listed(self, query: dict[str, str]) -> str:
        return super().listed({name: value for name, value in query.items() if name != "continuation-token"})


@pytest.mark.parametrize("kind", [Deaf, Stuck])
def test_a_store_that_gives_the_same_page_again_is_found_out(kind: type[ListedStore]) -> None:
    store = kind([f"{n:03d}" for n in range(100)])
    with pytest.raises(OutOfOrderError):
        Walked(store, BINARY, most_requests=100)
    with pytest.raises(ManifestError, match="with the same page"):
        Walked(store, None, most_requests=100)


class DeafToKeys(ListedStore):
    """Understands its own tokens, but not where else to begin."""

    def listed(self, query: dict[str, str]) -> str:
        return super().listed({name: value for name, value in query.items() if name != "start-after"})


def test_a_store_that_ignores_start_after_is_listed_in_turn() -> None:
    keys = [f"{n:04d}" for n in range(5_000)]
    with pytest.raises(OutOfOrderError):
        Walked(DeafToKeys(keys, page=100), BINARY, window=16)
    assert Walked(DeafToKeys(keys, page=100), None, window=16).keys == keys


class Broken(ListedStore):
    """Cuts off each page *times* times."""

    times = 1

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.cut: dict[object, int] = {}

    def answer(self, request: Request) -> Response:
        whole = super().answer(request)
        self.cut[request.query] = self.cut.get(request.query, 0) + 1
        return whole if self.cut[request.query] > self.times else whole._replace(body=whole.body[:-30])


def test_a_page_that_is_cut_off_is_asked_for_again() -> None:
    keys = [f"{n:03d}" for n in range(300)]
    assert sorted(Walked(Broken(keys), BINARY).keys) == keys
    lasting = Broken(keys)
    lasting.times = 99
    with pytest.raises(InfrastructureError, match="page of its listing can't be read: it is not well-formed"):
        Walked(lasting, BINARY)


def test_keys_outside_the_prefix_are_never_taken() -> None:
    with pytest.raises(ManifestError, match="lists others, too"):
        Walked(ListedStore(["a/1", "b/1"]), BINARY, prefix="a/")


@pytest.mark.parametrize(
    ("code", "status", "error", "words"),
    [
        ("AccessDenied", 403, AccessError, "s3:ListBucket"),
        ("NoSuchBucket", 404, AccessError, "there is no such bucket"),
        ("NotImplemented", 501, AccessError, "look whether it has ListObjectsV2"),
        ("SlowDown", 503, InfrastructureError, "SlowDown"),
    ],
)
def test_a_refusal_names_the_next_step(code: str, status: int, error: type[Exception], words: str) -> None:
    store = ListedStore(["a"])
    store.answer = lambda _: Response(status, {}, b"", code, "words of the store")  # type: ignore[method-assign]
    with pytest.raises(error, match=words):
        Walked(store, BINARY)


@given(st.text(min_size=1, max_size=3), st.text(max_size=3))
def test_after_all_is_above_all_that_begin_alike(prefix: str, rest: str) -> None:
    assert prefix + rest < after_all(prefix)


def test_a_range_is_never_cut_outside_itself() -> None:
    """Not even where keys have characters at the very end of Unicode."""
    keys = [f"\U0010ffff{chr(0xE000 + n)}{m}" for n in range(40) for m in range(40)]
    order: Order = BINARY
    assert sorted(Walked(ListedStore(keys, page=15), order, window=9).keys) == sorted(keys)
