"""What the class of an operation has to say of itself."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import pickle
import re
from collections.abc import Iterator
from typing import Any

from todo_candidates import INIT, Candidate

import airflow_s3batch.operations
from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.operation_names import operation_name
from airflow_s3batch.operations import ALL_OPERATIONS, Column, Operation, reference
from airflow_s3batch.operations.fields import strings_in
from airflow_s3batch.operations.from_json import operation_from_text

SAYS = {
    "replay": "SAFE if twice is as once, CHECK if it looks first whether it is so already, UNSAFE if neither",
    "requests": "the S3 APIs that it may send for an object, the usual one first",
}


def is_a_declaration(op: Candidate) -> Iterator[str]:
    """Class, name, docstring, replay rule, what can be verified, an example."""
    for missing in sorted(op.kind.__abstractmethods__):
        first = (inspect.getdoc(getattr(Operation, missing)) or "").splitlines()[0]
        yield f"{op.place}: write {op.name}.{missing}(). {first}"
    parameters = getattr(op.kind, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen or "__dataclass_fields__" not in vars(op.kind):
        yield f"{op.place}: put @dataclass(frozen=True) above {op.name}"
    snake = operation_name({"operation": op.name})
    if getattr(op.kind, "name", "") != snake:
        yield f'{op.place}: name: ClassVar[str] = "{snake}", the class name as logs and pages spell it'
    for attribute, meaning in SAYS.items():
        if not hasattr(op.kind, attribute):
            yield f"{op.place}: {attribute}: ClassVar[…]: {meaning}"
    yield from _can_be_looked_at(op)
    yield from _is_documented(op)


def _can_be_looked_at(op: Candidate) -> Iterator[str]:
    if bool(op.kind.compares) == bool(op.kind.unverifiable):
        yield f"{op.place}: give either compares (what a second look compares) or unverifiable (why there is none)"
    if op.kind.compares and op.kind.compared is Operation.compared:
        yield f"{op.place}: write {op.name}.compared(): requests that read, and an outcome of DIFFERENCES"
    if op.kind.compares and op.kind.marks is Operation.marks:
        yield f"{op.place}: write {op.name}.marks(): what compared() looks at, e.g. frozenset({{'tags'}})"


def _is_documented(op: Candidate) -> Iterator[str]:
    if op.kind.example.__func__ is Operation.example.__func__:  # type: ignore[attr-defined]
        yield f"{op.place}: write the classmethod {op.name}.example(): a short declaration, as users write it"
    if not inspect.cleandoc(vars(op.kind).get("__doc__") or "").partition("\n\n")[0].endswith("."):
        yield f"{op.place}: begin the docstring of {op.name} with a sentence that says what it does to each object"
    for line in reference.field_rows(op.kind) if op.fields else ():
        if line.endswith("|  |"):
            yield f"{op.place}: explain {line.split('`')[1]} under Args: in the docstring of {op.name}"


def is_exported(op: Candidate) -> Iterator[str]:
    """From the package, by name, in the list of all."""
    if getattr(airflow_s3batch.operations, op.name, None) is not op.kind:
        yield f"{INIT}: from {op.kind.__module__} import {op.name}"
    if op.kind not in ALL_OPERATIONS:
        yield f"{INIT}: add {op.name} to ALL_OPERATIONS; the command line, job files, emulator and tests find it there"
    if op.name not in airflow_s3batch.operations.__all__:
        yield f"{INIT}: add {op.name!r} to __all__"
    if [kind.__name__ for kind in ALL_OPERATIONS] != sorted(kind.__name__ for kind in ALL_OPERATIONS):
        yield f"{INIT}: keep ALL_OPERATIONS in the order of the alphabet"


def is_a_value(op: Candidate) -> Iterator[str]:
    """Frozen, copied, pickled, written as JSON and read back, rendered, and its columns found."""
    if op.operation is None:
        return
    for what, twin in (("copy.deepcopy", copy.deepcopy), ("pickle", lambda value: pickle.loads(pickle.dumps(value)))):
        if _or_error(lambda made=twin: made(op.operation)) != op.operation:
            yield f"{op.place}: {what} of {op.name} gives another value; fields that are made get compare=False"
    if op.kind in ALL_OPERATIONS:
        again = _or_error(lambda: operation_from_text(json.dumps(op.operation.to_json())))  # type: ignore[union-attr]
        if again != op.operation:
            yield f"{op.place}: {op.name}.to_json() is not read back by from_json ({again!r}); use plain fields"
    yield from _columns(op)
    yield from _templates(op)


def _columns(op: Candidate) -> Iterator[str]:
    for each in op.fields:
        if not _takes_a_column(op, each):
            continue
        found = _or_error(lambda name=each.name: _replaced(op, name, Column("c")))
        if not isinstance(found, Operation) or "c" not in {column.name for column in _columns_of(found)}:
            yield f"{op.place}: {each.name}=Column('c') does not work ({found!r}): problems() lets columns pass"
            continue
        for value in (None, "", "v"):
            row = S3Object("b", "k", size=1, columns=dict.fromkeys((*found.columns(), "c"), value))
            own = _or_error(lambda made=found, obj=row: made.for_object(obj))
            if not isinstance(own, (Operation, S3BatchError)):
                yield f"{op.place}: {each.name}=Column('c') raises {own!r} for {value!r}; problems() has to find that"


def _takes_a_column(op: Candidate, field: dataclasses.Field[Any]) -> bool:
    """Return whether *field* is declared so, and takes some value beside the other fields of the example."""
    if not re.search(r"\bColumn\b", str(field.type)) or not re.match(r"(str|int|bool|datetime)", str(field.type)):
        return False
    own = getattr(op.operation, field.name)
    values = [own] if own is not None and own != field.default else ["v", "7", 7, True]
    return any(isinstance(_or_error(lambda value=each: _replaced(op, field.name, value)), Operation) for each in values)


def _columns_of(operation: Operation) -> list[Column]:
    from airflow_s3batch.operations.fields import columns_in

    return columns_in(operation._fields())


def _templates(op: Candidate) -> Iterator[str]:
    given = op.operation._fields() if op.operation is not None else {}
    for name, value in given.items():
        if not isinstance(value, str) or not strings_in(value):
            continue
        found = _or_error(lambda field=name: _replaced(op, field, "{{ v }}"))
        is_right = isinstance(found, Operation) and found.has_templates
        back = _or_error(lambda made=found, text=value: made.render(lambda t: text if t == "{{ v }}" else t))
        if not is_right or back != op.operation:
            yield f"{op.place}: {name}='{{{{ v }}}}' does not work ({back!r}): __post_init__ leaves templates alone"


def _replaced(op: Candidate, name: str, value: Any) -> Operation:
    assert op.operation is not None
    found: Operation = dataclasses.replace(op.operation, **{name: value})  # type: ignore[type-var]
    return found


def _or_error(make: Any) -> Any:
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - it is told
        return error
