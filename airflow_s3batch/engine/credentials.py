"""The session's credentials, and what to do when the store says that they have expired."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import botocore.exceptions
from botocore.credentials import RefreshableCredentials

from airflow_s3batch.core.errors import InfrastructureError, S3BatchError
from airflow_s3batch.engine.signing import FrozenCredentials

_RENEW_EVERY_S = 5.0


class SessionCredentials:
    """
    Credentials as a botocore session resolves and refreshes them. Not for several threads.

    Botocore refreshes by the expiry that it was told and by this machine's clock. `renew` is for stores that see it
    otherwise: the clock is wrong, or the credentials were revoked.
    """

    def __init__(self, credentials: Any, clock: Callable[[], float] = time.monotonic) -> None:
        """*credentials* are botocore's, ``None`` for anonymous requests."""
        self._credentials = credentials
        self._clock = clock
        self._renewed = -_RENEW_EVERY_S

    def current(self) -> FrozenCredentials | None:
        """
        Return the credentials to sign with.

        Raises:
            InfrastructureError: they have to be refreshed, and that fails.
        """
        if self._credentials is None:
            return None
        try:
            frozen: FrozenCredentials = self._credentials.get_frozen_credentials()
        except S3BatchError:
            raise
        except Exception as error:
            wrong = isinstance(error, (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError))
            told = str(error) if wrong else f"{type(error).__name__}: {error}"
            raise InfrastructureError(f"the credentials can't be refreshed: {told}; check the connection") from error
        return frozen

    def renew(self) -> None:
        """Have refreshable credentials refreshed at their next use, at most every few seconds; others stay."""
        now = self._clock()
        if isinstance(self._credentials, RefreshableCredentials) and now - self._renewed >= _RENEW_EVERY_S:
            self._renewed = now
            credentials: Any = self._credentials
            credentials._expiry_time = credentials._time_fetcher()  # noqa: SLF001 - there is no public way
