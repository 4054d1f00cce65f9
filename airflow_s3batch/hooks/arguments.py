"""What can be said of arguments while a Dag is parsed, when some of them are still templates."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from airflow_s3batch.core.errors import ArgumentError

_BYTES = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?b)\s*", re.IGNORECASE).fullmatch
_UNITS = {
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
}


def is_template(value: Any) -> bool:
    """Whether *value*, or something in it, is known only when the task runs: Jinja, or another task's output."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(is_template(item) for pair in value.items() for item in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(is_template(item) for item in value)
    return hasattr(value, "resolve") and hasattr(value, "iter_references")


def literal_or(value: Any, stand_in: Any) -> Any:
    """Return *value* unless it is a template; then *stand_in*, which must be a valid value."""
    return stand_in if is_template(value) else value


def in_order(value: Any) -> Any:
    """Return *value*, a set as a sorted list: Airflow would write a set in another order at each parse of the Dag."""
    return sorted(value, key=str) if isinstance(value, set | frozenset) else value


def as_int(name: str, value: Any) -> int | None:
    """
    Return a rendered number, also one spelt ``1e6``; *name* is the argument's, for the error. ``None`` is ``None``.

    Raises:
        ArgumentError: *value* is no whole number, or a template rendered to nothing.
    """
    _check_rendered(name, value)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not number.is_integer():
        raise ArgumentError(f"{name}={value!r} is not a whole number")
    return int(number)


def as_number(name: str, value: Any) -> float | None:
    """
    Return a rendered number; *name* is the argument's, for the error. ``None`` is ``None``.

    Raises:
        ArgumentError: *value* is no finite number, or a template rendered to nothing.
    """
    _check_rendered(name, value)
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentError(f"{name}={value!r} is not a number")
    return number


def as_bytes(name: str, value: Any) -> int | None:
    """
    Return a rendered number of bytes, also one spelt ``20GB`` (10⁹) or ``20GiB`` (2³⁰). ``None`` is ``None``.

    Raises:
        ArgumentError: *value* is no such number, or a template rendered to nothing.
    """
    _check_rendered(name, value)
    match = _BYTES(value) if isinstance(value, str) else None
    if match is None:
        return as_int(name, value)
    number, unit = match.groups()
    return int(float(number) * _UNITS[unit.lower()])


def as_flag(name: str, value: Any) -> bool:
    """
    Return a rendered yes or no: a bool, or the text ``true`` or ``false`` in any case, as templates leave it.

    Raises:
        ArgumentError: *value* is anything else.
    """
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in ("true", "false"):
        raise ArgumentError(f"{name}={value!r} is neither true nor false, so nothing was done")
    return text == "true"


def flag_problems(name: str, value: Any) -> list[str]:
    """Return what is wrong with *value*, a bool or a template, while a Dag is parsed."""
    if is_template(value) or isinstance(value, bool):
        return []
    try:
        as_flag(name, value)
    except ArgumentError:
        return [f"{name}={value!r} is neither True nor False, nor a template of that"]
    return []


def bool_problems(**flags: Any) -> list[str]:
    """Return which of the *flags*, that can't be templates, are neither yes nor no: any text would be a yes."""
    return [
        f"{name}={value!r} is neither True nor False (it can't be a template)"
        for name, value in flags.items()
        if not isinstance(value, bool)
    ]


def as_text(name: str, value: Any) -> str:
    """
    Return a rendered text; ``None`` is empty.

    Raises:
        ArgumentError: *value* is no text, or a template rendered to nothing.
    """
    _check_rendered(name, value)
    if value is not None and not isinstance(value, str):
        raise ArgumentError(f"{name}={value!r} is not a text")
    return value or ""


def as_texts(name: str, value: Any) -> tuple[str, ...]:
    """
    Return a rendered list of texts; one text is a list of one, ``None`` is empty.

    Raises:
        ArgumentError: *value* holds something else, or a template rendered to nothing.
    """
    if value is None:
        return ()
    texts = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else (None,)
    for text in texts:
        _check_rendered(name, text)
        if not isinstance(text, str):
            raise ArgumentError(f"{name}={value!r} is not a list of texts")
    return texts


def as_moment(name: str, value: Any) -> datetime | None:
    """
    Return a rendered point in time, UTC where it names no zone. ``None`` is ``None``.

    Raises:
        ArgumentError: *value* is neither a datetime nor ISO 8601, or a template rendered to nothing.
    """
    _check_rendered(name, value)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ArgumentError(f"{name}={value!r} is not a date and time such as 2026-11-01T00:00:00+00:00") from None
    if not isinstance(value, datetime):
        raise ArgumentError(f"{name}={value!r} is not a datetime")
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _check_rendered(name: str, value: Any) -> None:
    """
    Check that *value* is not what a template leaves that has nothing to say: that would turn a guard off, silently.

    Raises:
        ArgumentError: *value* is an empty text, or the word ``None``.
    """
    if isinstance(value, str) and value.strip() in ("", "None"):
        raise rendered_to_nothing(name, value)


def rendered_to_nothing(name: str, value: Any) -> ArgumentError:
    """Return the error that the template of argument *name* has left *value*, which says nothing."""
    return ArgumentError(
        f"{name} rendered to {value!r}, which would turn it off; "
        "give its template a value in every run, or leave the argument out"
    )


def config_problems(botocore_config: Any) -> list[str]:
    """Return what is wrong with *botocore_config* while a Dag is parsed; it goes to the triggerer as JSON."""
    if botocore_config is None or isinstance(botocore_config, Mapping):
        return []
    return [f"botocore_config is a {type(botocore_config).__name__}, expected a dict such as {{'read_timeout': 30}}"]


def clauses(error: ArgumentError) -> str:
    """Return what *error* says without the name of its owner, to be told along with other problems."""
    text = str(error)
    owner, separator, rest = text.partition(": ")
    return rest if separator and owner.isidentifier() else text


def raise_for(owner: str, problems: Iterable[str]) -> None:
    """
    End here if there are *problems*.

    Raises:
        ArgumentError: names *owner* and all *problems*.
    """
    if found := list(problems):
        raise ArgumentError.of(owner, found)
