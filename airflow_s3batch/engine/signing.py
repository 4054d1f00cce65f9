"""
AWS Signature Version 4 for S3, with the signing key and the parts that stay the same for a second cached.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Protocol


class FrozenCredentials(Protocol):
    """What botocore's ``get_frozen_credentials`` returns."""

    access_key: str
    secret_key: str
    token: str | None


class Signer:
    """
    Signs requests with the session's credentials of this second.

    Credentials are asked for once a second, so that botocore can refresh them in time. Not for several threads.
    """

    def __init__(
        self,
        credentials: Callable[[], FrozenCredentials | None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """*credentials* returns the current ones, ``None`` for anonymous requests; *clock* gives Unix time."""
        self._credentials = credentials
        self._clock = clock
        self._second = -1
        self._current: FrozenCredentials | None = None
        self._keys: dict[tuple[str, str, str, str], bytes] = {}
        self._offset_s = 0.0
        self.amz_date = ""
        self.token: str | None = None

    def tick(self) -> FrozenCredentials | None:
        """Bring date and credentials up to this second; `amz_date` and `token` are valid afterwards."""
        second = int(self._clock() + self._offset_s)
        if second != self._second:
            self._second = second
            self.amz_date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
            self._current = self._credentials()
            self.token = self._current.token if self._current else None
        return self._current

    def forget(self) -> None:
        """Ask for credentials again at the next request."""
        self._second = -1

    def adopt_time(self, server_time: float | None) -> None:
        """Sign with the server's Unix time from now on; ``None``, where it did not tell, only asks the clock again."""
        if server_time is not None:
            self._offset_s = server_time - self._clock()
        self.forget()

    def authorization(self, canonical_request: str, signed_headers: str, region: str, service: str) -> str:
        """
        Return the value of the Authorization header; `tick` was called before.

        *canonical_request* is complete, its ``x-amz-date`` equal to `amz_date`.
        """
        credentials = self._current
        if credentials is None:
            return ""
        day = self.amz_date[:8]
        scope = f"{day}/{region}/{service}/aws4_request"
        digest = sha256(canonical_request.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{self.amz_date}\n{scope}\n{digest}"
        key = self._keys.get((credentials.secret_key, day, region, service))
        if key is None:
            key = _signing_key(credentials.secret_key, (day, region, service, "aws4_request"))
            self._keys = {(credentials.secret_key, day, region, service): key}
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        return (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={signed_headers}, Signature={signature}"
        )


def _signing_key(secret: str, scope: Sequence[str]) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    return key
