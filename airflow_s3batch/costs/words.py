"""What an estimate takes for granted, and what it leaves out, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_s3batch.core.manifest import UNKNOWN_CLASS
from airflow_s3batch.costs.early_deletion import LEAST_DAYS
from airflow_s3batch.costs.money import money

if TYPE_CHECKING:
    from airflow_s3batch.costs.counting import Spans
    from airflow_s3batch.costs.prices import PriceTable
    from airflow_s3batch.costs.totals import Totals
    from airflow_s3batch.operations.base import Operation

_GB = 10**9


def assumptions(operation: Operation, engine: str, totals: Totals, spans: Spans) -> Iterator[str]:
    """Yield what the numbers of an estimate rest on."""
    yield "List prices without free tiers, volume discounts and private pricing; a GB is 10⁹ bytes."
    if engine == "managed":
        yield "AWS sends one request for each object; what it sends besides is not documented."
    else:
        yield "The high end has 1 % of the requests sent again."
    if any(step.skips_done for step in steps_of(operation)):
        yield "At the low end all objects are as wanted already, and are only looked at; at the high end none is."
    unknown = totals.classes.get(UNKNOWN_CLASS, (0, 0))[0]
    if unknown:
        yield f"The storage class of {unknown:,} objects is not known; they are taken for STANDARD."
    if not totals.sizes and totals.rows:
        yield "Sizes were not counted one by one; all objects are taken to be as large as the average."
    elif len(totals.classes) > 1:
        yield "Objects of all storage classes are taken to be alike in size."
    if any(sent.replaces and sent.storage_class in LEAST_DAYS for sent in spans):
        yield (
            "How old the objects are is not known: at the high end all of them go on their first day, and the rest of "
            "their least storage time is billed."
        )
    if any(sent.uses_kms and sent.has_bucket_key for sent in spans):
        yield "With an S3 Bucket Key S3 asks KMS but seldom; the high end has one request for each write."
    if any(sent.api in ("DeleteObjects", "DeleteObjectTagging") for sent in spans):
        yield "AWS does not bill DELETE requests; at the high end bulk deletes, and deletes of tags, count as others."


def not_included(operation: Operation, engine: str, totals: Totals, prices: PriceTable, spans: Spans) -> Iterator[str]:
    """Yield what else may be billed."""
    apis = {sent.api for sent in spans}
    if "Invoke" in apis:
        second = prices.of("lambda.gb_seconds")
        each = f" ({second.amount.normalize():f} {prices.currency} for a GB-second)" if second else ""
        yield f"The time that the function runs{each}, and all that it does."
    yield from dict.fromkeys(step.unbilled for step in steps_of(operation) if step.unbilled)
    if apis & {"CopyObject", "UploadPartCopy"}:
        yield from _copies(
            totals, prices, is_elsewhere=any(hasattr(step, "target_bucket") for step in steps_of(operation))
        )
        yield "KMS requests for reading objects that are encrypted with a KMS key."
    if apis & {"CopyObject"} and set(totals.classes) & {"GLACIER", "DEEP_ARCHIVE"}:
        yield "Archived objects can't be copied before they are restored; a restore is a job of its own."
    yield "The requests for the job's own files (manifest, results, report), CloudTrail data events, and the workers."
    if engine == "managed":
        yield "AWS's completion report and the manifest that it reads."


def _copies(totals: Totals, prices: PriceTable, *, is_elsewhere: bool) -> Iterator[str]:
    transfer, size = prices.of("transfer.regions"), Decimal(totals.bytes) / _GB
    if is_elsewhere and transfer and size:
        more = money(transfer.of(size), prices.currency)
        yield f"Transfer to another region, should the target bucket be in one: about {more}."
    yield "Storage of what is written, and of the versions that it replaces."


def steps_of(operation: Operation) -> tuple[Operation, ...]:
    """Return the operations that *operation* consists of: itself, or those that it does in order."""
    steps: tuple[Operation, ...] = getattr(operation, "operations", (operation,))
    return steps
