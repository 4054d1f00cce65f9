"""
Lists buckets with many requests at a time, in any order, each entry exactly once.

Every range of keys is gone through page by page. As long as there are slots to spare, the range with the most left is
cut in two, at a guess that one small request has shown to have keys behind it. Nothing is taken on trust: keys that are
out of order, and a seam between two ranges whose sides do not meet, end the walk with `OutOfOrderError`.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from airflow_s3batch.core.errors import CapabilityError, InfrastructureError, ManifestError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.engine.wire.exchange import Work
from airflow_s3batch.manifests.sources.listing.pages import NO_TAIL, Entries, Page, Tail, parse_page
from airflow_s3batch.manifests.sources.listing.ranges import Alphabet, KeyRange, Order, Seam, Target
from airflow_s3batch.manifests.sources.listing.refusals import refusal
from airflow_s3batch.manifests.sources.listing.xml import PageError
from airflow_s3batch.operations.requests import Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_s3batch.operations.requests import Steps

Query = tuple[tuple[str, str], ...]

_ONE = (("max-keys", "1"),)
_PAGE_TRIES = 3
_SEAM_TRIES = 5
_WORTH_A_CUT = 8
_FIRST_PROBES = 4
_PROBES_PER_PAGE = 1


class OutOfOrderError(CapabilityError):
    """The store does not list in the order in which it was believed to; the message is a clause."""


class Emit(Protocol):
    """Takes the entries from *start* up to *end* of a page."""

    def __call__(self, target: Target, entries: Entries, start: int, end: int, *, is_marker: bool) -> None:
        """Take them."""


class Walk:
    """
    One walk over all keys of some targets.

    `works` gives what to do next, `steps` how, as requests for the engine; `done` is to be told of each end.

    Attributes:
        order: of the store; ``None`` trusts none, and gives each target one range that is never cut.
        pages: taken so far.
        probes: small requests so far, to find where to cut.
    """

    def __init__(self, targets: Iterable[Target], order: Order | None, emit: Emit) -> None:
        self.order = order
        self.pages = self.probes = 0
        self._emit = emit
        self._alphabet = Alphabet()
        self._ranges: set[KeyRange] = set()
        self._waiting: deque[Steps[Outcome]] = deque()
        self._begun: dict[str, Steps[Outcome]] = {}
        self._running = self._number = 0
        for target in targets:
            if order is None:
                self._waiting.append(self._list_in_turn(target))
            else:
                self._open(KeyRange.whole(target, order))

    def works(self) -> Iterator[Work | None]:
        """Yield what can be begun; ``None`` where that depends on answers that are not there yet."""
        while self._waiting or self._running:
            steps = self._waiting.popleft() if self._waiting else self._probe_somewhere()
            if steps is None:
                yield None
                continue
            self._number += 1
            self._running += 1
            self._begun[str(self._number)] = steps
            yield Work(self._number, S3Object("", str(self._number)))

    def steps(self, work: str) -> Steps[Outcome]:
        """Return the requests of the work of this number."""
        return self._begun.pop(work)

    def done(self, _: Work, outcome: Outcome) -> None:
        """
        Take note of the end of a work.

        Raises:
            InfrastructureError: it did not end well.
        """
        self._running -= 1
        if outcome.error_code:
            raise InfrastructureError(f"a listing ended with {outcome.error_code}: {outcome.message}")

    # -- pages ---------------------------------------------------------------------------------

    def _page(self, target: Target, query: Query) -> Steps[Page]:
        problem = ""
        for _ in range(_PAGE_TRIES):
            response = yield Request(target.call, target.bucket, "", query=query)
            if not response.is_success:
                raise refusal(target.bucket, response, has_versions=target.has_versions)
            try:
                page = parse_page(response.body)
            except PageError as error:
                problem = str(error)
                continue
            _check_prefix(target, page)
            return page
        raise InfrastructureError(f"s3://{target.bucket}: a page of its listing can't be read: {problem}")

    def _list_in_turn(self, target: Target) -> Steps[Outcome]:
        """List *target* page by page with the store's own markers, in whatever order."""
        query: Query = ()
        tail = NO_TAIL
        while True:
            page = yield from self._page(target, query)
            for entries, is_marker in page.kinds:
                self._take(target, entries, tail.repeated(entries), len(entries.keys), is_marker=is_marker)
            self.pages += 1
            tail = Tail.of(page)
            if not page.following:
                return SUCCESS
            if page.following == query:
                raise ManifestError(
                    f"s3://{target.bucket}/{target.prefix}: the store answers each request for the next page of its "
                    "listing with the same page, so it can't be listed; use an inventory, or a CSV manifest"
                )
            query = page.following

    def _list_range(self, span: KeyRange) -> Steps[Outcome]:
        query = self._after(span.target, span.after)
        while not span.is_over:
            page = yield from self._page(span.target, query)
            if page.following and page.following == query:
                raise OutOfOrderError("the page after a page is that page")
            self._advance(span, page)
            query = page.following
        return SUCCESS

    def _after(self, target: Target, rank: str) -> Query:
        """Return the query for the keys behind *rank*; an empty one is before all."""
        name = "key-marker" if target.has_versions else "start-after"
        return ((name, self._order.key(rank)),) if rank else ()

    @property
    def _order(self) -> Order:
        assert self.order is not None  # noqa: S101 - ranges are only opened with one
        return self.order

    def _advance(self, span: KeyRange, page: Page) -> None:
        """Check a page of *span*, take what belongs to it, and see whether it goes on."""
        met, beyond, seen = [], [], [span.last]
        for entries, is_marker in page.kinds:
            ranks = list(map(self._order.rank, entries.keys))
            start = span.tail.repeated(entries)
            if start == len(ranks):
                continue
            self._check(span, ranks)
            end = len(ranks) if span.upto is None else bisect_right(ranks, span.upto)
            self._take(span.target, entries, start, end, is_marker=is_marker)
            met.append(ranks[start])
            beyond += ranks[end : end + 1]
            seen += ranks[:end][-1:]
        self.pages += 1
        span.last, span.tail = max(seen), Tail.of(page)
        if met and not span.has_begun:
            self._begin(span, min(met))
        if beyond or not page.following:
            self._end(span, min(beyond, default=None))
        else:
            self._look_ahead(span, min(met, default=span.last), page)

    def _check(self, span: KeyRange, ranks: Sequence[str]) -> None:
        """
        Check that *ranks* ascend, and go on where the range stands.

        Raises:
            OutOfOrderError: they don't.
        """
        is_rising = operator.le if span.target.has_versions else operator.lt
        is_next = operator.le if span.has_begun else operator.lt
        if not (is_next(span.last, ranks[0]) if span.last else True) or not all(map(is_rising, ranks, ranks[1:])):
            raise OutOfOrderError(f"keys do not come in {self._order.name}")

    def _take(self, target: Target, entries: Entries, start: int, end: int, *, is_marker: bool) -> None:
        if start < end:
            self._emit(target, entries, start, end, is_marker=is_marker)

    # -- ranges --------------------------------------------------------------------------------

    def _open(self, span: KeyRange) -> None:
        self._ranges.add(span)
        self._waiting.append(self._list_range(span))

    def _begin(self, span: KeyRange, first: str | None) -> None:
        span.has_begun = True
        self._meet(span.begins, "upper", first)

    def _end(self, span: KeyRange, beyond: str | None) -> None:
        if not span.has_begun:
            self._begin(span, beyond)
        span.is_over = True
        self._ranges.discard(span)
        if span.ends is not None:
            span.ends.below = span.last
        self._meet(span.ends, "lower", beyond)

    def _meet(self, seam: Seam | None, side: str, rank: str | None) -> None:
        if seam is None:
            return
        seam.met[side] = rank
        if seam.is_open:
            self._waiting.append(self._close(seam))

    def _close(self, seam: Seam) -> Steps[Outcome]:
        """
        Ask both sides of a seam again what comes next: somebody may have written or deleted just there meanwhile.

        Raises:
            OutOfOrderError: they never agree, so the store's order is another one, and keys may lie between.
        """
        for _ in range(_SEAM_TRIES):
            lower = yield from self._first_after(seam.target, seam.below)
            upper = yield from self._first_after(seam.target, seam.at)
            if lower == upper:
                return SUCCESS
        raise OutOfOrderError("what follows a key depends on where one begins")

    def _first_after(self, target: Target, rank: str) -> Steps[str | None]:
        query = self._after(target, rank) + _ONE
        while True:
            page = yield from self._page(target, query)
            if page.first is not None or not page.following:
                return None if page.first is None else self._order.rank(page.first)
            query = page.following + _ONE

    # -- where to cut --------------------------------------------------------------------------

    def _look_ahead(self, span: KeyRange, first: str, page: Page) -> None:
        keys = [*page.objects.keys[::100], *page.objects.keys[-1:], *page.markers.keys[::100]]
        self._alphabet.learn(map(self._order.rank, keys))
        span.page, span.page_keys = (first, span.last), len(page.objects.keys) + len(page.markers.keys)
        span.estimate(self._alphabet)

    def _probe_somewhere(self) -> Steps[Outcome] | None:
        """Return the request that looks for a cut in the range with the most left, ``None`` if it is not worth it."""
        if self.probes >= _FIRST_PROBES + _PROBES_PER_PAGE * self.pages:
            return None
        span = max(self._ranges, key=lambda span: span.left / (1 + len(span.probes)), default=None)
        if span is None or span.left / (1 + len(span.probes)) < _WORTH_A_CUT * span.page_keys:
            return None
        guess = span.guess(self._alphabet, self._order)
        if guess is None:
            span.left = 0.0
            return None
        self.probes += 1
        span.probes.add(guess)
        return self._probe(span, guess)

    def _probe(self, span: KeyRange, guess: str) -> Steps[Outcome]:
        found = yield from self._first_after(span.target, guess)
        span.probes.discard(guess)
        if found is not None and found <= guess:
            raise OutOfOrderError("what comes after a key is before it")
        owner = next((other for other in self._ranges if other.holds(span.target, guess)), None)
        if owner is None:  # listed meanwhile
            return SUCCESS
        if found is None or (owner.upto is not None and found > owner.upto):
            owner.high = guess
        else:
            self._open(owner.cut(guess))
        owner.estimate(self._alphabet)
        return SUCCESS


def _check_prefix(target: Target, page: Page) -> None:
    for entries, _ in page.kinds:
        if target.prefix and not all(key.startswith(target.prefix) for key in entries.keys):
            raise ManifestError(
                f"s3://{target.bucket}/{target.prefix}: asked for the keys with this prefix, the store lists others, "
                "too; list the bucket, and choose by where="
            )
