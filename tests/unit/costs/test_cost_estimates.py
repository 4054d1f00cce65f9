"""Estimates: what is counted, what is a range, and how it is told."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.core.errors import ArgumentError, JobDamagedError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.size_classes import BOUNDS, GIB, MIB
from airflow_s3batch.costs import CostEstimate, PriceTable, Totals, estimate, money, shipped_prices
from airflow_s3batch.costs.counting import AWS, SAMPLE, sent_for, spans_for
from airflow_s3batch.operations import (
    ALL_OPERATIONS,
    Column,
    ComputeObjectChecksum,
    CopyObject,
    DeleteObject,
    InOrder,
    LambdaInvoke,
    MergeObjectTagging,
    MoveObject,
    Operation,
    PutObjectAcl,
    PutObjectLegalHold,
    PutObjectRetention,
    PutObjectTagging,
    PythonInvoke,
    ReplicateObject,
    RestoreObject,
    RewriteObject,
    UpdateObjectEncryption,
)
from airflow_s3batch.operations.tags.tagging import DeleteObjectTagging

PRICES = shipped_prices()
KEY = "arn:aws:kms:us-east-1:123456789012:key/k"
MANY = Totals(10_000_000, 10**13, {"STANDARD": (10_000_000, 10**13)}, shards=80, jobs=2)
OPERATIONS: list[Operation] = [
    ComputeObjectChecksum("CRC32"),
    CopyObject("target"),
    DeleteObject(),
    DeleteObjectTagging(),
    LambdaInvoke("f"),
    MergeObjectTagging({"k": "v"}),
    MoveObject("target"),
    PutObjectAcl("private"),
    PutObjectLegalHold("ON"),
    PutObjectRetention("GOVERNANCE", days=3),
    PutObjectTagging({"k": "v"}),
    PythonInvoke("os:getcwd"),
    ReplicateObject(),
    RestoreObject(3),
    RewriteObject("SSE-S3"),
    UpdateObjectEncryption(KEY),
]
OPERATIONS += [kind.example() for kind in ALL_OPERATIONS if kind not in map(type, OPERATIONS)]


def amounts(operation: Operation, totals: Totals = MANY, engine: str = "worker") -> dict[str, tuple[Any, Any]]:
    return {item.what: (item.least, item.most) for item in estimate(totals, operation, engine, PRICES).items}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_workers_and_the_service_have_an_estimate_of_every_operation(operation: Operation) -> None:
    """Low is not above high, the words are there, and what is written is read again."""
    engines = ["worker"] if operation.runs_on_workers else []
    engines += [] if operation.managed_problems() else ["managed"]
    for engine in engines:
        found = estimate(MANY, operation, engine, PRICES)
        assert Decimal(0) <= found.low <= found.high
        assert found.requests[0] <= found.requests[1]
        assert all(text.endswith(".") for text in (*found.assumptions, *found.not_included))
        assert CostEstimate.from_json(json.loads(json.dumps(found.to_json())), place="c") == found


def test_ten_million_objects_are_tagged() -> None:
    """Worked by hand: 10 M writes at 0.005 $ a thousand; AWS's own service takes a fee a job and one an object."""
    assert amounts(PutObjectTagging({"k": "v"}))["PUT, COPY and POST requests (STANDARD)"][0] == Decimal(50)
    managed = amounts(PutObjectTagging({"k": "v"}), engine="managed")
    assert managed["objects worked on by S3 Batch Operations"] == (10, 10)
    assert managed["jobs of S3 Batch Operations"] == (Decimal("0.5"), Decimal("0.5"))
    found = estimate(MANY, PutObjectTagging({"k": "v"}), "managed", PRICES)
    assert found.total == "60.50 $"
    assert found.monthly == (0, 10)


def test_deletes_share_requests_that_may_be_free() -> None:
    """A thousand keys a request, and a rest in each shard."""
    found = estimate(MANY, DeleteObject(), "worker", PRICES)
    assert found.requests == (10_000, 10_079)
    assert found.low == 0
    assert found.high < Decimal("0.06")


def test_deleting_cold_objects_early_is_the_high_end() -> None:
    """1,000 GB of GLACIER for three months that nobody uses, and 32 KiB beside each object."""
    cold = Totals(1_000, 10**12, {"GLACIER": (1_000, 10**12)})
    found = amounts(DeleteObject(), cold)
    low, high = found["GB-months of GLACIER that are billed although the objects go early"]
    assert (low, round(high, 2)) == (0, Decimal("10.80"))


def test_small_cold_objects_are_billed_as_larger_ones() -> None:
    """Ten million of a kilobyte: 128 KiB each in the classes for rare access, 32 KiB more each in archives."""
    counted = tuple((10**7, 10**10) if index == 1 else (0, 0) for index in range(len(BOUNDS) + 1))
    for name, billed in (("STANDARD_IA", 128 * 1024), ("DEEP_ARCHIVE", 1_000 + 32 * 1024)):
        for sizes in (counted, ()):
            totals = Totals(10**7, 10**10, {name: (10**7, 10**10)}, sizes)
            items = {item.what: item.high for item in estimate(totals, DeleteObject(), "worker", PRICES).items}
            months = 1 if name == "STANDARD_IA" else 6
            expected = Decimal(billed) / 100 * months
            assert items[f"GB-months of {name} that are billed although the objects go early"] == expected


def test_parts_for_an_archive_cost_what_parts_cost_and_only_their_end_what_archives_do() -> None:
    """A hundred objects of 100 GiB: about 200 parts each."""
    large = Totals(100, 100 * 100 * GIB, {"STANDARD": (100, 100 * 100 * GIB)})
    found = estimate(large, RewriteObject(storage_class="DEEP_ARCHIVE"), "worker", PRICES)
    assert {item.what: item.high for item in found.items}["PUT, COPY and POST requests (DEEP_ARCHIVE)"] == 101


def test_what_is_wanted_already_is_only_looked_at() -> None:
    """Merged tags are read, written and read again, or only read."""
    assert estimate(MANY, MergeObjectTagging({"k": "v"}), "worker", PRICES).requests == (10_000_000, 30_000_000)
    assert estimate(MANY, CopyObject("t", skip_existing="same-etag"), "worker", PRICES).requests[0] == 10_000_000
    assert estimate(MANY, MoveObject("t"), "worker", PRICES).requests == (40_000_000, 40_000_000)


def test_copies_cost_what_writes_to_the_target_class_cost() -> None:
    """And cold sources are billed by the byte."""
    cold = Totals(1_000_000, 10**12, {"GLACIER_IR": (1_000_000, 10**12)})
    found = amounts(CopyObject("t", storage_class="DEEP_ARCHIVE"), cold)
    assert found["PUT, COPY and POST requests (DEEP_ARCHIVE)"][0] == Decimal(50)
    assert found["GB read from GLACIER_IR"] == (30, 30)
    kept = amounts(RewriteObject("SSE-S3"), cold)  # a rewrite keeps the class
    assert kept["PUT, COPY and POST requests (GLACIER_IR)"] == (0, Decimal("20.2"))


def test_restores_cost_by_tier() -> None:
    """Requests, bytes, and the copies for as long as they stay; what is not archived is only refused."""
    totals = Totals(
        3_000, 3 * 10**12, {"GLACIER": (1_000, 10**12), "DEEP_ARCHIVE": (1_000, 10**12), "STANDARD": (1_000, 10**12)}
    )
    found = amounts(RestoreObject(30, "STANDARD"), totals)
    assert found["restore requests (GLACIER, tier STANDARD)"][0] == Decimal("0.05")
    assert found["GB restored from GLACIER, tier STANDARD"] == (10, 10)
    assert found["GB restored from DEEP_ARCHIVE, tier STANDARD"] == (20, 20)
    assert found["GB-months of restored copies, kept for 30 days"] == (46, 46)
    assert not any("from STANDARD" in what for what in found)
    bulk = amounts(RestoreObject(30), Totals(1_000, 10**12, {"GLACIER": (1_000, 10**12)}))
    assert set(bulk) == {"GB-months of restored copies, kept for 30 days"}


def test_kms_is_asked_once_a_write_unless_there_is_a_bucket_key() -> None:
    """With a bucket key nobody knows how often."""
    plain, keyed = RewriteObject("SSE-KMS", "k"), CopyObject("t", encryption="SSE-KMS", bucket_key_enabled=True)
    assert amounts(CopyObject("t", encryption="SSE-KMS"))["KMS requests"][0] == 30
    assert amounts(plain)["KMS requests"] == (0, Decimal("30.3"))
    assert amounts(keyed)["KMS requests"][0] == 0
    assert "KMS requests" not in amounts(CopyObject("t", encryption="SSE-S3"))


def sized(rows: int, each: int) -> Totals:
    """Return totals of objects of *each* bytes, counted by size class."""
    index = next((n for n, bound in enumerate(BOUNDS) if each < bound), len(BOUNDS))
    sizes = tuple((rows, rows * each) if n == index else (0, 0) for n in range(len(BOUNDS) + 1))
    return Totals(rows, rows * each, {"STANDARD": (rows, rows * each)}, sizes)


def requests(operation: Operation, totals: Totals, api: str) -> tuple[int, int]:
    found = {sent.api: span for sent, span in spans_for(operation, totals, SAMPLE).items()}
    low, high = found.get(api, (0, 0))
    return low, high


def test_large_copies_are_counted_in_parts() -> None:
    """50 GiB are 100 parts of 512 MiB; 4 GiB are one request."""
    copy = CopyObject("t")
    assert requests(copy, sized(10, 50 * GIB), "UploadPartCopy") == (1_000, 1_010)
    assert requests(copy, sized(10, 4 * GIB), "UploadPartCopy") == (0, 0)
    assert requests(copy, sized(10, 4 * GIB), "CopyObject") == (10, 10)
    near = CopyObject("t", multipart_threshold_bytes=64 * MIB)  # in the middle of a size class
    low, high = requests(near, sized(10, 40 * MIB), "UploadPartCopy")
    assert (low, high) == (0, 20)


@pytest.mark.parametrize("size", [0, 1, 64 * MIB, 64 * MIB + 1, 5 * GIB, 100 * GIB])
def test_checksums_read_every_byte_in_ranges(size: int) -> None:
    """As many requests as 64 MiB go into it, one at least; and nothing is computed for it."""
    sends = sent_for(ComputeObjectChecksum("SHA512"), SAMPLE._replace(size=size), AWS)
    assert sends.total() == max(1, -(-size // (64 * MIB)))
    composite = sent_for(ComputeObjectChecksum("SHA512", "COMPOSITE"), SAMPLE._replace(size=min(size, 20 * MIB)), AWS)
    parts = max(1, -(-min(size, 20 * MIB) // (8 * MIB)))
    assert sum(number for sent, number in composite.items() if sent.api == "HeadObject") == parts


@given(
    rows=st.lists(st.integers(0, 10**6), min_size=len(BOUNDS) + 1, max_size=len(BOUNDS) + 1),
    unsized=st.integers(0, 10**6),
    cold=st.integers(0, 10**6),
)
def test_no_object_is_left_out_of_a_count(rows: list[int], unsized: int, cold: int) -> None:
    """Whatever the sizes and classes: what takes one request an object takes as many as there are objects."""
    sizes = tuple((number, number * (BOUNDS[n - 1] if n else 0)) for n, number in enumerate(rows))
    number = sum(rows) + unsized
    cold = min(cold, number)
    classes = {"STANDARD": (number - cold, 0), "GLACIER": (cold, 0)}
    totals = Totals(number, sum(size for _, size in sizes), classes, sizes)
    found = spans_for(PutObjectTagging({"k": "v"}), totals, SAMPLE)
    assert sum(span.low for span in found.values()) == sum(span.high for span in found.values()) == number


def test_steps_of_a_sequence_add_up() -> None:
    found = estimate(MANY, InOrder((PutObjectTagging({"a": "b"}), CopyObject("t"), DeleteObject())), "worker", PRICES)
    assert found.requests == (30_000_000, 30_000_000)


def test_columns_have_the_values_of_a_row() -> None:
    """Without the column there is no estimate, but a sentence."""
    sample = S3Object("b", "k", columns={"class": "GLACIER_IR"})
    found = estimate(MANY, CopyObject("t", storage_class=Column("class")), "worker", PRICES, sample=sample)
    assert found.items[0].what == "PUT, COPY and POST requests (GLACIER_IR)"
    bad = sample._replace(columns={"class": "COLD"})
    with pytest.raises(ArgumentError, match="storage_class"):
        estimate(MANY, CopyObject("t", storage_class=Column("class")), "worker", PRICES, sample=bad)


def test_versions_and_e_tags_of_the_manifest_matter() -> None:
    """A rewrite of an object whose ETag the manifest has is not refused by the ideal store, and is counted."""
    versioned = SAMPLE._replace(version_id="v1", e_tag="f" * 32)
    assert sent_for(RewriteObject("SSE-S3"), versioned, AWS).total() == 2
    without = SAMPLE._replace(e_tag=None)
    assert {sent.api for sent in sent_for(DeleteObject(), without, AWS)} == {"HeadObject", "DeleteObject"}


def test_a_price_that_is_missing_is_told_and_not_taken_for_free() -> None:
    table = PriceTable("here", "EUR", "2026", {})
    found = estimate(MANY, PutObjectTagging({"k": "v"}), "worker", table)
    assert found.high == 0
    assert any(
        "no price for PUT, COPY and POST requests (STANDARD) (write.STANDARD)" in text for text in found.not_included
    )


def test_an_unknown_class_is_told() -> None:
    found = estimate(Totals(5, 5), PutObjectTagging({"k": "v"}), "worker", PRICES)
    assert any("The storage class of 5 objects is not known" in text for text in found.assumptions)


def test_an_empty_manifest_costs_nothing() -> None:
    assert estimate(Totals(0, 0), DeleteObject(), "worker", PRICES).total == "0 $"


def test_the_sentence_says_how_much_what_for_and_whose_prices() -> None:
    found = estimate(MANY, PutObjectTagging({"k": "v"}), "managed", PRICES)
    assert found.sentence() == (
        "estimated cost 60.50 $, most of it for PUT, COPY and POST requests (STANDARD); then 0 $ to 10.00 $ a month "
        "(prices of us-east-1, 2026-07-28, some of them not verified)"
    )


@pytest.mark.parametrize("damage", [{"format": "x"}, {"requests": [1]}, {"items": [{}]}, {"items": 3}])
def test_a_damaged_estimate_is_told(damage: dict[str, Any]) -> None:
    document = {**estimate(MANY, DeleteObject(), "worker", PRICES).to_json(), **damage}
    with pytest.raises(JobDamagedError, match=r"^s3://ops/cost\.json: "):
        CostEstimate.from_json(document, place="s3://ops/cost.json")


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "0 $"),
        ("0.00001", "less than 0.0001 $"),
        ("0.0004", "0.0004 $"),
        ("0.00045", "0.0005 $"),
        ("0.05", "0.05 $"),
        ("0.5", "0.50 $"),
        ("0.99996", "1.00 $"),
        ("1", "1.00 $"),
        ("1234.56", "1,234.56 $"),
        ("1234567.891", "1,234,567.89 $"),
    ],
)
def test_money_is_readable(amount: str, shown: str) -> None:
    assert money(Decimal(amount), "USD") == shown


def test_other_currencies_are_named() -> None:
    assert (money(Decimal(2), "EUR"), money(Decimal(2), "CHF")) == ("2.00 €", "2.00 CHF")
