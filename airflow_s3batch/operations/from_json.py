"""Operations out of what `Operation.to_json` has written: of a job's files, or typed on a command line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.fields import Column
from airflow_s3batch.operations.in_order import InOrder

EXPECTED = """a name (PutObjectTagging), JSON ({"operation": "CopyObject", "target_bucket": "b"}), or a list of such"""


def operation_from_json(document: Any) -> Operation:
    """
    Return the operation that *document* declares: an object with ``operation`` and fields, a name, or a list of them.

    A value ``{"column": "team"}`` is ``Column("team")``; a tag set of just a tag ``column`` can't be told apart from
    that, and is taken for one where a column won't do.

    Raises:
        ArgumentError: there is no such operation or field, or a value is wrong; all of them are listed.
    """
    if isinstance(document, str):
        return operation_from_json({"operation": document})
    if isinstance(document, Sequence):
        return InOrder(tuple(operation_from_json(step) for step in document))
    if not isinstance(document, Mapping):
        raise ArgumentError(f"operation: {document!r} is not an object with 'operation' and its fields")
    if document.get("operation") == InOrder.__name__:
        return operation_from_json(list(document.get("operations") or []))
    kind, fields = _kind(document), {name: value for name, value in document.items() if name != "operation"}
    try:
        return _made(kind, {name: _value(value) for name, value in fields.items()})
    except ArgumentError:
        return _made(kind, {name: value if _is_column(value) else _value(value) for name, value in fields.items()})


def operation_from_text(text: str) -> Operation:
    """
    Return the operation that *text* declares: a name, or JSON as `operation_from_json` takes it.

    Raises:
        ArgumentError: it declares none.
    """
    try:
        document: Any = json.loads(text) if text.lstrip()[:1] in ("{", "[") else text
    except ValueError as error:
        raise ArgumentError(f"operation: {text!r} is not JSON ({error}); expected {EXPECTED}") from None
    return operation_from_json(document)


def _kind(document: Mapping[str, Any]) -> type[Operation]:
    from airflow_s3batch.operations import ALL_OPERATIONS

    kinds = {kind.__name__: kind for kind in ALL_OPERATIONS}
    name = str(document.get("operation"))
    if name not in kinds:
        raise ArgumentError(f"operation: there is no {name!r}; there are {', '.join(kinds)}")
    return kinds[name]


def _made(kind: type[Operation], values: Mapping[str, Any]) -> Operation:
    known = [field.name for field in dataclasses.fields(kind) if field.init]  # type: ignore[arg-type]
    if unknown := [name for name in values if name not in known]:
        raise ArgumentError(
            f"{kind.__name__}: there is no {', '.join(map(repr, unknown))}; it takes {', '.join(known)}"
        )
    try:
        return kind(**values)
    except TypeError as error:  # a field without a default is missing
        raise ArgumentError(f"{kind.__name__}: {str(error).partition('() ')[2] or error}") from None


def _value(value: Any) -> Any:
    if _is_column(value):
        return Column(value["column"])
    if isinstance(value, Mapping):
        return {name: _value(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_value(item) for item in value]
    return value


def _is_column(value: Any) -> bool:
    return isinstance(value, Mapping) and list(value) == ["column"] and isinstance(value["column"], str)
