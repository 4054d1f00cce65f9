"""Keys survive from the inventory to the shard, whatever is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from deliveries import JOBS, NOW, PREFIX, deliver, deliver_text, published_rows, select
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.planning.publish import publish_manifest
from airflow_s3batch.testing.storage import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_s3batch.core.manifest import Manifest

NASTY = [
    "with space",
    "plus+plus",
    "100%",
    "%2B literally",
    "a%20b",
    "'single' \"double\" `back`",
    "comma,comma",
    "line\nfeed\r\nand\ttab",
    "ünï/日本語/😀",
    "a/../b/./c",
    "/leading/slash",
    "trailing/",
    "double//slash",
    "\x01\x1b[31m\x7f",
    "null",
    "NULL",
    "é" * 512,
    "x" * 1024,
    "\u202eright to left",
    "\ufeffbom",
    "e\u0301 is not é",
    "\\back\\slash",
    "=1+1",
    "🏴\U000e0067\U000e0062",
]


@pytest.mark.parametrize("file_format", ["CSV", "Parquet", "ORC"])
def test_nasty_keys_survive_in_every_format(
    storage: MemoryStorage, publish: Callable[..., Manifest], file_format: str
) -> None:
    deliver(storage, [{"key": key} for key in NASTY], file_format=file_format, files=1)
    assert [row["key"] for row in published_rows(storage, publish())] == NASTY


any_key = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)


@settings(max_examples=30, deadline=None)
@given(st.lists(any_key, min_size=1, max_size=40))
def test_any_key_survives_a_csv_inventory(keys: list[str]) -> None:
    storage = MemoryStorage()
    deliver(storage, [{"key": key} for key in keys], files=1)
    manifest = publish_manifest(storage, JOBS, "job", select(PREFIX, where="TRUE"), now=NOW, threads=1)
    assert [row["key"] for row in published_rows(storage, manifest)] == keys


@pytest.mark.parametrize("field", ["%", "a%2", "a%zzb", "%F", "a%FFb", "%C3", "%ED%A0%80"])
def test_a_key_that_is_not_form_encoded_utf8_is_one_sentence(
    storage: MemoryStorage, publish: Callable[..., Manifest], field: str
) -> None:
    """Neither dropped nor guessed at: a wrong key would be another object."""
    deliver_text(storage, f'"lake","a"\n"lake","{field}"\n')
    with pytest.raises(ManifestError) as caught:
        publish()
    assert field in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_key_in_a_csv_inventory_is_refused_and_its_row_named(
    storage: MemoryStorage, publish: Callable[..., Manifest]
) -> None:
    """It would be the bucket itself."""
    deliver_text(storage, '"lake","a","1"\n"lake","","5"\n', ("bucket", "key", "size"))
    with pytest.raises(
        ManifestError, match=r"a selected row has an empty key \(bucket lake, size 5\); add AND key <> ''"
    ):
        publish()
    assert [row["key"] for row in published_rows(storage, publish("size < 5", job_id="others"))] == ["a"]
    assert publish("TRUE AND key <> ''", job_id="with advice").rows == 1


def test_an_empty_key_in_a_parquet_inventory_is_refused(
    storage: MemoryStorage, publish: Callable[..., Manifest]
) -> None:
    deliver(storage, [{"key": "a"}, {"key": "", "size": 7}], file_format="Parquet")
    with pytest.raises(ManifestError, match=r"an empty key \(bucket lake, size 7\)"):
        publish()


def test_times_with_a_zone_are_brought_to_utc(storage: MemoryStorage, publish: Callable[..., Manifest]) -> None:
    """S3 writes Z; inventories of other stores may not."""
    times = ("2026-01-31T00:00:00.000Z", "2026-01-31T02:00:00+02:00", "2026-01-31T00:00:00")
    deliver_text(
        storage, "".join(f"lake,{n},{time}\n" for n, time in enumerate(times)), ("bucket", "key", "last_modified_date")
    )
    assert publish("last_modified_date = TIMESTAMP '2026-01-31'").rows == len(times)
