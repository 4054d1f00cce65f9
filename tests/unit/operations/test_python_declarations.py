"""`PythonInvoke`: what may be declared, and what becomes of what a function returns or raises."""

from __future__ import annotations

import functools
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.exceptions
import called_functions
import pytest
from called_functions import Holder, describe
from scripted_store import drive

from airflow_s3batch.core.errors import ArgumentError, CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.operations import Column, PythonInvoke, Replay, Response, RunContext
from airflow_s3batch.operations.functions.callables import function_at, path_problems
from airflow_s3batch.operations.functions.invoking_python import Invocation, failure_of, outcome_of
from airflow_s3batch.operations.requests import Errand

OBJECT = S3Object("data", "a b", columns={"team": "blue"})


def test_a_function_is_turned_into_its_path() -> None:
    """The Dag is serialized, and the worker imports it."""
    operation = PythonInvoke(describe, {"n": 1})
    assert operation.to_json() == PythonInvoke("called_functions:describe", {"n": 1}).to_json()
    assert operation.function == "called_functions:describe"
    assert PythonInvoke(Holder.static).function == "called_functions:Holder.static"


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: PythonInvoke("no colon"), "'package.module:function'"),
        (lambda: PythonInvoke("a.b:"), "'package.module:function'"),
        (lambda: PythonInvoke(7), "neither a function nor"),  # type: ignore[arg-type]
        (lambda: PythonInvoke(lambda obj, params: None), "no name to import it by"),
        (lambda: PythonInvoke(Holder().method), "no name to import it by"),
        (lambda: PythonInvoke(functools.partial(describe)), "no name to import it by"),
        (lambda: PythonInvoke("called_functions:nothing"), "called_functions has no nothing"),
        (lambda: PythonInvoke("json.nowhere:f"), "no module json.nowhere"),
        (lambda: PythonInvoke("json.decoder.deeper:f"), "json.decoder is no package"),
        (lambda: PythonInvoke(describe, {"at": object()}), r"params\['at'\]"),
        (lambda: PythonInvoke(describe, [1]), "not a mapping"),  # type: ignore[arg-type]
        (lambda: PythonInvoke(describe, workers=0), "1 to 256"),
        (lambda: PythonInvoke(describe, timeout_s=0), "not above 0"),
        (lambda: PythonInvoke(describe, is_idempotent="yes"), "True nor False"),  # type: ignore[arg-type]
    ],
)
def test_wrong_declarations_fail_where_they_are_written(make: Any, part: str) -> None:
    with pytest.raises(ArgumentError, match=part):
        make()


def test_a_module_is_looked_at_without_running_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may import half a data centre; a Dag is parsed every half minute."""
    folder = tmp_path / "heavy_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('was run')")
    (folder / "work.py").write_text("raise RuntimeError('was run')\ndef done(obj, params): pass\n")
    (folder / "open.py").write_text("from elsewhere import *\n")
    monkeypatch.syspath_prepend(tmp_path)
    PythonInvoke("heavy_package.work:done")
    PythonInvoke("heavy_package.open:whatever")
    assert path_problems("heavy_package.work:undone") == [
        "function='heavy_package.work:undone': heavy_package.work has no undone"
    ]
    assert path_problems("heavy_package.play:done") == [
        "function='heavy_package.play:done': there is no module heavy_package.play"
    ]
    assert not [name for name in sys.modules if name.startswith("heavy_package")]


def test_a_package_that_only_the_workers_have_is_no_error_in_the_dag_processor() -> None:
    """It is one on the worker, before the first object."""
    operation = PythonInvoke("not_installed_here.at_all:f")
    with pytest.raises(CapabilityError, match=r"not_installed_here\.at_all:f can't be imported: ModuleNotFoundError"):
        operation.check_machine()
    with pytest.raises(CapabilityError, match="NUMBER in called_functions is no function"):
        PythonInvoke("called_functions:NUMBER").check_machine()
    PythonInvoke(describe).check_machine()


def test_functions_of_a_dag_file_can_not_be_called_in_other_processes() -> None:
    """Its module's name is known to the process that parsed it alone."""
    name = "unusual_prefix_abc_my_dag:work"
    assert path_problems(name) == []
    assert "move it into one" in path_problems(name, in_processes=True)[0]
    assert "move it into one" in path_problems("__main__:work", in_processes=True)[0]


def test_a_job_goes_on_where_its_dag_file_lies_in_another_folder() -> None:
    """Airflow makes the module's name of the whole path: another one on each worker, and after each commit."""
    here, there = (PythonInvoke(f"unusual_prefix_{folder * 40}_my_dag:work") for folder in "a1")
    assert here.function != there.function
    assert here.to_json() == there.to_json()
    assert here.to_json()["function"] == "my_dag:work"
    assert PythonInvoke("unusual_prefix_of_mine:work").to_json()["function"] == "unusual_prefix_of_mine:work"


def test_declaring_one_costs_no_import_of_the_engine() -> None:
    """Nor of anything else that is heavy."""
    program = "import sys; from airflow_s3batch.operations import PythonInvoke; PythonInvoke('json:dumps'); "
    program += "print([m for m in ('pycurl', 'boto3', 'botocore', 'duckdb', 'airflow', 'awscrt') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_is_not_replayed_unless_it_is_idempotent() -> None:
    assert PythonInvoke(describe).replay is Replay.UNSAFE
    assert PythonInvoke(describe, is_idempotent=True).replay is Replay.SAFE
    assert PythonInvoke(describe, {"t": Column("team")}, is_idempotent=True).for_object(OBJECT).replay is Replay.SAFE


def test_a_function_is_called_with_the_object_and_params_of_its_own() -> None:
    operation = PythonInvoke(describe, {"team": Column("team"), "n": 1}, workers=3, timeout_s=9.0).for_object(OBJECT)
    asked: list[Any] = []

    def answer(errand: Any) -> Response:
        asked.append(errand)
        return Response(200, {}, b"", value=errand.function(*errand.args))

    outcome, _ = drive(operation.steps(OBJECT, RunContext()), answer)
    assert outcome == Outcome(200, "", "s3://data/a b [('n', 1), ('team', 'blue')]")
    (errand,) = asked
    assert isinstance(errand, Errand)
    assert errand[2:] == (False, 3, 9.0)
    assert errand.args[1] is not operation.params
    assert pickle.loads(pickle.dumps(errand)).args == errand.args


def test_what_a_function_does_to_its_params_no_other_object_sees() -> None:
    operation = PythonInvoke(describe, {"seen": []})
    first, second = (next(operation.steps(OBJECT, RunContext())).args[1] for _ in range(2))  # type: ignore[union-attr]
    first["seen"].append("a")
    assert (second, operation.params) == ({"seen": []}, {"seen": []})


@pytest.mark.parametrize("name", ["later", "one_by_one", "later_one_by_one"])
def test_functions_that_do_nothing_when_they_are_called_are_refused(name: str) -> None:
    """Before the first object: each would fail, and nothing would have been done."""
    with pytest.raises(CapabilityError, match=f"{name} in called_functions only returns something to be awaited"):
        PythonInvoke(f"called_functions:{name}").check_machine()


def test_an_object_without_extra_columns_can_be_sent_to_another_process() -> None:
    errand = next(PythonInvoke(describe).steps(S3Object("b", "k"), RunContext()))
    assert pickle.loads(pickle.dumps(errand)) == errand


def test_a_lost_call_is_a_failure() -> None:
    """The engine makes it unknown where it must not be replayed."""
    answers = [Response(0, {}, b"", "FunctionLost", "its process ended")]
    assert drive(PythonInvoke(describe).steps(OBJECT, RunContext()), answers)[0] == Outcome(
        0, "FunctionLost", "its process ended"
    )


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (None, SUCCESS),
        ("", SUCCESS),
        ("two\n lines", Outcome(200, "", "two lines")),
        ({"rows": 3, "ü": "é"}, Outcome(200, "", '{"rows": 3, "ü": "é"}')),
        (Outcome(404, "NoSuchKey", "gone"), Outcome(404, "NoSuchKey", "gone")),
        (Outcome(200), SUCCESS),
        ("x" * 5_000, Outcome(200, "", "x" * 3_999 + "…")),
    ],
)
def test_results_tell_how_it_went(result: Any, outcome: Outcome) -> None:
    assert outcome_of(result) == outcome


@pytest.mark.parametrize(
    "result",
    [
        7,
        ["a"],
        Outcome(0, "not a code"),
        Outcome(0, "NotAttempted"),
        Outcome(0, "DryRun"),
        Outcome("200"),  # type: ignore[arg-type]
        Outcome(404, 404),  # type: ignore[arg-type]
        Outcome(200, None),  # type: ignore[arg-type]
        Outcome(-1, "Below"),
        Outcome(10**30, "Above"),
        Outcome(True, "Odd"),
    ],
)
def test_results_that_can_not_be_reported_fail_the_object(result: Any) -> None:
    """A row with any of them would be read wrongly."""
    assert outcome_of(result).error_code == "InvalidResult"


def test_exceptions_name_the_failure() -> None:
    """And the store's answers keep their codes: what is gone is tolerated as everywhere."""
    assert failure_of(ValueError("no\nway")) == Outcome(0, "ValueError", "ValueError: no way")
    reply: Any = {"Error": {"Code": "NoSuchKey", "Message": "gone"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
    error = botocore.exceptions.ClientError(reply, "GetObject")
    outcome = failure_of(error)
    assert (outcome.http_status, outcome.error_code) == (404, "NoSuchKey")
    assert Invocation("called_functions:Holder")(OBJECT, {}).error_code == "TypeError"
    named = type("Größenfehler", (Exception,), {})
    assert failure_of(named("9")) == Outcome(0, "Gr__enfehler", "Größenfehler: 9")


def test_the_path_is_resolved_once() -> None:
    assert function_at("called_functions:describe") is called_functions.describe
    with pytest.raises(ImportError, match="called_functions has no nothing"):
        function_at("called_functions:nothing")
