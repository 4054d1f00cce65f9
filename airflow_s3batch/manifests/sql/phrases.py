"""
Filters that people ask for, as SQL for ``where=``: each is one condition in parentheses, and they can be combined.

Ages are counted back from ``$snapshot_time``, when the data was made, and not from now: every attempt selects the same.
"""

from __future__ import annotations

import datetime as dt

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.manifests.columns import TYPES, VALUES, meant_value
from airflow_s3batch.manifests.sql.literals import interval_parts
from airflow_s3batch.manifests.sql.params import SNAPSHOT_TIME
from airflow_s3batch.manifests.sql.quoting import quoted
from airflow_s3batch.manifests.sql.tokens import is_blank

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
"""Bytes of each unit in which a size may be written."""


def all_of(*conditions: str) -> str:
    """
    Return the condition that every one of *conditions* holds.

    Raises:
        ArgumentError: there is none, or one is empty: that would select every object.
    """
    return _joined("all_of", " AND ", conditions)


def any_of(*conditions: str) -> str:
    """
    Return the condition that at least one of *conditions* holds.

    Raises:
        ArgumentError: there is none, or one is empty.
    """
    return _joined("any_of", " OR ", conditions)


def none_of(*conditions: str) -> str:
    """
    Return the condition that none of *conditions* is known to hold; one over an empty value (NULL) does not.

    Raises:
        ArgumentError: there is none, or one is empty.
    """
    return f"({_joined('none_of', ' OR ', conditions)} IS NOT TRUE)"


def current_versions() -> str:
    """Return the condition that a row is a key's current version, and no delete marker."""
    return "(is_latest AND NOT is_delete_marker)"


def noncurrent_versions() -> str:
    """Return the condition that a row is an older version of a key, and no delete marker."""
    return "(NOT is_latest AND NOT is_delete_marker)"


def older_than(age: dt.timedelta, column: str = "last_modified_date") -> str:
    """
    Return the condition that the time in *column* is more than *age* before the data was made.

    Of a version that is when it was written. *age* is positive and in whole seconds: a timedelta, or a duration of
    pendulum, whose years and months are the calendar's.

    Raises:
        ArgumentError: *age* or *column* is none of these.
    """
    return f"({_time_column('older_than', column)} < {_ago('older_than', age)})"


def younger_than(age: dt.timedelta, column: str = "last_modified_date") -> str:
    """
    Return the condition that the time in *column* is *age* before the data was made, or later; see `older_than`.

    Raises:
        ArgumentError: *age* or *column* is none of these.
    """
    return f"({_time_column('younger_than', column)} >= {_ago('younger_than', age)})"


def larger_than(size: int | str) -> str:
    """
    Return the condition that an object has more bytes than *size*: a number, or a text such as ``"5 GiB"``.

    Raises:
        ArgumentError: *size* is none of these.
    """
    return f"(size > {_bytes('larger_than', size)})"


def smaller_than(size: int | str) -> str:
    """
    Return the condition that an object has fewer bytes than *size*, see `larger_than`.

    Raises:
        ArgumentError: *size* is none of these.
    """
    return f"(size < {_bytes('smaller_than', size)})"


def under(*prefixes: str) -> str:
    """
    Return the condition that the key begins with one of *prefixes*.

    Raises:
        ArgumentError: there is none, one is a template, or one is empty: every key begins with it.
    """
    _check_texts("under", prefixes, "every key begins with an empty one", "starts_with(key, $prefix)")
    return f"({' OR '.join(f'starts_with(key, {quoted(prefix)})' for prefix in prefixes)})"


def with_suffix(*suffixes: str) -> str:
    """
    Return the condition that the key ends with one of *suffixes*, in upper or lower case: ``".gz"``.

    Raises:
        ArgumentError: there is none, one is a template, or one is empty.
    """
    _check_texts("with_suffix", suffixes, "every key ends with an empty one", "ends_with(key, $suffix)")
    return f"({' OR '.join(f'ends_with(lower(key), {quoted(suffix.lower())})' for suffix in suffixes)})"


def in_storage_class(*classes: str) -> str:
    """
    Return the condition that an object is in one of the storage *classes*.

    Raises:
        ArgumentError: there is none, or S3 has no such class.
    """
    return _one_of("in_storage_class", "storage_class", classes)


def unencrypted() -> str:
    """Return the condition that an object is stored without encryption."""
    return "(encryption_status = 'NOT-SSE')"


def _check_texts(name: str, texts: tuple[str, ...], why: str, bound: str) -> None:
    """
    Check the *texts* that stand in quotes in the SQL; a template among them could render to a quote, and then to SQL.

    Raises:
        ArgumentError: there is none, or one is empty (*why* that won't do), no text, or a template.
    """
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise ArgumentError(f"{name}(): {texts!r}: pass texts, one by one, that are not empty; {why}")
    if any("{{" in text or "{%" in text for text in texts):
        raise ArgumentError(f"{name}(): {texts!r}: a template is not pasted into SQL; write {bound}, and it in params=")


def _joined(name: str, operator: str, conditions: tuple[str, ...]) -> str:
    if wrong := [condition for condition in conditions if not isinstance(condition, str)]:
        raise ArgumentError(f"{name}(): {wrong[0]!r} is not a text; pass the conditions one by one")
    if not conditions or any(is_blank(condition) for condition in conditions):
        raise ArgumentError(f"{name}(): pass conditions that are not empty; 'TRUE' means every object")
    return "(" + operator.join(f"(\n{each}\n)" if "--" in each else f"({each})" for each in conditions) + ")"


def _time_column(name: str, column: str) -> str:
    if TYPES.get(column) != "TIMESTAMP":
        times = ", ".join(known for known, kind in TYPES.items() if kind == "TIMESTAMP")
        raise ArgumentError(f"{name}(): {column!r} is no column of times; these are: {times}")
    return column


def _ago(name: str, age: dt.timedelta) -> str:
    if not isinstance(age, dt.timedelta) or age <= dt.timedelta(0):
        raise ArgumentError(f"{name}(): {age!r} is no age; pass a positive timedelta or pendulum.duration(…)")
    try:
        parts = interval_parts(age)
    except ValueError as error:
        raise ArgumentError(f"{name}(): the age {error}") from None
    return " - ".join([f"${SNAPSHOT_TIME}", *(f"INTERVAL {_signed(number)} {unit}" for number, unit in parts)])


def _signed(number: int) -> str:
    return str(number) if number >= 0 else f"({number})"


def _bytes(name: str, size: int | str) -> int:
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    number, _, unit = str(size).strip().partition(" ")
    try:
        found = float(number) * UNITS[unit.strip()]
    except (KeyError, ValueError):
        found = -1.0
    if isinstance(size, str) and 0 <= found < 2**63 and found == int(found):
        return int(found)
    units = ", ".join(UNITS)
    raise ArgumentError(f"{name}(): {size!r} is no size; pass bytes, or a text such as '5 GiB' (units: {units})")


def _one_of(name: str, column: str, values: tuple[str, ...]) -> str:
    valid = VALUES[column]
    if not values:
        raise ArgumentError(f"{name}(): pass at least one of {', '.join(valid)}")
    for value in values:
        if value not in valid:
            meant = meant_value(column, str(value))
            hint = f"; did you mean {meant!r}?" if meant else "."
            raise ArgumentError(f"{name}(): there is no {value!r}{hint} There are: {', '.join(valid)}")
    return f"({column} IN ({', '.join(map(quoted, values))}))"
