"""Price tables: what each request, gigabyte and fee costs, and where the number comes from. Only read here."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from importlib.resources import files
from typing import Any, NamedTuple

from airflow_s3batch.core.errors import ArgumentError

FORMAT = "airflow-s3batch-prices/1"
SHIPPED_REGION = "us-east-1"

UNITS: Mapping[str, str] = {
    "write": "PUT, COPY, POST and LIST requests on objects of this class",
    "read": "GET, HEAD and other requests on objects of this class",
    "storage": "GB-months of storage",
    "retrieval": "GB read",
    "restore.requests": "restore requests",
    "restore.bytes": "GB restored",
    "batch.jobs": "jobs of S3 Batch Operations",
    "batch.objects": "objects worked on by S3 Batch Operations",
    "batch.checksums": "GB read by S3 Batch Operations for checksums",
    "lambda.requests": "Lambda invocations",
    "lambda.gb_seconds": "GB-seconds of Lambda",
    "kms.requests": "KMS requests",
    "tags": "tags kept for a month",
    "transfer.regions": "GB moved to another region",
}
"""What each name of a price begins with, and what it is the price of; a GB is 10⁹ bytes."""

_CLASS, _TIER = r"[A-Z][A-Z0-9_]{0,39}", "BULK|STANDARD|EXPEDITED"
_NAME = re.compile(
    rf"(?:write|read|storage|retrieval)\.{_CLASS}|restore\.(?:requests|bytes)\.{_CLASS}\.(?:{_TIER})|"
    r"batch\.(?:jobs|objects|checksums)|lambda\.(?:requests|gb_seconds)|kms\.requests|tags|transfer\.regions"
).fullmatch
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?").fullmatch


class Price(NamedTuple):
    """
    One price.

    Attributes:
        amount: for *per* units.
        page: where it comes from; *date* (year, month or day) is that of the page, ``None`` if it bears none.
        is_verified: it was read in the seller's own text, or in a dated copy of it.
    """

    amount: Decimal
    per: int
    page: str = ""
    date: str | None = None
    is_verified: bool = True

    def of(self, quantity: int | Decimal) -> Decimal:
        """Return what *quantity* units cost."""
        return self.amount * quantity / self.per


@dataclass(frozen=True, slots=True)
class PriceTable:
    """
    Prices of one region.

    Attributes:
        region: of the store, as it names it.
        date: when the table was made, ISO.
        prices: by name, such as ``write.STANDARD``; `UNITS` has what the names begin with. What is missing has no known
            price, which is not the same as a price of 0.
    """

    region: str
    currency: str
    date: str
    prices: Mapping[str, Price]

    @classmethod
    def from_json(cls, text: str | bytes, *, place: str) -> PriceTable:
        """
        Return the table that *text* holds; *place* names it in the error. ``docs/cost.md`` has the form.

        A table that ``extends`` the shipped one has its prices, but for those that it names itself.

        Raises:
            ArgumentError: tells all that is wrong with it.
        """
        try:
            document = json.loads(text, parse_float=Decimal)
        except ValueError as error:
            raise ArgumentError(f"price table {place}: it is not JSON ({error})") from None
        if problems := list(_problems(document)):
            raise ArgumentError(f"price table {place}: {'; '.join(problems)}")
        base = shipped_prices().prices if document.get("extends") else {}
        pages = document.get("sources", {})
        own = {name: _price(entry, pages) for name, entry in document["prices"].items()}
        return cls(document["region"], document["currency"], document["date"], {**base, **own})

    def of(self, name: str) -> Price | None:
        """Return the price called *name*, ``None`` if the table has none."""
        return self.prices.get(name)


def shipped_prices() -> PriceTable:
    """Return the table that comes with this package: AWS's list prices of us-east-1, without tiers and discounts."""
    name = f"{SHIPPED_REGION}.json"
    text = (files("airflow_s3batch.costs") / "tables" / name).read_text("utf-8")
    return PriceTable.from_json(text, place=name)


def _price(entry: Mapping[str, Any], sources: Mapping[str, Any]) -> Price:
    source = sources.get(str(entry.get("source")), {})
    return Price(
        Decimal(str(entry["price"])),
        int(entry["per"]),
        str(source.get("page", "")),
        source.get("date"),
        not entry.get("unverified", False),
    )


def _problems(document: Any) -> Iterator[str]:
    """Yield what is wrong with *document*, a clause each."""
    if not isinstance(document, dict):
        yield "it holds no JSON object"
        return
    if document.get("format") != FORMAT:
        yield f"format is {document.get('format')!r}; this version reads {FORMAT!r}"
        return
    for name in ("region", "currency", "date"):
        if not isinstance(document.get(name), str) or not document[name]:
            yield f"{name} is {document.get(name)!r}; expected a text"
    if not _DATE(str(document.get("date"))):
        yield f"date is {document.get('date')!r}; expected a day such as 2026-07-28"
    if document.get("extends") not in (None, SHIPPED_REGION):
        yield f"extends is {document['extends']!r}; only {SHIPPED_REGION!r} comes with this package"
    elif document.get("extends") and document.get("currency") != "USD":
        yield f"extends {SHIPPED_REGION!r}, whose prices are in USD; currency is {document.get('currency')!r}"
    yield from _source_problems(document.get("sources", {}))
    prices = document.get("prices")
    if not isinstance(prices, dict):
        yield "prices is missing: an object of prices by name"
        return
    for name, entry in prices.items():
        yield from _price_problems(name, entry, document.get("sources", {}))


def _source_problems(sources: Any) -> Iterator[str]:
    if not isinstance(sources, dict) or not all(isinstance(source, dict) for source in sources.values()):
        yield "sources is not an object of sources by name, each with page and date"
        return
    for name, source in sources.items():
        if not isinstance(source.get("page"), str):
            yield f"sources: {name!r} has no page"
        if source.get("date") is not None and not _DATE(str(source["date"])):
            yield f"sources: {name!r} has date {source['date']!r}; expected a day such as 2026-07-28, or null"


def _price_problems(name: str, entry: Any, sources: Any) -> Iterator[str]:
    if not _NAME(name):
        close = difflib.get_close_matches(name, shipped_names(), n=1)
        yield f"prices: there is no price {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")
        return
    if not isinstance(entry, dict):
        yield f"prices: {name!r} is {entry!r}; expected an object with price and per"
        return
    if not _is_amount(entry.get("price")):
        yield f'prices: {name!r} has price {entry.get("price")!r}; expected a number from 0 on, such as "0.005"'
    per = entry.get("per")
    if not isinstance(per, int) or isinstance(per, bool) or per < 1:
        yield f"prices: {name!r} has per {per!r}; expected for how many units the price is, from 1 on"
    if isinstance(sources, dict) and entry.get("source") is not None and entry["source"] not in sources:
        yield f"prices: {name!r} has source {entry['source']!r}, which sources does not have"
    if unknown := sorted(set(entry) - {"price", "per", "source", "unverified"}):
        yield f"prices: {name!r} has {', '.join(map(repr, unknown))}; expected price, per, source and unverified only"


def _is_amount(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return False
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return False
    return amount.is_finite() and amount >= 0


def shipped_names() -> list[str]:
    """Return the names of all prices of the shipped table, for whoever writes another one."""
    text = (files("airflow_s3batch.costs") / "tables" / f"{SHIPPED_REGION}.json").read_text("utf-8")
    return list(json.loads(text)["prices"])
