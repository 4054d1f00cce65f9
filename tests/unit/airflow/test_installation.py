"""Which Airflow this is: one answer for all its tasks, and never a reason to fail."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import Variable

from airflow_s3batch.hooks import installation as module
from airflow_s3batch.hooks.installation import KEY, installation


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Stands for the Variables of an Airflow that can be asked."""
    values: dict[str, str] = {}
    monkeypatch.setattr(module, "has_supervisor", lambda: True)
    monkeypatch.setattr(module, "is_supervisor_frail", lambda: False)
    monkeypatch.setattr(Variable, "get", lambda key, default=None: values.get(key, default))
    monkeypatch.setattr(Variable, "set", lambda key, value, **_: values.__setitem__(key, value))
    return values


def test_the_first_task_makes_a_name_and_all_others_find_it(kept: dict[str, str]) -> None:
    name = installation()
    assert len(name) == 12
    assert kept == {KEY: name}
    assert installation() == name


def test_a_name_in_the_configuration_counts_and_nothing_is_stored(
    kept: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__S3BATCH__INSTALLATION", " prod-eu ")
    assert installation() == "prod-eu"
    assert kept == {}


def test_of_two_tasks_that_make_a_name_at_once_both_have_the_one_that_stays(
    kept: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(key: str, _value: str, **_: Any) -> None:
        kept[key] = "the other's"

    monkeypatch.setattr(Variable, "set", overtaken)
    assert installation() == "the other's"


def test_an_airflow_that_does_not_answer_has_no_name(kept: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The job runs all the same."""

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("403 Forbidden")

    monkeypatch.setattr(Variable, "get", fail)
    assert installation() == ""
    assert kept == {}


def test_outside_a_task_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Variable, "get", lambda *_, **__: pytest.fail("asked"))
    monkeypatch.setattr(module, "has_supervisor", lambda: False)
    assert installation() == ""
