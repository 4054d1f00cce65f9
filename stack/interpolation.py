"""Variables in a compose file: ``${NAME}``, ``${NAME:-default}``, ``${NAME-default}``, and ``$$`` for a dollar."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stack.errors import StackError

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?:(?P<how>:?-)(?P<default>[^}]*))?\}|(?P<other>))")


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """
    Return *value*, a part of a YAML document, with *variables* put into all its texts.

    Raises:
        StackError: a form that this reader does not know.
    """
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _replacement(found, variables), value)
    if isinstance(value, list):
        return [interpolated(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: interpolated(item, variables) for key, item in value.items()}
    return value


def _replacement(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    if found["name"] is None:
        near = found.string[found.start() : found.start() + 30]
        raise StackError(f"compose file: {near!r} is none of ${{NAME}}, ${{NAME-default}}, ${{NAME:-default}} and $$")
    value = variables.get(found["name"])
    if value is None or (found["how"] == ":-" and not value):
        return found["default"] or ""
    return value
