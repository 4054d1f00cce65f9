"""
The loop: keeps the window full of requests, retries what deserves it, and hands back one outcome per object.

One thread. Every object is driven by its operation's generator; the loop only moves requests and responses.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self, TypeVar

from airflow_s3batch.core.errors import (
    AccessError,
    ArgumentError,
    CapabilityError,
    InfrastructureError,
    ManifestError,
)
from airflow_s3batch.core.outcomes import DRY_RUN, Outcome
from airflow_s3batch.core.verdicts import FINAL, PASSING, UNREACHABLE, Verdict
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.loop.endings import Settle, settle_failed, settle_impossible, settle_unknown
from airflow_s3batch.engine.loop.errands import ABANDONED, UNCLEAR, Errands, NoErrands
from airflow_s3batch.engine.loop.setbacks import MOST_CORRECTIONS, Setbacks
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.wire.answers import explained, judged, names_its_error, needs_explanation
from airflow_s3batch.engine.wire.exchange import END, Exchange, Work, exchanges
from airflow_s3batch.engine.wire.transport import Answer, ReadTransport, Transport, UnsentError
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.requests import Call, Errand, Request, Response, RunContext, Steps

log = logging.getLogger(__name__)

_POLL_S = 0.2
_WIND_UP_S = 1.0
_EXPLAIN = Call("GetObject", {"Range": "bytes=0-0"})
_EXPLAIN_SOURCE = Call("GetObject", {"Range": "bytes=0-0"}, from_source=True)
_MOST_BATCHES = 8
_RUN_ENDED = Response(0, {}, b"", ABANDONED, "the run ended meanwhile")
T = TypeVar("T")


def _nowhere() -> Callable[[bytes], None]:
    return lambda _: None


class Executor:
    """
    Runs one operation on many objects. A context manager; belongs to the thread that made it.

    Args:
        is_read_only: nothing in it can send what changes anything: neither its transport, nor its errands, nor its
            clients. Steps that ask for such a thing are thrown an `UnsentError`; those that don't catch it are over,
            and their objects fail with `DRY_RUN`.

    Attributes:
        requests: sent so far, retries included.
        retries: how many of them were repeats.
        pace: how many may be in flight and sent a second, and how often the store asked to slow down.
    """

    def __init__(
        self,
        access: S3Access,
        policy: Policy,
        *,
        is_read_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        access = access.read_only() if is_read_only else access
        self._setbacks = Setbacks(access, policy, clock)
        self.preparer = self._setbacks.sender.preparer
        self.pace = self._setbacks.pace
        self._policy = policy
        self._clock = clock
        self._transport = (ReadTransport if is_read_only else Transport)(
            access,
            max_connections=policy.max_concurrency,
            request_timeout_s=policy.request_timeout_s,
            connect_timeout_s=policy.connect_timeout_s,
        )
        self._errands: Errands | NoErrands = NoErrands() if is_read_only else Errands(self._transport.wake_on, clock)
        self._most = policy.max_concurrency
        self.requests = 0
        self.retries = 0
        self._waiting: list[tuple[float, int, Exchange]] = []
        self._order = itertools.count()
        self._held: Exchange | None = None
        self._batches = 0
        self._has_wondered = False
        self._sends_once = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._errands.close()
        self._transport.__exit__(*exception)

    @property
    def in_flight(self) -> int:
        """How many requests, and errands, have no answer yet."""
        return len(self._transport) + len(self._errands)

    def call(self, steps: Steps[T]) -> T:
        """Drive one generator to its end and return what it returns; for probes and the like."""
        results: list[T] = []
        exchange = Exchange((), steps)
        self._setbacks.begin()
        self._advance(exchange, None, lambda _, result: results.append(result))
        while not results:
            self._resend(lambda _, result: results.append(result))
            for answer in self._transport.poll(self._wait_s()):
                self._on_answer(answer, lambda _, result: results.append(result))
            self._take_errands(lambda _, result: results.append(result))
        return results[0]

    def run(
        self,
        operation: Operation,
        source: Iterable[Work | None],
        context: RunContext,
        on_outcome: Callable[[Work, Outcome], None],
        *,
        keep_going: Callable[[], bool] = lambda: True,
        grace_s: Callable[[], float] = lambda: 1.0,
        on_withdrawn: Callable[[Work], None] = lambda _: None,
        is_untouched: Callable[[int], bool] = lambda _: False,
    ) -> None:
        """
        Do all of *source*; *on_outcome* is called once per object, in the order of completion.

        Where *source* yields ``None`` it has nothing at the moment and is asked again soon.

        *keep_going* is asked before the window is filled up and at least every fifth of a second; once it says no, what
        is in flight gets *grace_s* seconds (asked each time: it may become less), and the rest of *source* is left
        alone. Of an operation that must not be replayed, *on_withdrawn* is given the objects that were taken from
        *source* and whose errand nobody has begun. Of works whose numbers are *is_untouched*, none is a replay.

        Raises:
            AccessError: no object can succeed with these credentials.
            InfrastructureError: nothing has succeeded for ``give_up_s`` although requests keep being sent.

        Before either is raised, requests in flight get a second for their answers, and objects whose last try has
        failed get their outcome. With an operation that must not be replayed, what may have been executed is not sent
        again: its objects become `OUTCOME_UNKNOWN`.
        """
        self._sends_once = operation.replay is Replay.UNSAFE and not self._policy.replay_unsafe
        self._most = min(self._policy.max_concurrency, operation.most_at_once or self._policy.max_concurrency)
        stream = exchanges(operation, iter(source), context, is_untouched)

        def settle(exchange: Exchange, result: Any) -> None:
            if isinstance(result, Outcome):
                on_outcome(exchange.works[0], result)
                return
            self._batches -= len(exchange.works) > 1
            for work, outcome in zip(exchange.works, result, strict=True):
                on_outcome(work, outcome)

        self._setbacks.begin()
        is_open = True
        deadline = float("inf")
        while is_open or self.in_flight or self._waiting:
            if not keep_going():
                is_open = False
                self._give_back(self._errands.withdraw(), on_withdrawn)
                deadline = min(deadline, self._clock() + grace_s())
                if self._clock() >= deadline:
                    self._abandon_errands(settle)
                    self._abandon_requests(settle)
                    return
            over: list[Exchange] = []
            answers: Iterator[Answer] = iter(())
            try:
                self._resend(settle)
                if is_open:
                    is_open = self._fill(stream, settle, keep_going)
                answers = iter(self._transport.poll(self._wait_s()))
                for answer in answers:
                    over = [answer.tag]
                    self._on_answer(answer, settle)
                self._take_errands(settle)
            except (AccessError, InfrastructureError):
                self._wind_up(over, answers, settle)
                raise

    def _wind_up(self, over: list[Exchange], answers: Iterator[Answer], settle: Settle) -> None:
        """Take *answers* and what comes in a moment; record how the last try went of all that would be tried again."""
        deadline = self._clock() + _WIND_UP_S
        while True:
            for answer in answers:
                try:
                    self._on_answer(answer, settle)
                except (AccessError, InfrastructureError):
                    over.append(answer.tag)
            if not len(self._transport) or self._clock() >= deadline:
                break
            answers = iter(self._transport.poll(_POLL_S))
        begun = [*self._transport.tags(), *(exchange for _, _, exchange in self._waiting)]
        for exchange in {*over, *(() if self._sends_once else begun)}:
            if exchange.works and exchange.failure is not None:
                settle_failed(exchange, exchange.failure, settle)
        with contextlib.suppress(AccessError, InfrastructureError):
            self._take_errands(settle)
        self._abandon_errands(settle)
        self._abandon_requests(settle)

    def _take_errands(self, settle: Settle) -> None:
        for exchange, response in self._errands.finished():
            if self._sends_once and response.error_code in UNCLEAR:
                settle_unknown(exchange, response, settle)
            else:
                self._advance(exchange, response, settle)

    def _give_back(self, exchanges: Iterable[Exchange], on_withdrawn: Callable[[Work], None]) -> None:
        for exchange in exchanges:
            exchange.steps.close()
            for work in exchange.works if self._sends_once else ():
                on_withdrawn(work)

    def _abandon_errands(self, settle: Settle) -> None:
        """Leave alone what was begun; an operation that must not be replayed is told of as unknown."""
        for exchange in self._errands.abandon():
            if self._sends_once:
                settle_unknown(exchange, _RUN_ENDED, settle)

    def _abandon_requests(self, settle: Settle) -> None:
        """Tell of each request of an operation that must not be replayed: else whole row ranges are in doubt."""
        if not self._sends_once:
            return
        waiting = [exchange for _, _, exchange in self._waiting]
        self._waiting.clear()
        for exchange in waiting:
            if exchange.failure is not None:  # surely not executed, and not sent again
                settle_failed(exchange, exchange.failure, settle)
            else:
                settle_unknown(exchange, _RUN_ENDED, settle)
        for exchange in self._transport.tags():
            settle_unknown(exchange, _RUN_ENDED, settle)

    def _fill(
        self,
        stream: Iterator[Exchange | None],
        settle: Settle,
        keep_going: Callable[[], bool],
    ) -> bool:
        """Start as many objects as the window takes; return whether there may be more to start."""
        now = self._clock()
        while (room := self._room(now)) > 0:
            for _ in range(room):
                exchange = self._held or next(stream, END)
                self._held = None
                if exchange is None:
                    return True
                if exchange is END:
                    return False
                if len(exchange.works) > 1:
                    if self._batches >= _MOST_BATCHES:
                        self._held = exchange
                        return True
                    self._batches += 1
                self._advance(exchange, None, settle)
            if not keep_going():
                return False
        return True

    def _room(self, now: float) -> int:
        """Return how many objects may be started."""
        in_flight = self.in_flight
        return min(self._most - in_flight - len(self._waiting), self.pace.room(in_flight, now))

    def _advance(self, exchange: Exchange, response: Response | None, settle: Settle) -> None:
        exchange.failure = None
        try:
            # what is sent first is None, whatever the annotation of generators says
            request = exchange.steps.send(response)  # type: ignore[arg-type]
        except StopIteration as stop:
            settle(exchange, stop.value)
            return
        except (AccessError, CapabilityError, InfrastructureError, ManifestError):
            raise
        except Exception as error:  # noqa: BLE001 - an answer that nobody thought of must not stop the other objects
            self._fail(exchange, error, settle)
            return
        self._begin(exchange, request, settle)

    def _begin(self, exchange: Exchange, request: Request | Errand, settle: Settle) -> None:
        try:
            if isinstance(request, Errand):
                self._errands.start(exchange, request)
                return
            exchange.begin(request)
            if request.delay_s:
                self._wait(exchange, request.delay_s)
                return
            self._send(exchange)
        except UnsentError:
            self._leave_unsent(exchange, request, settle)
        except (ArgumentError, UnicodeEncodeError) as error:
            self._fail(exchange, error, settle)

    def _leave_unsent(self, exchange: Exchange, request: Request | Errand, settle: Settle) -> None:
        """Tell the steps that nothing here can send their *request*; unless they know what to do, they are over."""
        name = request.call.api if isinstance(request, Request) else "the function"
        try:
            instead = exchange.steps.throw(UnsentError(name))
        except StopIteration as stop:
            settle(exchange, stop.value)
        except UnsentError:
            if not exchange.works:
                raise CapabilityError(f"{name} was to be sent over a connection that only reads") from None
            settle(exchange, [Outcome(0, DRY_RUN, f"not sent: {name}")] * len(exchange.works))
        else:
            self._begin(exchange, instead, settle)

    def _fail(self, exchange: Exchange, error: Exception, settle: Settle) -> None:
        """Settle all objects of *exchange* as failed by *error*; a probe has none and passes it on."""
        if not exchange.works:
            exchange.steps.close()
            raise error
        if not isinstance(error, ArgumentError) and not self._has_wondered:
            self._has_wondered = True  # the report has every such object; the log needs the place in the code once
            log.warning("an object failed in a way that nobody thought of, the first of this kind", exc_info=error)
        settle_impossible(exchange, error, settle)

    def _send(self, exchange: Exchange) -> None:
        request = exchange.request
        if exchange.unexplained is not None:
            call = _EXPLAIN_SOURCE if request.call.from_source else _EXPLAIN
            request = request._replace(call=call, sink=_nowhere)  # a store that ignores the range sends all of it
        call = request.call
        sender = self._setbacks.sender_of(call)
        template = sender.template(call, request.bucket)
        kind = template.kind
        if self._sends_once and kind.changes:
            kind = kind._replace(is_once=True)
        sink = request.sink() if request.sink is not None else None
        filled = template.fill(request, sender.signer)
        self._transport.start(exchange, kind, filled, sink=sink, timeout_s=call.timeout_s)
        self.requests += 1
        self.pace.on_sent()

    def _wait(self, exchange: Exchange, seconds: float) -> None:
        heapq.heappush(self._waiting, (self._clock() + seconds, next(self._order), exchange))

    def _resend(self, settle: Settle) -> None:
        now = self._clock()
        while self._waiting and self._waiting[0][0] <= now and self.pace.allows(len(self._transport), now):
            exchange = self._waiting[0][2]
            try:
                self._send(exchange)
            except UnsentError:
                heapq.heappop(self._waiting)
                self._leave_unsent(exchange, exchange.request, settle)
            else:
                heapq.heappop(self._waiting)

    def _wait_s(self) -> float:
        now = self._clock()
        paced_s = self.pace.wait_s(now)
        if not self._waiting:
            return min(paced_s, _POLL_S if self.in_flight or paced_s != math.inf else 0.02)
        return min(paced_s, _POLL_S, max(0.005, self._waiting[0][0] - now))

    def _on_answer(self, answer: Answer, settle: Settle) -> None:
        exchange: Exchange = answer.tag
        exchange.is_ambiguous = exchange.is_ambiguous or answer.was_resent
        call = exchange.request.call if exchange.unexplained is None else _EXPLAIN
        response, verdict = judged(answer, call.api, is_retried=exchange.is_ambiguous)
        if verdict is None and exchange.unexplained is None:
            self._setbacks.on_success()
            self._advance(exchange, response, settle)
            return
        if exchange.unexplained is not None:
            unexplained, exchange.unexplained = exchange.unexplained, None
            is_unsure = exchange.corrections < MOST_CORRECTIONS
            response, verdict = explained(unexplained, response, verdict, is_unsure=is_unsure)
            exchange.corrections += response is unexplained and verdict is Verdict.RETRY
        elif verdict is Verdict.FAIL and needs_explanation(call, answer.status):
            exchange.unexplained = response
            self._send(exchange)
            return
        if response.error_code == "SignatureDoesNotMatch" and self._setbacks.has_succeeded:
            verdict = Verdict.FAIL  # the credentials are right: the store reads this key in another way than we do
        if verdict is None or verdict in FINAL:
            self._setbacks.on_refusal()
            self._advance(exchange, response, settle)
        else:
            self._on_failure(exchange, response, verdict, settle)

    def _on_failure(self, exchange: Exchange, response: Response, verdict: Verdict, settle: Settle) -> None:
        """Send again, or settle with *response*, what failed for reasons that may pass."""
        self._setbacks.on_failure()
        if self._sends_once and self._may_be_done(exchange, response, verdict):
            if verdict is Verdict.THROTTLE:
                self.pace.on_throttle(self._clock())
            self._leave_open(exchange, response, settle)
            return
        exchange.failure = response
        if self._setbacks.may_retry(exchange, response, verdict):
            is_clear = 300 <= response.status < 500 or response.error_code in UNREACHABLE  # not an error inside a 200
            exchange.is_ambiguous = exchange.is_ambiguous or not is_clear
            self.retries += 1
            self._wait(exchange, self._setbacks.delay_s(exchange, response, verdict))
        elif exchange.works or (exchange.request.call.is_trial and verdict is Verdict.RETRY and response.status):
            self._advance(exchange, response, settle)
        else:  # no finding about what the store can do
            raise InfrastructureError(
                f"{exchange.request.call.api} on s3://{exchange.request.bucket}, to find out what the store can do, "
                f"failed {exchange.attempt} times: {response.error_code} ({response.message})"
            )

    def _may_be_done(self, exchange: Exchange, response: Response, verdict: Verdict) -> bool:
        """Return whether the store may have executed what it did not answer well."""
        if verdict is Verdict.THROTTLE and names_its_error(response):  # the store's own word that it has not
            return False
        if verdict not in PASSING or response.error_code in UNREACHABLE or 300 <= response.status < 500:
            return False
        request = exchange.request
        return self._setbacks.sender_of(request.call).template(request.call, request.bucket).kind.changes

    def _leave_open(self, exchange: Exchange, response: Response, settle: Settle) -> None:
        """Settle all objects of *exchange* as unknown; raise if nothing gets through any more."""
        settle_unknown(exchange, response, settle)
        self._setbacks.check_outage(response)
