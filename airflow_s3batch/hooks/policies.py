"""Checks of the engine's policy as operators are given it, while a Dag is parsed."""

from __future__ import annotations

from typing import Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.hooks.arguments import clauses


def policy_problems(**values: Any) -> list[str]:
    """Return all that is wrong with *values* of a `Policy`."""
    found: list[str] = []
    for name, value in values.items():
        default = getattr(Policy(), name)
        if name in ("shared_rate", "if_running"):
            continue  # the policy itself says what is wrong with it
        if name == "tolerate":
            if isinstance(value, str) or not _is_collection_of_codes(value):
                found.append(f"tolerate={value!r} is not a set of error codes such as {{'NoSuchKey'}}")
        elif isinstance(default, bool):
            if not isinstance(value, bool):
                found.append(f"{name}={value!r} is not a bool")
        elif (value is not None or default is not None) and not _is_number(value):
            found.append(f"{name}={value!r} is not a number{' or None' if default is None else ''}")
    if found:
        return found
    try:
        Policy(**{**values, **({"tolerate": frozenset(values["tolerate"])} if "tolerate" in values else {})})
    except ArgumentError as error:
        found.append(clauses(error))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_collection_of_codes(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(code, str) for code in value)
