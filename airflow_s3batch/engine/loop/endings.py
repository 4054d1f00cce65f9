"""How an exchange is settled where the store has not had the last word: its objects get an outcome all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_s3batch.core.outcomes import OUTCOME_UNKNOWN, Outcome
from airflow_s3batch.engine.wire.exchange import Exchange
from airflow_s3batch.operations.requests import Response

REQUEST_IMPOSSIBLE = "RequestImpossible"
"""ErrorCode of objects for which no request could be made, or whose answer could not be understood."""

_MOST_CHARACTERS = 500

Settle = Callable[[Exchange, Any], None]
"""Takes an exchange that is over, and what came of it: an `Outcome`, or one for each of its objects."""


def settle_failed(exchange: Exchange, failure: Response, settle: Settle) -> None:
    """Settle *exchange* with *failure*, the last answer to a request that would be tried again."""
    _settle_all(exchange, failure.outcome(), settle)


def settle_impossible(exchange: Exchange, error: Exception, settle: Settle) -> None:
    """Settle *exchange* whose steps, or whose request, ended in *error*."""
    _settle_all(exchange, Outcome(0, REQUEST_IMPOSSIBLE, f"{type(error).__name__}: {error}"[:_MOST_CHARACTERS]), settle)


def settle_unknown(exchange: Exchange, response: Response, settle: Settle) -> None:
    """Settle *exchange* that must not be done twice and may have been done: *response* leaves it open."""
    exchange.failure = None
    why = f"it may have been done, so it is not done again unless replay_unsafe=True: {response.error_code}"
    message = f"{why} ({response.message})"[:_MOST_CHARACTERS]
    _settle_all(exchange, Outcome(response.status, OUTCOME_UNKNOWN, message), settle)


def _settle_all(exchange: Exchange, outcome: Outcome, settle: Settle) -> None:
    exchange.steps.close()
    settle(exchange, [outcome] * len(exchange.works))
