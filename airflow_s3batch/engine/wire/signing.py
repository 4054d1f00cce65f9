"""
AWS Signature Version 4 for S3, with the signing key and the parts that stay the same for a second cached.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
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

    Attributes:
        amz_date: what requests are dated with.
        token: the credentials' session token.
        stamp: changes whenever one of them may have.
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
        self._scopes: dict[tuple[str, str], _Scope] = {}
        self._offset_s = 0.0
        self.amz_date = ""
        self.token: str | None = None
        self.stamp = 0

    def tick(self) -> FrozenCredentials | None:
        """Bring date and credentials up to this second; `amz_date` and `token` are valid afterwards."""
        second = int(self._clock() + self._offset_s)
        if second != self._second:
            self._second = second
            self.amz_date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
            self._current = self._credentials()
            self.token = self._current.token if self._current else None
            self.stamp += 1
            self._scopes.clear()
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
        scope = self._scopes.get((region, service))
        if scope is None:
            scope = self._scopes[region, service] = _Scope(credentials, self.amz_date, region, service)
        digest = sha256(canonical_request.encode()).hexdigest()
        return f"{scope.head}{signed_headers}, Signature={scope.signature(scope.to_sign + digest)}"


class _Scope:
    """
    What signatures of one second, region and service share.

    Attributes:
        head: the header's value up to the signed names.
        to_sign: the text to sign up to the request's digest.
    """

    __slots__ = ("_inner", "_outer", "head", "to_sign")

    def __init__(self, credentials: FrozenCredentials, amz_date: str, region: str, service: str) -> None:
        scope = f"{amz_date[:8]}/{region}/{service}/aws4_request"
        self.head = f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders="
        self.to_sign = f"AWS4-HMAC-SHA256\n{amz_date}\n{scope}\n"
        key = _signing_key(credentials.secret_key, amz_date[:8], region, service)
        # HMAC with the key's two blocks hashed once: half the time of a whole one (RFC 2104, section 4)
        block = key.ljust(64, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def signature(self, text: str) -> str:
        """Return the HMAC of *text*, in hex."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode())
        outer.update(inner.digest())
        return outer.hexdigest()


def _signing_key(secret: str, *scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
