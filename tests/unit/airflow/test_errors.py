"""Which errors Airflow retries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_s3batch.core import errors
from airflow_s3batch.hooks.airflow_names import AirflowException, AirflowFailException
from airflow_s3batch.hooks.errors import RUNBOOK, airflow_errors


def kinds(base: type[errors.S3BatchError] = errors.S3BatchError) -> Iterator[type[errors.S3BatchError]]:
    """Yield every error of the package."""
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


@pytest.mark.parametrize("kind", list(dict.fromkeys(kinds())))
def test_airflow_retries_trouble_of_the_world_and_nothing_else(kind: type[errors.S3BatchError]) -> None:
    """
    A missing permission is not cured by waiting; AirflowFailException ends the task whatever ``retries`` says.

    A job that somebody has paused, and a task that can't wait for it, comes back later, too.
    """
    with pytest.raises(AirflowException) as caught, airflow_errors():
        raise kind("a sentence")
    is_retried = issubclass(kind, (errors.InfrastructureError, errors.PausedError))
    assert isinstance(caught.value, AirflowFailException) is not is_retried
    assert str(caught.value) == "a sentence"


def test_other_exceptions_pass_through() -> None:
    """They are bugs, or Airflow's own."""
    with pytest.raises(KeyError), airflow_errors():
        raise KeyError("k")


def test_the_log_names_the_class_and_its_place_in_the_runbook(caplog: pytest.LogCaptureFixture) -> None:
    """Airflow's exception no longer tells which it was."""
    with caplog.at_level("INFO"), pytest.raises(AirflowException), airflow_errors():
        raise errors.AccessError("a sentence")
    assert f"AccessError: what to do about it is in {RUNBOOK}#accesserror" in caplog.text
