"""Credentials of the session: as botocore says, unless the store says otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.credentials import Credentials, RefreshableCredentials

from airflow_s3batch.core.errors import InfrastructureError
from airflow_s3batch.engine.credentials import SessionCredentials


class Issuer:
    """Issues credentials that are good for hours, until it is told to fail."""

    def __init__(self) -> None:
        self.issued = 0
        self.error: Exception | None = None

    def __call__(self) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        self.issued += 1
        expiry = (datetime.now(UTC) + timedelta(hours=6)).isoformat()
        return {"access_key": f"key{self.issued}", "secret_key": "s", "token": "t", "expiry_time": expiry}

    def credentials(self) -> RefreshableCredentials:
        return RefreshableCredentials.create_from_metadata(self(), self, "test")


def key_of(credentials: SessionCredentials) -> str:
    current = credentials.current()
    assert current is not None
    return current.access_key


def test_renewed_credentials_are_fetched_though_they_seem_good() -> None:
    """Once for all requests that were refused at about the same time."""
    now = [100.0]
    credentials = SessionCredentials(Issuer().credentials(), clock=lambda: now[0])
    assert [key_of(credentials), key_of(credentials)] == ["key1", "key1"]
    for _ in range(128):
        credentials.renew()
        assert key_of(credentials) == "key2"
    now[0] += 5.0
    credentials.renew()
    assert key_of(credentials) == "key3"


@pytest.mark.parametrize(
    ("error", "told"),
    [(OSError("no route to host"), "no route to host"), (KeyError("AccessKeyId"), "KeyError: 'AccessKeyId'")],
)
def test_a_refresh_that_fails_is_one_sentence_and_may_be_tried_again(error: Exception, told: str) -> None:
    issuer = Issuer()
    credentials = SessionCredentials(issuer.credentials())
    issuer.error = error
    credentials.renew()
    with pytest.raises(InfrastructureError, match=f"the credentials can't be refreshed: {told}; check the connection"):
        credentials.current()


def test_credentials_that_can_not_be_refreshed_stay() -> None:
    fixed = SessionCredentials(Credentials("key", "secret"))
    fixed.renew()
    assert key_of(fixed) == "key"
    anonymous = SessionCredentials(None)
    anonymous.renew()
    assert anonymous.current() is None
