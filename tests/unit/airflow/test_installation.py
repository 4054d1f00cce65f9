"""Which Airflow this is: one answer for all its tasks, and never a reason to fail."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import Variable
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse, VariableResult

from airflow_s3batch.hooks import installation as module
from airflow_s3batch.hooks.installation import KEY, installation

NOT_FOUND = ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND)


class Supervisor:
    """Answers a task that asks for a Variable."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def send(self, _message: object) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Stands for the Variables of an Airflow that can be asked."""
    values: dict[str, str] = {}
    monkeypatch.setattr(module, "has_supervisor", lambda: True)
    monkeypatch.setattr(module, "is_supervisor_frail", lambda: False)
    monkeypatch.setattr(module, "SETTLE_S", 0.0)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(NOT_FOUND), raising=False)
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


@pytest.mark.parametrize(
    "answer",
    [
        ErrorResponse(error=ErrorType.API_SERVER_ERROR),
        ErrorResponse(error=ErrorType.GENERIC_ERROR),
        RuntimeError("503 Service Unavailable"),
        VariableResult(key=KEY, value="prod"),
        None,
    ],
    ids=str,
)
def test_a_name_that_cannot_be_read_at_the_moment_is_not_put_out_of_the_way_by_a_new_one(
    kept: dict[str, str], monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    """Airflow's `Variable.get` gives its default for any error of the API server, not only for "not found"."""
    kept[KEY] = "prod"
    monkeypatch.setattr(Variable, "get", lambda _key, default=None: default)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(answer), raising=False)
    assert installation() == ""
    assert kept == {KEY: "prod"}


def test_a_name_that_another_task_replaces_a_moment_later_is_not_used(
    kept: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have found none; without the pause the first would go on with a name that nobody else ever sees."""
    monkeypatch.setattr(module.time, "sleep", lambda _s: kept.__setitem__(KEY, "the other's"))
    assert installation() == "the other's"
