"""Which deliveries are news."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.sources.arrivals import KEPT_NAMES, Told, completed_by, delivery_name, next_arrival
from airflow_s3batch.testing import MemoryStorage, write_inventory

INVENTORY = S3Url("inv", "daily/lake/config")
START = datetime(2026, 1, 1, 1, 0, tzinfo=UTC)
NAMES = [f"2026-01-{day:02d}T01-00Z" for day in range(1, 29)]


class Folder:
    """An inventory's folder, and what was complained of."""

    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.complaints: list[str] = []

    def deliver(self, day: int) -> S3Url:
        """Deliver on January *day*."""
        created = START + timedelta(days=day - 1)
        rows = [{"bucket": "lake", "key": "a", "size": 3}]
        return S3Url.parse(
            write_inventory(self.storage, "s3://inv/daily", "lake", rows, config_id="config", created=created)
        )

    def news(self, told: Told | None, *, catch_up: bool = True) -> tuple[str, ...]:
        """Return the names that the next arrival settles; the delivery's own is the last."""
        found = next_arrival(self.storage, INVENTORY, told, catch_up=catch_up, complain=self.complaints.append)
        return () if found is None else found.names


@pytest.fixture
def folder() -> Folder:
    return Folder()


def test_each_delivery_that_is_not_told_is_news_the_oldest_first(folder: Folder) -> None:
    """Also those that came while nobody looked."""
    for day in (1, 2, 3):
        folder.deliver(day)
    told = Told(NAMES[0])
    seen = []
    while names := folder.news(told):
        seen.append(names)
        told = told.plus(*names)
    assert seen == [(NAMES[1],), (NAMES[2],)]


def test_first_look_begins_with_the_newest(folder: Folder) -> None:
    """Years of deliveries may lie there."""
    assert folder.news(None) == ()
    for day in (1, 2, 3):
        folder.deliver(day)
    names = folder.news(None)
    assert names[-1] == NAMES[2]
    assert folder.news(Told(max(names)).plus(*names)) == ()


def test_without_catch_up_the_newest_settles_the_others(folder: Folder) -> None:
    for day in (1, 2, 3, 4):
        folder.deliver(day)
    names = folder.news(Told(NAMES[0]), catch_up=False)
    assert names == (NAMES[1], NAMES[2], NAMES[3])
    assert folder.news(Told(NAMES[0]).plus(*names), catch_up=False) == ()


def test_delivery_counts_when_its_checksum_is_there(folder: Folder) -> None:
    """It may come after that of a younger one; both are told."""
    late = folder.deliver(1)
    checksum = S3Url(late.bucket, late.key.replace(".json", ".checksum"))
    body = folder.storage.files.pop(checksum)
    folder.deliver(2)
    told = Told.before(START - timedelta(days=1))
    assert folder.news(told) == (NAMES[1],)
    told = told.plus(NAMES[1])
    assert folder.news(told) == ()
    folder.storage.files[checksum] = body
    assert folder.news(told) == (NAMES[0],)


def test_damaged_delivery_is_passed_by_with_a_sentence(folder: Folder) -> None:
    """Neither those before it nor those after it are lost."""
    for day in (1, 2, 3):
        folder.deliver(day)
    folder.storage.files[INVENTORY / NAMES[1] / "manifest.json"] += b" "
    assert folder.news(Told(NAMES[0])) == (NAMES[2],)
    assert "damaged" in folder.complaints[0]
    del folder.storage.files[INVENTORY / NAMES[2] / "manifest.checksum"]
    assert folder.news(None)[-1] == NAMES[0]


@given(st.lists(st.sampled_from(NAMES), max_size=40), st.sampled_from(NAMES))
def test_what_was_told_is_remembered_whatever_the_order(names: list[str], floor: str) -> None:
    """Through JSON and back."""
    told = Told(floor)
    for name in names:
        told = Told.from_json(told.plus(name).to_json()) or Told("")
    assert all(told.has(name) for name in [*names, floor])
    assert not any(told.has(name) for name in NAMES if name > floor and name not in names)


def test_memory_is_bounded_and_forgets_the_oldest_first() -> None:
    """What is older than all names that are kept counts as told."""
    names = [f"{year}-01-01T01-00Z" for year in range(2000, 2000 + 3 * KEPT_NAMES)]
    told = Told("").plus(*names)
    assert len(told.names) == KEPT_NAMES
    assert all(told.has(name) for name in names)
    assert not told.has("2999-01-01T01-00Z")


@pytest.mark.parametrize("data", [None, [], "x", {}, {"floor": 1}, {"names": ["a"]}])
def test_edited_memory_is_no_memory(data: object) -> None:
    assert Told.from_json(data) is None


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("daily/lake/config/2026-01-01T01-00Z/manifest.checksum", "2026-01-01T01-00Z"),
        ("daily/lake/config/2026-01-01T01-00Z/manifest.json", None),
        ("daily/lake/other/2026-01-01T01-00Z/manifest.checksum", None),
        ("daily/lake/config/data/manifest.checksum", None),
        ("daily/lake/config/x/2026-01-01T01-00Z/manifest.checksum", None),
        ("manifest.checksum", None),
    ],
)
def test_only_the_checksum_in_the_inventorys_own_folder_completes_a_delivery(key: str, expected: str | None) -> None:
    """Other configurations deliver to the same bucket."""
    found = completed_by(S3Url("inv", key), INVENTORY)
    assert (found and delivery_name(found)) == expected
    assert completed_by(S3Url("other", key), INVENTORY) is None
