"""What a run does about requests that fail: try again and when, set clock or credentials right, or give up."""

from __future__ import annotations

import math
from collections.abc import Callable

from airflow_s3batch.core.errors import AccessError, InfrastructureError
from airflow_s3batch.core.verdicts import EXPIRED_KEYS, UNREACHABLE, Verdict
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.rates.pacing import Pace, backoff_s
from airflow_s3batch.engine.wire.answers import server_time
from airflow_s3batch.engine.wire.exchange import Exchange
from airflow_s3batch.engine.wire.sender import Sender
from airflow_s3batch.operations.requests import Call, Request, Response

MOST_CORRECTIONS = 2
"""How often clock or credentials are set right for one request."""

_OUTAGE_S = 5.0
_ASK_TIME_EVERY_S = 5.0
_EXPIRED = "the credentials expired and can't be refreshed"


class Setbacks:
    """
    Keeps clock, credentials and pace of one run in step with what the store says.

    Attributes:
        sender: makes requests with the store's connection; `Setbacks` sets its clock.
        pace: how many requests may be in flight and sent a second; `Setbacks` slows it down.
        has_succeeded: a request has succeeded with these credentials.
    """

    def __init__(self, access: S3Access, policy: Policy, clock: Callable[[], float]) -> None:
        limits = policy.connect_timeout_s, policy.request_timeout_s
        self.sender = Sender(access.patient_for(*limits))
        self._source = Sender(access.source.patient_for(*limits)) if access.source else self.sender
        self.pace = Pace(policy.max_concurrency, policy.max_requests_per_s, now=clock())
        self._policy = policy
        self._clock = clock
        self._last_success = clock()
        self._last_failure = -math.inf
        self._failing_since = 0.0
        self._asked_time = -math.inf
        self.has_succeeded = False

    def sender_of(self, call: Call) -> Sender:
        """Return what makes the requests of *call*."""
        return self._source if call.from_source else self.sender

    def begin(self) -> None:
        """Say that requests are sent from now on."""
        self._last_success = self._clock()

    def on_success(self) -> None:
        """Take note of a request that succeeded."""
        now = self._last_success = self._clock()
        self.has_succeeded = True
        self.pace.on_success(now)

    def on_refusal(self) -> None:
        """Take note of a request that failed for good: it shows that the store is well."""
        self._last_success = self._clock()

    def on_failure(self) -> None:
        """Keep in mind since when nothing succeeds; a time in which nothing was sent does not count."""
        now = self._clock()
        if self._last_failure <= self._last_success:
            self._failing_since = max(self._last_success, now - self._policy.request_timeout_s)
        self._last_failure = now

    def may_retry(self, exchange: Exchange, response: Response, verdict: Verdict) -> bool:
        """
        Return whether to send *exchange*'s request again, after *response* was judged with *verdict*.

        Raises:
            AccessError: nothing else can succeed either.
            InfrastructureError: nothing has succeeded for ``give_up_s``.
        """
        if verdict is Verdict.ABORT and not self._may_have_expired(exchange, response):
            raise AccessError(f"the store refuses this connection: {response.error_code} ({response.message})")
        if verdict is Verdict.THROTTLE:
            self.pace.on_throttle(self._clock())
        elif verdict in (Verdict.CREDENTIALS, Verdict.ABORT):
            self._renew_credentials(exchange, response)
        elif verdict is Verdict.SKEW:
            exchange.corrections += 1
            if exchange.corrections > MOST_CORRECTIONS:
                return False
            self._adopt_time(response, exchange.request)
        self.check_outage(response)
        return exchange.attempt < self._policy.max_attempts

    def delay_s(self, exchange: Exchange, response: Response, verdict: Verdict) -> float:
        """Return how long to wait before the next try, which is counted unless nothing at all gets through."""
        delay_s = backoff_s(exchange.attempt)
        # an outage is not the object's fault
        is_general = verdict is Verdict.THROTTLE or response.error_code in UNREACHABLE
        if not (is_general and self._clock() - self._failing_since > _OUTAGE_S):
            exchange.attempt += 1
        return delay_s

    def check_outage(self, response: Response) -> None:
        """
        Return if requests have succeeded not long ago.

        Raises:
            InfrastructureError: none has for ``give_up_s``; the last one failed with *response*.
        """
        if self._clock() - self._failing_since > self._policy.give_up_s:
            raise InfrastructureError(
                f"no request has succeeded for {self._policy.give_up_s:g} s; the last one failed with "
                f"{response.error_code} ({response.message})"
            )

    def _may_have_expired(self, exchange: Exchange, response: Response) -> bool:
        """Return whether credentials that the store does not know may have run out, and there are others to be had."""
        sender = self.sender_of(exchange.request.call)
        return response.error_code in EXPIRED_KEYS and sender.credentials.is_refreshable

    def _renew_credentials(self, exchange: Exchange, response: Response) -> None:
        exchange.corrections += 1
        sender = self.sender_of(exchange.request.call)
        sender.signer.forget()
        if exchange.corrections == MOST_CORRECTIONS:
            sender.credentials.renew()
        if exchange.corrections > MOST_CORRECTIONS:
            is_stranger = response.error_code in EXPIRED_KEYS
            told = "the store refuses this connection, with fresh credentials, too" if is_stranger else _EXPIRED
            raise AccessError(f"{told}: {response.error_code} ({response.message})")

    def _adopt_time(self, response: Response, request: Request) -> None:
        """Sign with the store's time from now on; where the refusal does not tell it, ask, but not once per refusal."""
        told = server_time(response)
        sender = self.sender_of(request.call)
        if told is None and self._clock() - self._asked_time >= _ASK_TIME_EVERY_S:
            self._asked_time = self._clock()
            told = server_time(response._replace(headers={"date": sender.preparer.date(request.bucket)}))
        sender.signer.adopt_time(told)
