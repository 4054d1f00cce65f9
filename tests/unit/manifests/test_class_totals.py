"""Totals by storage class: counted as rows pass, bounded whatever a file calls a class, and kept in the manifest."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.manifest import UNKNOWN_CLASS, Manifest, ShardFile
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.counting.class_totals import MOST_CLASSES, ClassTotals, added

ROWS = st.lists(
    st.tuples(st.sampled_from(["STANDARD", "GLACIER", "", None]), st.one_of(st.none(), st.integers(0, 2**40))),
    max_size=50,
)


def batch_of(rows: list[tuple[str | None, int | None]]) -> pa.RecordBatch:
    classes, sizes = [row[0] for row in rows], [row[1] for row in rows]
    return pa.record_batch([pa.array(classes, pa.string()), pa.array(sizes, pa.int64())], ["storage_class", "size"])


@given(parts=st.lists(ROWS, max_size=4))
def test_every_row_and_byte_is_counted_once(parts: list[list[tuple[str | None, int | None]]]) -> None:
    """Whatever the batches, the totals are those of all rows together; what has no class is unknown."""
    totals = ClassTotals()
    for rows in parts:
        totals.add(batch_of(rows))
    expected: dict[str, tuple[int, int]] = {}
    for name, size in (row for rows in parts for row in rows):
        known = name or UNKNOWN_CLASS
        before = expected.get(known, (0, 0))
        expected[known] = before[0] + 1, before[1] + (size or 0)
    assert totals.totals() == expected


def test_names_that_a_file_invents_do_not_grow_the_manifest() -> None:
    """Of a thousand names some are kept, and the rows of all others are unknown; none is lost."""
    totals = ClassTotals()
    for first in (0, 500):
        totals.add(batch_of([(f"X{number}", 2) for number in range(first, first + 500)]))
    found = totals.totals()
    assert len(found) <= MOST_CLASSES + 1
    assert sum(rows for rows, _ in found.values()) == 1_000
    assert sum(size for _, size in found.values()) == 2_000
    assert found[UNKNOWN_CLASS][0] >= 1_000 - MOST_CLASSES


def test_groups_add_up_unless_one_did_not_count() -> None:
    """A group that an older release planned has no totals, so the whole job has none."""
    assert added([{"A": [1, 2]}, {"A": (3, 4), "B": (5, 6)}]) == {"B": (5, 6), "A": (4, 6)}
    assert added([{"A": (1, 2)}, {}]) == {}


def manifest(**more: object) -> Manifest:
    shard = ShardFile(0, "job/manifest/shard.parquet", 3, 30, 100, "0" * 64)
    return Manifest(S3Url("ops", "job"), 3, 30, 250, (), (shard,), "f", **more)  # type: ignore[arg-type]


def test_manifest_keeps_the_totals() -> None:
    """What is written comes back."""
    kept = manifest(storage_classes={"STANDARD": (2, 20), UNKNOWN_CLASS: (1, 10)})
    assert Manifest.from_json(kept.to_json(), place="m") == kept


def test_manifest_of_an_older_release_has_none() -> None:
    """It stays readable."""
    text = manifest().to_json()
    assert "storage_classes" not in json.loads(text)
    assert Manifest.from_json(text, place="m").storage_classes == {}


@pytest.mark.parametrize("damage", [{"STANDARD": [2, 20]}, {"STANDARD": [3]}, ["STANDARD"], {"STANDARD": None}])
def test_totals_that_do_not_add_up_are_damage(damage: object) -> None:
    """A manifest that was altered is refused, not half believed."""
    document = {**json.loads(manifest().to_json()), "storage_classes": damage}
    with pytest.raises(JobDamagedError, match="m: "):
        Manifest.from_json(json.dumps(document), place="m")
