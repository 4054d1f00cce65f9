"""Credentials of the session: as botocore says, unless the store says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.credentials import Credentials, RefreshableCredentials

from airflow_s3batch.core.errors import InfrastructureError
from airflow_s3batch.engine.wire.credentials import SessionCredentials


class Issuer:
    """Issues credentials that are *good_for* some time, until it is told to fail."""

    def __init__(self, good_for: timedelta = timedelta(hours=6)) -> None:
        self.good_for = good_for
        self.asked = 0
        self.issued = 0
        self.error: Exception | None = None
        self.takes: Callable[[], None] = lambda: None

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        self.takes()
        if self.error is not None:
            raise self.error
        self.issued += 1
        expiry = (datetime.now(UTC) + self.good_for).isoformat()
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


def test_a_provider_that_fails_for_a_while_costs_nothing_as_long_as_the_credentials_are_good() -> None:
    """It is not asked for each second of the run either: each time may take long."""
    now = [100.0]
    issuer = Issuer(good_for=timedelta(minutes=5))
    credentials = SessionCredentials(issuer.credentials(), clock=lambda: now[0])
    known = key_of(credentials)
    issuer.error = OSError("no route to host")
    before = issuer.asked
    assert {key_of(credentials) for _ in range(100)} == {known}
    assert issuer.asked == before + 1
    now[0] += 20.0
    assert key_of(credentials) == known
    assert issuer.asked == before + 2
    issuer.error = None
    now[0] += 20.0
    assert key_of(credentials) != known


def test_a_slow_provider_is_left_in_peace_for_a_while() -> None:
    """Botocore asks it at each use, from 15 minutes before the expiry on, and bears its failure in silence."""
    now = [100.0]
    issuer = Issuer(good_for=timedelta(minutes=12))
    credentials = SessionCredentials(issuer.credentials(), clock=lambda: now[0])

    key_of(credentials)
    issuer.error = OSError("no route to host")
    issuer.takes = lambda: now.__setitem__(0, now[0] + 3.0)
    before = issuer.asked
    for _ in range(10):
        key_of(credentials)
    assert issuer.asked == before + 1


def test_credentials_that_are_about_to_expire_are_not_used_for_long() -> None:
    issuer = Issuer(good_for=timedelta(seconds=30))
    credentials = SessionCredentials(issuer.credentials())
    key_of(credentials)
    issuer.error = OSError("no route to host")
    with pytest.raises(InfrastructureError, match="the credentials can't be refreshed"):
        credentials.current()


def test_credentials_that_can_not_be_refreshed_stay() -> None:
    fixed = SessionCredentials(Credentials("key", "secret"))
    fixed.renew()
    assert key_of(fixed) == "key"
    anonymous = SessionCredentials(None)
    anonymous.renew()
    assert anonymous.current() is None
