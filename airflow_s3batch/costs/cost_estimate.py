"""The estimate itself: its items, its sums, its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple, Self

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.costs.money import money_range

FORMAT = "airflow-s3batch-cost/1"
MOST_LINES = 8


class CostItem(NamedTuple):
    """
    One line of an estimate.

    Attributes:
        what: in words.
        low: quantity at least, *high* at most, of what *price* is for *per*.
        is_verified: whether the price was read in the seller's own text, or in a dated copy of it.
        is_monthly: paid each month from then on, so not part of the sum.
    """

    what: str
    low: Decimal
    high: Decimal
    price: Decimal
    per: int
    is_verified: bool = True
    is_monthly: bool = False

    @property
    def least(self) -> Decimal:
        """The amount of money at least."""
        return self.low * self.price / self.per

    @property
    def most(self) -> Decimal:
        """The amount of money at most."""
        return self.high * self.price / self.per

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready, numbers as texts; `from_json` reads it."""
        return {
            "what": self.what,
            "quantity": [_plain(self.low), _plain(self.high)],
            "price": _plain(self.price),
            "per": self.per,
            "amount": [_plain(self.least), _plain(self.most)],
            "is_verified": self.is_verified,
            "is_monthly": self.is_monthly,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the item that `to_json` wrote."""
        low, high = (Decimal(quantity) for quantity in data["quantity"])
        flags = {name: bool(data[name]) for name in ("is_verified", "is_monthly")}
        return cls(str(data["what"]), low, high, Decimal(data["price"]), int(data["per"]), **flags)


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """
    What a job is expected to cost.

    Attributes:
        items: lines, those that cost most first.
        requests: how many requests the objects take, at least and at most; those that cost nothing among them.
        region: whose prices these are; *date* is that of the table.
        assumptions: what was taken for granted, a sentence each.
        not_included: what else may be billed, a sentence each.
    """

    items: tuple[CostItem, ...]
    requests: tuple[int, int]
    currency: str
    region: str
    date: str
    assumptions: tuple[str, ...] = ()
    not_included: tuple[str, ...] = ()

    @property
    def low(self) -> Decimal:
        """The sum at least."""
        return sum((item.least for item in self.items if not item.is_monthly), Decimal(0))

    @property
    def high(self) -> Decimal:
        """The sum at most."""
        return sum((item.most for item in self.items if not item.is_monthly), Decimal(0))

    @property
    def monthly(self) -> tuple[Decimal, Decimal]:
        """What is paid each month from then on, at least and at most."""
        kept = [item for item in self.items if item.is_monthly]
        return sum((item.least for item in kept), Decimal(0)), sum((item.most for item in kept), Decimal(0))

    @property
    def total(self) -> str:
        """The sum for people: ``60.25 $``, or ``60.25 $ to 61.10 $``."""
        return money_range(self.low, self.high, self.currency)

    def with_assumption(self, sentence: str) -> Self:
        """Return the same estimate with one more thing that was taken for granted, told first."""
        return replace(self, assumptions=(sentence, *self.assumptions))

    def brief(self) -> dict[str, Any]:
        """Return what fits where there is little room: the sums and the largest items, amounts as people read them."""
        names = ("total", "sentence", "low", "high", "currency", "region", "date")
        told = self.to_json()
        lines = {item.what: money_range(item.least, item.most, self.currency) for item in self.items[:MOST_LINES]}
        return {**{name: told[name] for name in names}, "requests": list(self.requests), "items": lines}

    def sentence(self) -> str:
        """Return the estimate in a line: the sum, what most of it is for, whose prices."""
        first = next((item for item in self.items if not item.is_monthly and item.most), None)
        most = f", most of it for {first.what}" if first and sum(not item.is_monthly for item in self.items) > 1 else ""
        unsure = ", some of them not verified" if any(not item.is_verified for item in self.items) else ""
        each = f"; then {money_range(*self.monthly, self.currency)} a month" if self.monthly[1] else ""
        return f"estimated cost {self.total}{most}{each} (prices of {self.region}, {self.date}{unsure})"

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready, amounts as texts; `from_json` reads it."""
        return {
            "format": FORMAT,
            "total": self.total,
            "sentence": self.sentence(),
            "low": _plain(self.low),
            "high": _plain(self.high),
            "monthly": [_plain(amount) for amount in self.monthly],
            "currency": self.currency,
            "region": self.region,
            "date": self.date,
            "requests": list(self.requests),
            "items": [item.to_json() for item in self.items],
            "assumptions": list(self.assumptions),
            "not_included": list(self.not_included),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, place: str) -> Self:
        """
        Return the estimate that `to_json` wrote; *place* is its URL for the error.

        Raises:
            JobDamagedError: *data* is no such estimate.
        """
        try:
            check_format(data["format"], FORMAT, place=place)
            low, high = data["requests"]
            return cls(
                tuple(CostItem.from_json(item) for item in data["items"]),
                (int(low), int(high)),
                str(data["currency"]),
                str(data["region"]),
                str(data["date"]),
                tuple(map(str, data["assumptions"])),
                tuple(map(str, data["not_included"])),
            )
        except (ValueError, KeyError, TypeError, ArithmeticError) as error:
            raise JobDamagedError(f"{place}: not an estimate of this package ({error!r})") from None


def _plain(number: Decimal) -> str:
    """Return *number* as digits without an exponent, and without zeros behind the last digit."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
