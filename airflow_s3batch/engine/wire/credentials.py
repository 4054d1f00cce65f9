"""The session's credentials, and what to do when the store says that they have expired."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import botocore.exceptions
from botocore.credentials import RefreshableCredentials

from airflow_s3batch.core.errors import InfrastructureError, S3BatchError
from airflow_s3batch.engine.wire.signing import FrozenCredentials

_RENEW_EVERY_S = 5.0
_REST_S = 15.0
_SLOW_S = 0.5
_LEAST_REMAINING_S = 60.0


class SessionCredentials:
    """
    Credentials as a botocore session resolves and refreshes them. Not for several threads.

    Botocore refreshes by the expiry that it was told and by this machine's clock. `renew` is for stores that see it
    otherwise: the clock is wrong, or the credentials were revoked.

    Botocore asks its provider from 15 minutes before the expiry on, each time anew. While a provider fails or is slow,
    it is asked every `_REST_S` seconds only, and the credentials at hand are used as long as they are good.
    """

    def __init__(self, credentials: Any, clock: Callable[[], float] = time.monotonic) -> None:
        """*credentials* are botocore's, ``None`` for anonymous requests."""
        self._credentials = credentials
        self._clock = clock
        self._renewed = -_RENEW_EVERY_S
        self._frozen: FrozenCredentials | None = None
        self._rests_until = -math.inf

    @property
    def is_refreshable(self) -> bool:
        """Whether others may be had in their place."""
        return isinstance(self._credentials, RefreshableCredentials)

    def current(self) -> FrozenCredentials | None:
        """
        Return the credentials to sign with.

        Raises:
            InfrastructureError: they are about to expire, and can't be refreshed.
        """
        if self._credentials is None:
            return None
        asked = self._clock()
        if asked < self._rests_until and self._is_good():
            return self._frozen
        try:
            self._frozen = self._credentials.get_frozen_credentials()
        except S3BatchError:
            raise
        except Exception as error:
            if self._frozen is not None and self._is_good():
                self._rest()
                return self._frozen
            wrong = isinstance(error, (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError))
            told = str(error) if wrong else f"{type(error).__name__}: {error}"
            raise InfrastructureError(f"the credentials can't be refreshed: {told}; check the connection") from error
        if self._clock() - asked > _SLOW_S:
            self._rest()
        return self._frozen

    def _rest(self) -> None:
        self._rests_until = self._clock() + _REST_S

    def _is_good(self) -> bool:
        """Return whether the credentials at hand are known to be valid for a while."""
        if not self.is_refreshable:
            return False
        remaining_s: float = self._credentials._seconds_remaining()  # noqa: SLF001 - as in renew
        return remaining_s > _LEAST_REMAINING_S

    def renew(self) -> None:
        """Have refreshable credentials refreshed at their next use, at most every few seconds; others stay."""
        now = self._clock()
        if self.is_refreshable and now - self._renewed >= _RENEW_EVERY_S:
            self._renewed = now
            self._rests_until = -math.inf
            credentials: Any = self._credentials
            credentials._expiry_time = credentials._time_fetcher()  # noqa: SLF001 - there is no public way
