"""Call a Python function with each object."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import DRY_RUN, NOT_ATTEMPTED, SUCCESS, Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.fields import Column
from airflow_s3batch.operations.functions.callables import function_at, lasting_path, path_of, path_problems
from airflow_s3batch.operations.requests import Errand, RunContext, Steps

MOST_WORKERS = 256
MOST_MESSAGE_CHARACTERS = 4_000
INVALID_RESULT = "InvalidResult"
"""ErrorCode of objects for which the function returned something that can't be reported."""

_IS_CODE = re.compile(r"[\w.:-]{1,100}", re.ASCII).fullmatch
_NOT_IN_CODES = re.compile(r"[^\w.:-]", re.ASCII)
_MOST_STATUS = 999
_PLAIN = (str, int, float, bool, type(None), Column)


@dataclass(frozen=True)
class PythonInvoke(Operation):
    """
    Call ``function(object, params)`` with each object: whatever Python can do, with all else of a job around it.

    The function is given the `S3Object` (its ``columns`` hold the manifest's extra ones) and *params* as a dict of its
    own. What it returns tells how it went: ``None`` is a success; a text or a dict is a success, too, and goes into
    the report's message, a dict as JSON; an `Outcome` is reported as it is. What it raises fails that object alone: the
    report has the exception's name as error code, or the store's code if it is botocore's ``ClientError``.

    It is imported when the job runs, not when the Dag is parsed; then it is only looked for. It is never tried
    beforehand. A call whose outcome was lost, be it that the task died, that the process did, or that the time limit
    was reached, is reported as ``OutcomeUnknown`` and not made again, unless the function is declared idempotent.

    Threads suit functions that wait for the network. Functions that compute want processes: fresh interpreters, each
    doing one object after the other, in which neither Airflow's context nor the task's connections exist. A process
    that dies fails the object that it was working on.

    Args:
        function: ``"package.module:function"``, or a function at the top of a module.
        params: values that the function needs; texts are templates, and any may be a `Column`, which comes as a text.
        workers: how many objects are worked on at the same time in one task, 1 to 256.
        in_processes: call it in processes rather than on threads.
        is_idempotent: doing it twice is the same as doing it once, so that it may be done again after a crash.
        timeout_s: time limit for one object; ``None`` is no limit. A process is killed then. A thread can't be: the
            call goes on unheeded, another thread takes its place, and a task in which more than 64 hang ends.
    """

    function: str | Callable[..., Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 8
    in_processes: bool = False
    is_idempotent: bool = False
    timeout_s: float | None = None

    name: ClassVar[str] = "python_invoke"
    unbilled: ClassVar[str] = "All that the function does."
    unverifiable: ClassVar[str] = "what a function should have left is known to the function alone"
    replay: ClassVar[Replay] = Replay.UNSAFE
    is_probed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Turn a function into its path, and check the fields."""
        if callable(self.function):
            object.__setattr__(self, "function", path_of(self.function))
        if self.is_idempotent is True:
            object.__setattr__(self, "replay", Replay.SAFE)
        super().__post_init__()
        object.__setattr__(self, "most_at_once", 2 * self.workers)

    @property
    def path(self) -> str:
        """The function's path."""
        return str(self.function)

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls("my_lake.checks:verify")

    def problems(self) -> list[str]:  # noqa: D102
        found = []
        if isinstance(self.function, str):
            found += path_problems(self.function, in_processes=bool(self.in_processes))
        else:
            found.append(f"function={self.function!r} is neither a function nor 'package.module:function'")
        if not isinstance(self.params, Mapping):
            found.append(f"params={self.params!r} is not a mapping")
        else:
            found += [
                f"params[{name!r}]={value!r} is neither a text, a number, a list, a dict nor a Column"
                for name, value in self.params.items()
                if not _is_plain(value)
            ]
        if not isinstance(self.workers, int) or not 1 <= self.workers <= MOST_WORKERS:
            found.append(f"workers={self.workers!r} is not a number from 1 to {MOST_WORKERS}")
        if self.timeout_s is not None and not (isinstance(self.timeout_s, (int, float)) and self.timeout_s > 0):
            found.append(f"timeout_s={self.timeout_s!r} is not above 0")
        for name in ("in_processes", "is_idempotent"):
            if not isinstance(getattr(self, name), bool):
                found.append(f"{name}={getattr(self, name)!r} is neither True nor False")
        return found

    def to_json(self) -> dict[str, Any]:  # noqa: D102
        return {**super().to_json(), "function": lasting_path(self.path)}

    def machine_problems(self) -> list[str]:  # noqa: D102
        try:
            function_at(self.path)
        except Exception as error:  # noqa: BLE001 - a module may raise anything
            return [f"{self.path} can't be imported: {type(error).__name__}: {error}"]
        return []

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002, D102
        named = obj._replace(columns=dict(obj.columns))  # the columns of none can't be pickled
        args = (named, copy.deepcopy(dict(self.params)))
        response = yield Errand(Invocation(self.path), args, self.in_processes, self.workers, self.timeout_s)
        return response.outcome() if response.error_code else response.value

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: ARG002, D102
        yield from ()
        return {}

    def iam_actions(self) -> set[str]:  # noqa: D102
        return set()


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call of the function at *path*. Who receives it in a pickle imports the function at once."""

    path: str

    def __call__(self, obj: S3Object, params: dict[str, Any]) -> Outcome:
        """Return what became of *obj*; never raises."""
        try:
            return outcome_of(function_at(self.path)(obj, params))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it fails this object
            return failure_of(error)

    def __reduce__(self) -> tuple[Callable[[str], Invocation], tuple[str]]:
        return _imported, (self.path,)


def _imported(path: str) -> Invocation:
    with contextlib.suppress(Exception):  # told when it is called
        function_at(path)
    return Invocation(path)


def outcome_of(result: Any) -> Outcome:
    """Return what a function's *result* says."""
    if result is None:
        return SUCCESS
    if isinstance(result, Outcome):
        return _checked(result)
    if isinstance(result, str):
        return SUCCESS._replace(message=_message(result) or SUCCESS.message)
    if isinstance(result, Mapping):
        return SUCCESS._replace(message=_message(json.dumps(dict(result), ensure_ascii=False, default=str)))
    told = "None, a text, a dict or an Outcome"
    return Outcome(0, INVALID_RESULT, f"the function returned {type(result).__name__}; expected {told}")


def failure_of(error: BaseException) -> Outcome:
    """Return the failure of an object whose function raised *error*; the store's own answer if it is one."""
    code, status = type(error).__name__, 0
    reply = getattr(error, "response", None)
    if isinstance(reply, Mapping) and isinstance(reply.get("Error"), Mapping):
        code = str(reply["Error"].get("Code") or code)
        status = _status(reply)
    return _checked(Outcome(status, _NOT_IN_CODES.sub("_", code)[:100], f"{type(error).__name__}: {error}"))


def _checked(outcome: Outcome) -> Outcome:
    """Return *outcome* as a report can hold it."""
    status, code, message = outcome
    is_code = isinstance(code, str) and (not code or _IS_CODE(code)) and code not in (DRY_RUN, NOT_ATTEMPTED)
    is_status = isinstance(status, int) and not isinstance(status, bool) and 0 <= status <= _MOST_STATUS
    if not (is_code and is_status and isinstance(message, str)):
        return Outcome(0, INVALID_RESULT, _message(f"the function returned {outcome!r}, which can't be reported"))
    return Outcome(int(status), code, _message(message))


def _status(reply: Mapping[str, Any]) -> int:
    status = (reply.get("ResponseMetadata") or {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else 0


def _message(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MOST_MESSAGE_CHARACTERS else f"{line[: MOST_MESSAGE_CHARACTERS - 1]}…"


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)
