"""
``docs/operations.md``, put together from the operations themselves: ``python -m airflow_s3batch.operations.reference``.

What the page says of an operation stands in its own file: docstring, fields, IAM actions, CreateJob form. Here are only
examples of declarations and the layout.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from airflow_s3batch.operations import (
    ALL_OPERATIONS,
    Column,
    ComputeObjectChecksum,
    CopyObject,
    DeleteObject,
    DeleteObjectTagging,
    InOrder,
    LambdaInvoke,
    MergeObjectTagging,
    MoveObject,
    Operation,
    PutObjectAcl,
    PutObjectLegalHold,
    PutObjectRetention,
    PutObjectTagging,
    PythonInvoke,
    ReplicateObject,
    RestoreObject,
    RewriteObject,
    UpdateObjectEncryption,
)
from airflow_s3batch.operations.base import Replay
from airflow_s3batch.operations.feature_table import feature_table

_KEY = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
EXAMPLES: tuple[tuple[str, Operation], ...] = (
    ("ComputeObjectChecksum('SHA256')", ComputeObjectChecksum("SHA256")),
    ("CopyObject('archive', 'by-date', storage_class='GLACIER_IR')", CopyObject("archive", "by-date", "GLACIER_IR")),
    ("DeleteObject()", DeleteObject()),
    ("DeleteObjectTagging()", DeleteObjectTagging()),
    (
        "InOrder([PutObjectTagging({'moved': 'true'}), MoveObject('archive')])",
        InOrder((PutObjectTagging({"moved": "true"}), MoveObject("archive"))),
    ),
    (
        "LambdaInvoke('greet', '2.0', {'word': 'hello'})",
        LambdaInvoke("greet", "2.0", {"word": "hello"}),
    ),
    (
        "MergeObjectTagging({'team': Column('team')}, remove=['legacy'])",
        MergeObjectTagging({"team": Column("team")}, ["legacy"]),
    ),
    ("MoveObject('archive')", MoveObject("archive")),
    ("PutObjectAcl('bucket-owner-full-control')", PutObjectAcl("bucket-owner-full-control")),
    ("PutObjectLegalHold('ON')", PutObjectLegalHold("ON")),
    (
        "PutObjectRetention('GOVERNANCE', '2030-01-01T00:00:00+00:00')",
        PutObjectRetention("GOVERNANCE", "2030-01-01T00:00:00+00:00"),
    ),
    ("PutObjectTagging({'quarantine': 'true'})", PutObjectTagging({"quarantine": "true"})),
    ("PythonInvoke('my_lake.checks:verify')", PythonInvoke("my_lake.checks:verify")),
    ("ReplicateObject()", ReplicateObject()),
    ("RestoreObject(7, 'STANDARD')", RestoreObject(7, "STANDARD")),
    ("RewriteObject('SSE-S3')", RewriteObject("SSE-S3")),
    (f"UpdateObjectEncryption({_KEY!r})", UpdateObjectEncryption(_KEY)),
)
"""How each operation is declared, as text and as value."""

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
    index = "\n".join(f"* [`{type(each).__name__}`](#{type(each).__name__.lower()})" for _, each in EXAMPLES)
    sections = "\n".join(_section(text, example) for text, example in EXAMPLES)
    return f"{_HEAD}{index}\n* [Every field of AWS S3 Batch Operations](#every-field)\n\n{sections}\n{feature_table()}"


def _section(text: str, example: Operation) -> str:
    kind = type(example)
    prose, arguments = _docstring(kind)
    lines = [f"## {kind.__name__}", "", prose, "", "```python", text.replace("'", '"'), "```", ""]
    lines.extend(_fields(kind, arguments))
    lines.extend(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in _facts(example)), ""])
    if kind.managed_name:
        form = json.dumps(example.create_job_operation(), indent=2, default=str)
        lines.extend(["CreateJob's `Operation`:", "", "```json", form, "```", ""])
    if sources := _sources(kind):
        lines.extend(["Sources: " + ", ".join(f"<{url}>" for url in sources), ""])
    return "\n".join(lines)


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


def _fields(kind: type[Operation], arguments: dict[str, str]) -> list[str]:
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


def missing() -> list[str]:
    """Return the operations that the page lacks."""
    shown = {type(example) for _, example in EXAMPLES}
    return [known.__name__ for known in ALL_OPERATIONS if known not in shown]


if __name__ == "__main__":
    sys.stdout.write(page())
