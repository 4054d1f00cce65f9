"""From what there is to work on, and what is to be done to it, to an estimate of what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_s3batch.core.manifest import UNKNOWN_CLASS
from airflow_s3batch.costs.billing import BILLING
from airflow_s3batch.costs.cost_estimate import CostEstimate, CostItem
from airflow_s3batch.costs.counting import AWS, SAMPLE, Span, Spans, sent_for, spans_for
from airflow_s3batch.costs.early_deletion import billed_bytes, early_deletion
from airflow_s3batch.costs.words import assumptions, not_included, steps_of

if TYPE_CHECKING:
    from airflow_s3batch.core.objects import S3Object
    from airflow_s3batch.costs.ideal_store import Sent
    from airflow_s3batch.costs.prices import PriceTable
    from airflow_s3batch.costs.totals import Totals
    from airflow_s3batch.operations.base import Operation

REPEATED = Decimal("0.01")
"""Share of the requests that the high end has sent again; more where the store is slow or asks to slow down."""

GB = 10**9
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING")
_PLACES = Decimal("0.000001")


def estimate(
    totals: Totals,
    operation: Operation,
    engine: str,
    prices: PriceTable,
    *,
    sample: S3Object = SAMPLE,
) -> CostEstimate:
    """
    Return what *operation* costs on all objects of *totals*, by list prices.

    What depends on what nobody knows before (whether an object is as wanted already, how old it is) is a range from
    low to high. *engine* is ``worker`` or ``managed``; *sample* is one of the objects, with its columns.

    Raises:
        ArgumentError: the operation can't take the values of *sample*.
        ManifestError: *sample* lacks a column.
    """
    spans = managed_spans(operation, totals, sample) if engine == "managed" else spans_for(operation, totals, sample)
    bill = _Bill(prices, totals)
    bill.take_requests(spans, repeated=Decimal(0) if engine == "managed" else REPEATED)
    bill.take_bytes(spans)
    bill.take_restores(spans, operation)
    if engine == "managed":
        bill.take_service(operation)
    bill.take_tags(operation, spans)
    requests = sum(span.low for span in spans.values()), sum(span.high for span in spans.values())
    items = sorted(bill.items, key=lambda item: (item.is_monthly, -item.most, item.what))
    return CostEstimate(
        tuple(items),
        requests,
        prices.currency,
        prices.region,
        prices.date,
        tuple(assumptions(operation, engine, totals, spans)),
        (*bill.unpriced(), *not_included(operation, engine, totals, prices, spans)),
    )


def managed_spans(operation: Operation, totals: Totals, sample: S3Object) -> Spans:
    """Return how many of each request AWS's own service sends: one for each object, of the kind it is named after."""
    found: Counter[Sent] = Counter()
    for storage_class, (rows, _) in totals.classes.items():
        obj = sample._replace(storage_class=storage_class, size=0)
        sends = sent_for(operation, obj, AWS) if operation.runs_on_workers else Counter()
        for sent in sends:
            if sent.api in operation.requests[:1]:
                found[sent] += rows
    return {sent: Span(number, number) for sent, number in found.items()}


class _Bill:
    """Items under way, and the names of prices that the table does not have."""

    def __init__(self, prices: PriceTable, totals: Totals) -> None:
        self._prices = prices
        self._totals = totals
        self._missing: dict[str, Decimal] = {}
        self.items: list[CostItem] = []

    def add(self, name: str, what: str, low: Decimal | int, high: Decimal | int, *, is_monthly: bool = False) -> None:
        """Add *low* to *high* units of the price *name*."""
        if not high:
            return
        price = self._prices.of(name)
        if price is None:
            self._missing[f"{what} ({name})"] = Decimal(high)
        elif price.amount:
            least, most = (Decimal(number).quantize(_PLACES).normalize() for number in (low, high))
            self.items.append(CostItem(what, least, most, price.amount, price.per, price.is_verified, is_monthly))

    def unpriced(self) -> Iterator[str]:
        """Yield what there is no price for, a sentence each."""
        for what, high in self._missing.items():
            yield f"The price table has no price for {what}: up to {high:,.0f}."

    def take_requests(self, spans: Spans, *, repeated: Decimal) -> None:
        """Add the requests, summed up by their price, and those to KMS; the high end has a share of them *repeated*."""
        sums: dict[str, list[Decimal]] = {}
        for sent, span in spans.items():
            for name, low in _request_prices(sent, span):
                entry = sums.setdefault(name, [Decimal(0), Decimal(0)])
                entry[0] += low
                entry[1] += span.high * (1 + repeated)
        for name, (low, high) in sorted(sums.items()):
            self.add(name, _request_words(name), low, high.to_integral_value())

    def take_bytes(self, spans: Spans) -> None:
        """Add what is billed by the byte for reading cold objects, and for replacing or deleting them early."""
        for storage_class, (rows, size) in self._totals.classes.items():
            reads = _share(spans, storage_class, rows, "reads")
            gb = Decimal(size) / GB
            if self._prices.of(f"retrieval.{storage_class}"):
                self.add(f"retrieval.{storage_class}", f"GB read from {storage_class}", gb * reads[0], gb * reads[1])
            replaced = _share(spans, storage_class, rows, "replaces")[1]
            months = early_deletion(storage_class)
            what = f"GB-months of {storage_class} that are billed although the objects go early"
            billed_gb = billed_bytes(storage_class, self._totals) / GB
            self.add(f"storage.{storage_class}", what, 0, billed_gb * replaced * months)

    def take_restores(self, spans: Spans, operation: Operation) -> None:
        """Add what a restore costs besides its requests: bytes, and the copies while they are there."""
        kept_gb = Decimal(0)
        for sent in spans:
            rows, size = self._totals.classes.get(sent.storage_class, (0, 0))
            if sent.tier and rows and sent.storage_class in _ARCHIVES:
                gb = Decimal(size) / GB
                what = f"GB restored from {sent.storage_class}, tier {sent.tier}"
                self.add(f"restore.bytes.{sent.storage_class}.{sent.tier}", what, gb, gb)
                kept_gb += gb if sent.storage_class in ("GLACIER", "DEEP_ARCHIVE") else 0
        days = getattr(operation, "days", None)
        if kept_gb and str(days).isdigit():
            kept = kept_gb * int(str(days)) / 30
            self.add("storage.STANDARD", f"GB-months of restored copies, kept for {days} days", kept, kept)

    def take_service(self, operation: Operation) -> None:
        """Add the fees of AWS S3 Batch Operations."""
        self.add("batch.jobs", "jobs of S3 Batch Operations", self._totals.jobs, self._totals.jobs)
        self.add("batch.objects", "objects worked on by S3 Batch Operations", self._totals.rows, self._totals.rows)
        if operation.name == "compute_object_checksum":
            gb = Decimal(self._totals.bytes) / GB
            self.add("batch.checksums", "GB read by S3 Batch Operations for checksums", gb, gb)

    def take_tags(self, operation: Operation, spans: Spans) -> None:
        """Add what tags cost for each month that the objects have them."""
        tags = sum(len(getattr(step, "tags", None) or ()) for step in steps_of(operation))
        if tags and spans:
            what = f"tags kept on objects ({tags} each)"
            self.add("tags", what, 0, tags * self._totals.rows, is_monthly=True)


def _request_prices(sent: Sent, span: Span) -> Iterator[tuple[str, Decimal]]:
    """Yield the names of the prices of *sent*, and of how many of them the low end knows."""
    billing = BILLING[sent.api]
    known = Decimal(span.low)
    if billing.kind == "invoke":
        yield "lambda.requests", known
    elif billing.kind == "restore":
        yield _restore_price(sent), known
    elif billing.kind != "free":
        of = {"object": sent.storage_class, "target": sent.target_class}.get(billing.storage_class, "STANDARD")
        of = "STANDARD" if of == UNKNOWN_CLASS or (billing.is_staged and of in ("GLACIER", "DEEP_ARCHIVE")) else of
        is_open = billing.is_maybe_free or (billing.is_maybe_standard and of != "STANDARD")
        yield f"{billing.kind}.{of}", Decimal(0) if is_open else known
    if sent.uses_kms:
        yield "kms.requests", Decimal(0) if sent.has_bucket_key else known


def _restore_price(sent: Sent) -> str:
    if sent.storage_class in (*_ARCHIVES, UNKNOWN_CLASS):
        return f"restore.requests.{sent.storage_class}.{sent.tier}"
    return "write.STANDARD"  # it is refused: nothing is archived


def _request_words(name: str) -> str:
    kind, _, rest = name.partition(".")
    if kind in ("write", "read"):
        verbs = "PUT, COPY and POST requests" if kind == "write" else "GET, HEAD and other requests"
        return f"{verbs} ({rest})"
    words = {"lambda.requests": "Lambda invocations", "kms.requests": "KMS requests"}
    _, storage_class, tier = f"{name}..".split(".")[1:4]
    return words.get(name) or f"restore requests ({storage_class}, tier {tier})"


def _share(spans: Spans, storage_class: str, rows: int, what: str) -> tuple[Decimal, Decimal]:
    """Return which share of the *rows* of a class is read or replaced, at least and at most."""
    found = [
        (sent, span) for sent, span in spans.items() if sent.storage_class == storage_class and getattr(sent, what)
    ]
    if not found or not rows:
        return Decimal(0), Decimal(0)
    if any(sent.api == "DeleteObjects" for sent, _ in found):
        return Decimal(1), Decimal(1)
    low, high = sum(span.low for _, span in found), sum(span.high for _, span in found)
    return Decimal(min(rows, low)) / rows, Decimal(min(rows, high)) / rows
