"""
Copy only where the target is not there yet, or differs.

The target is looked at first, and the copy then carries a condition on it, where the store takes one, so that what
somebody writes in between is not overwritten.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.operations.bodies.sameness import is_copy_of
from airflow_s3batch.operations.bodies.sources import HEAD_SOURCE, Headers, e_tag_in
from airflow_s3batch.operations.probing import HEAD, HEAD_MAYBE
from airflow_s3batch.operations.requests import Capabilities, Request, Response, Steps

SkipExisting = Literal["any", "newer", "same-etag"]
IF_ABSENT: Headers = (("if-none-match", "*"),)
HONOURED = "honoured"
IGNORED = "ignored"
REFUSED = "refused"
CONFLICTS = frozenset({409, 412})

Copier = Callable[[Headers], Steps[Response]]
"""Makes the copy under the conditions on its target that it is given."""


class Skipping(NamedTuple):
    """
    One object that is copied unless `rule` says that it need not.

    Attributes:
        bucket: of the target.
        payer: headers of requests on the source.
    """

    rule: str
    obj: S3Object
    bucket: str
    key: str
    payer: Headers

    def steps(self, copier: Copier, capabilities: Capabilities, *, is_blind: bool) -> Steps[Outcome]:
        """Copy with *copier*, or not. If *is_blind*, the first request may be the copy, and S3 sees what is there."""
        absence = capabilities.findings.get("target_absence", HONOURED)
        if is_blind and self.rule == "any" and absence == HONOURED:
            response = yield from copier(IF_ABSENT)
            return _skipped("is there already") if response.status == 412 else response.outcome()
        there = yield Request(HEAD_MAYBE, self.bucket, self.key)
        verdict = yield from self._verdict(there)
        if verdict is not None:
            return verdict
        finding = capabilities.findings.get("target_condition", HONOURED) if there.is_success else absence
        condition = (("if-match", there.headers.get("etag", "")),) if there.is_success else IF_ABSENT
        response = yield from copier(condition if finding != REFUSED else ())
        if response.status not in CONFLICTS:
            return response.outcome()
        return (yield from self._after_conflict(response, there))

    def _verdict(self, there: Response) -> Steps[Outcome | None]:
        """Return the outcome if *there*, what a HEAD says of the target, keeps us from copying; else ``None``."""
        if not there.is_success:
            why = f"the target can't be looked at: {there.message}"
            return None if there.status == 404 else there.outcome()._replace(message=why)
        if self.rule == "any":
            return _skipped("is there already")
        is_fixed = self.obj.version_id not in (None, "null") and self.obj.e_tag is not None
        if self.rule == "same-etag" and is_fixed:
            return _skipped("has the same ETag") if e_tag_in(there.headers) == self.obj.e_tag else None
        source = yield Request(HEAD_SOURCE, self.obj.bucket, self.obj.key, self.obj.version_id, self.payer)
        return self._compared(source, there) if source.is_success else source.outcome()

    def _compared(self, source: Response, there: Response) -> Outcome | None:
        if self.rule == "newer":
            return _skipped("is as new as the object, or newer") if _is_older(source, there) else None
        is_same = e_tag_in(there.headers) == e_tag_in(source.headers) != ""
        return _skipped("has the same ETag") if is_same else None

    def _after_conflict(self, response: Response, before: Response) -> Steps[Outcome]:
        """Return what a failed condition means: our own copy, another one that will do, neither, or the source's."""
        there = yield Request(HEAD, self.bucket, self.key)
        if not there.is_success or (before.is_success and e_tag_in(there.headers) == e_tag_in(before.headers)):
            return response.outcome()
        verdict = yield from self._verdict(there)
        if verdict is not None and verdict.is_success:
            return verdict
        if response.is_retried:
            source = yield Request(HEAD_SOURCE, self.obj.bucket, self.obj.key, self.obj.version_id, self.payer)
            if source.is_success and is_copy_of(source.headers, there.headers):
                return SUCCESS
        return response.outcome()._replace(message=f"the target was written meanwhile, and is kept: {response.message}")


SKIPPED = "skipped, the target "
"""In the message of an object that was not copied."""


def _skipped(why: str) -> Outcome:
    return Outcome(200, "", f"Successful: {SKIPPED}{why}")


def _is_older(source: Response, target: Response) -> bool:
    """Return whether *source* was written no later than *target*; not where a store tells no times."""
    try:
        written = [parsedate_to_datetime(head.headers["last-modified"]) for head in (source, target)]
    except (KeyError, TypeError, ValueError):
        return False
    return written[0] <= written[1]
