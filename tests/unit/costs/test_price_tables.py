"""Price tables: where each number comes from, and what is said of a table that is wrong."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, get_args

import pytest

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.costs.billing import BILLING
from airflow_s3batch.costs.prices import FORMAT, PriceTable, shipped_prices
from airflow_s3batch.operations import ALL_OPERATIONS
from airflow_s3batch.operations.types import StorageClass

GOOD: dict[str, Any] = {
    "format": FORMAT,
    "region": "eu-central-1",
    "currency": "EUR",
    "date": "2026-11-01",
    "sources": {"contract": {"page": "our contract", "date": None}},
    "prices": {"write.STANDARD": {"price": "0.0051", "per": 1000, "source": "contract"}},
}


def read(**changes: Any) -> PriceTable:
    return PriceTable.from_json(json.dumps({**GOOD, **changes}), place="s3://ops/prices.json")


def test_shipped_table_names_the_page_of_every_price() -> None:
    """And it has requests and storage of every class that copies can be made in."""
    table = shipped_prices()
    assert (table.region, table.currency) == ("us-east-1", "USD")
    assert [name for name, price in table.prices.items() if not price.page.startswith("https://")] == []
    for name in get_args(StorageClass):
        assert all(table.of(f"{kind}.{name}") for kind in ("write", "read", "storage"))
    assert table.prices["write.STANDARD"].of(10_000_000) == Decimal(50)
    assert not table.prices["batch.jobs"].is_verified


def test_every_request_of_every_operation_has_a_bill() -> None:
    """A request that nobody knows the price of can't be forgotten."""
    declared = {request for operation in ALL_OPERATIONS for request in operation.requests}
    assert declared == set(BILLING)


def test_a_table_of_ones_own_has_its_own_prices_only() -> None:
    """What it does not have is not free: it has no price."""
    table = read()
    assert table.prices == {"write.STANDARD": (Decimal("0.0051"), 1000, "our contract", None, True)}
    assert table.of("read.STANDARD") is None


def test_a_table_can_extend_the_shipped_one() -> None:
    """Its own prices win."""
    table = read(extends="us-east-1", currency="USD")
    assert table.prices["write.STANDARD"].amount == Decimal("0.0051")
    assert table.prices["read.STANDARD"] == shipped_prices().prices["read.STANDARD"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": "x/1"}, "format is 'x/1'; this version reads 'airflow-s3batch-prices/1'"),
        ({"region": ""}, "region is ''; expected a text"),
        ({"date": "yesterday"}, "date is 'yesterday'; expected a day such as 2026-07-28"),
        ({"extends": "eu-central-1"}, "extends is 'eu-central-1'; only 'us-east-1' comes with this package"),
        ({"extends": "us-east-1"}, "extends 'us-east-1', whose prices are in USD; currency is 'EUR'"),
        ({"prices": None}, "prices is missing"),
        ({"sources": []}, "sources is not an object"),
        ({"sources": {"a": {"date": "2026"}}}, "sources: 'a' has no page"),
        ({"sources": {"a": {"page": "p", "date": "soon"}}}, "sources: 'a' has date 'soon'"),
        ({"prices": {"writes.STANDARD": {}}}, "there is no price 'writes.STANDARD'; did you mean 'write.STANDARD'?"),
        ({"prices": {"write.STANDARD": 0.005}}, "'write.STANDARD' is Decimal('0.005'); expected an object"),
        ({"prices": {"tags": {"price": "-1", "per": 1}}}, "'tags' has price '-1'; expected a number from 0 on"),
        ({"prices": {"tags": {"price": "NaN", "per": 1}}}, "'tags' has price 'NaN'"),
        ({"prices": {"tags": {"price": "1e", "per": 1}}}, "'tags' has price '1e'"),
        ({"prices": {"tags": {"price": True, "per": 1}}}, "'tags' has price True"),
        ({"prices": {"tags": {"price": "1", "per": 0}}}, "'tags' has per 0; expected for how many units"),
        ({"prices": {"tags": {"price": "1", "per": 1, "source": "x"}}}, "has source 'x', which sources does not have"),
        ({"prices": {"tags": {"price": "1", "per": 1, "unit": "x"}}}, "'tags' has 'unit'; expected price, per"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(changes: dict[str, Any], told: str) -> None:
    """A sentence that names the file, the entry, and what was expected."""
    with pytest.raises(ArgumentError) as caught:
        read(**changes)
    assert str(caught.value).startswith("price table s3://ops/prices.json: ")
    assert told in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ArgumentError, match=r"region.*per 0.*price '-1'"):
        read(region=None, prices={"tags": {"price": "1", "per": 0}, "kms.requests": {"price": "-1", "per": 1}})


@pytest.mark.parametrize("text", ["", "[]", "{", b"\xff", "null"])
def test_what_is_no_table_at_all_is_told(text: str | bytes) -> None:
    with pytest.raises(ArgumentError, match=r"price table p\.json: it "):
        PriceTable.from_json(text, place="p.json")
