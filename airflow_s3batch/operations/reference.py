"""
``docs/operations.md``, put together from the operations themselves: ``python -m airflow_s3batch.operations.reference``.

What the page says of an operation stands in its own file: docstring, example, fields, IAM actions, CreateJob form. Here
is only the layout.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_s3batch.operations import ALL_OPERATIONS, Column, InOrder, Operation
from airflow_s3batch.operations.base import Replay
from airflow_s3batch.operations.feature_table import feature_table

_KINDS: tuple[type[Operation], ...] = (*ALL_OPERATIONS, InOrder)
EXAMPLES = tuple(kind.example() for kind in sorted(_KINDS, key=lambda kind: kind.__name__))
"""What the page shows of each operation."""

_REPLAYS = {
    Replay.SAFE: "safe: done again",
    Replay.CHECK: "checked: done again unless it is so already",
    Replay.UNSAFE: "unsafe: reported as `OutcomeUnknown` unless declared idempotent or `replay_unsafe=True`",
}
_HEAD = """\
# Operations

Made by `python -m airflow_s3batch.operations.reference` from the code; don't edit it by hand.

`operation=` takes one of these, or a list that is done in order to each object. Fields whose type has `Column` can
differ per object: `Column("name")` is a column of the manifest, be it one of `columns=` or one of its own (`key`,
`bucket`, `version_id`, `size`, `e_tag`, `storage_class`). Text fields are templates.

`print(iam_policy(operation, "s3://bucket/prefix", job_url))` prints the least policy that a job needs.

"""


def page() -> str:
    """Return the whole page, in Markdown."""
    index = "\n".join(f"* [`{type(each).__name__}`](#{type(each).__name__.lower()})" for each in EXAMPLES)
    sections = "\n".join(map(section, EXAMPLES))
    table = "* [Every field of AWS S3 Batch Operations](#every-field-of-aws-s3-batch-operations)"
    return f"{_HEAD}{index}\n{table}\n\n{sections}\n{feature_table()}"


def declaration(value: Any) -> str:
    """Return the Python text that declares *value*: an operation without the fields that have their defaults."""
    if isinstance(value, Operation):
        fields = [each for each in dataclasses.fields(value) if each.init]  # type: ignore[arg-type]
        given = [(each.name, getattr(value, each.name)) for each in fields if not _has_default(value, each)]
        texts = [declaration(own) if name == fields[0].name else f"{name}={declaration(own)}" for name, own in given]
        return f"{type(value).__name__}({', '.join(texts)})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{declaration(key)}: {declaration(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(declaration, value))}]"
    if isinstance(value, Column):
        return f"Column({declaration(value.name)})"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _has_default(operation: Operation, field: dataclasses.Field[Any]) -> bool:
    own = getattr(operation, field.name)
    if field.default_factory is not dataclasses.MISSING:
        return bool(own == field.default_factory())
    return field.default is not dataclasses.MISSING and own == field.default


def section(example: Operation) -> str:
    """Return what the page says of *example* and its kind."""
    kind = type(example)
    prose, _ = _docstring(kind)
    lines = [f"## {kind.__name__}", "", prose, "", "```python", *_code(example), "```", ""]
    lines.extend(field_rows(kind))
    lines.extend(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in _facts(example)), ""])
    if kind.managed_name:
        form = json.dumps(example.create_job_operation(), indent=2, default=str)
        lines.extend(["CreateJob's `Operation`:", "", "```json", form, "```", ""])
    if sources := _sources(kind):
        lines.extend(["Sources: " + ", ".join(f"<{url}>" for url in sources), ""])
    return "\n".join(lines)


def _code(example: Operation) -> Iterator[str]:
    """Yield the lines of code that declare *example*, imports included."""
    declared = declaration(example)
    names = sorted(set(re.findall(r"[A-Z]\w+(?=[(])", declared)))
    yield f"from airflow_s3batch.operations import {', '.join(names)}"
    yield ""
    yield declared


def _facts(example: Operation) -> Iterator[tuple[str, str]]:
    """Yield what else is known of an operation, by label."""
    managed = example.managed_problems()
    yield "worker engine", "yes" if example.runs_on_workers else "no: AWS does this alone"
    yield "managed engine", f"yes, as `{example.managed_name}`" if not managed else _cell(f"no: {managed[0]}")
    yield "destroys data", "yes" if example.destroys else "no"
    yield "after a crash", _REPLAYS[example.replay]
    yield "requests for an object", ", ".join(f"`{request}`" for request in example.requests) or "none of its own"
    yield "a verification compares", example.compares or _cell(f"nothing: {example.unverifiable}")
    if example.compares:
        yield "IAM of a verification", _codes(example.verification_iam_actions())
    if example.batch_size > 1:
        yield "objects in a request", f"up to {example.batch_size:,}"
    if example.ends_sequence:
        yield "in a list of operations", f"has to be the last: {example.ends_sequence}"
    for place, actions in sorted(example.iam_places().items()):
        yield f"IAM on {place}", _codes(actions)
    if not managed:
        for place, actions in sorted(example.iam_places(is_managed=True).items()):
            yield f"IAM of AWS's role, on {place}", _codes(actions)


def _codes(names: set[str]) -> str:
    return " ".join(f"`{name}`" for name in sorted(names)) or "none"


def field_rows(kind: type[Operation]) -> list[str]:
    """Return the table of the fields of *kind*; the last cell is empty where the docstring does not explain one."""
    arguments = _docstring(kind)[1]
    fields = [each for each in dataclasses.fields(kind) if each.init]  # type: ignore[arg-type]
    inherited = {name: text for base in reversed(kind.__mro__[1:]) for name, text in _docstring(base)[1].items()}
    rows = [
        f"| `{each.name}` | {_cell(f'`{each.type}`')} | {_default(each)} | "
        f"{_cell(_explained(each.name, {**inherited, **arguments}))} |"
        for each in fields
    ]
    return ["| field | type | default | |", "|---|---|---|---|", *rows, ""] if rows else []


def _explained(name: str, arguments: dict[str, str]) -> str:
    """Return the text about the field *name*, or the name of the field whose text explains both."""
    along = next((f"see `{other}`" for other, text in arguments.items() if f"*{name}*" in text), "")
    return arguments.get(name) or along


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return f"`{field.default_factory()!r}`"
    return "required" if field.default is dataclasses.MISSING else f"`{field.default!r}`"


def _docstring(kind: type) -> tuple[str, dict[str, str]]:
    """Return the prose of a class docstring, and the texts of its ``Args:`` by name, in Markdown."""
    text = inspect.cleandoc(kind.__doc__ or "") if issubclass(kind, Operation) else ""
    prose, _, arguments = text.partition("\nArgs:\n")
    found: dict[str, str] = {}
    for block in re.split(r"\n(?=    \w+: )", "\n" + arguments):
        name, separator, rest = block.strip().partition(": ")
        if separator:
            found[name] = " ".join(rest.split())
    return _markdown(prose.strip()), {name: _markdown(value) for name, value in found.items()}


def _markdown(text: str) -> str:
    return text.replace("``", "`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _sources(kind: type[Operation]) -> list[str]:
    """Return the pages that the operation's module and its methods name as their sources."""
    module = inspect.getmodule(kind)
    texts = [module.__doc__ or "" if module else "", *(inspect.getdoc(each) or "" for each in vars(kind).values())]
    urls = [url for text in texts for url in re.findall(r"https://docs\.aws\S+", text.partition("Source:")[2])]
    return list(dict.fromkeys(urls))


if __name__ == "__main__":
    sys.stdout.write(page())
