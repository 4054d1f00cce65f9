"""Python values as SQL literals that DuckDB reads back as the same value, whatever the value."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from typing import Any

from airflow_s3batch.manifests.sql.quoting import quoted

_DAY_S = 86_400


def literal(value: Any) -> str:
    """
    Return *value* as a SQL expression that binds as tightly as a name.

    Texts, booleans, ``None`` and numbers are what they are; a datetime becomes a ``TIMESTAMP`` in UTC, as the times of
    an inventory are; a timedelta (pendulum's durations with their months too) an ``INTERVAL``; a list or tuple a list.

    Raises:
        ValueError: there is no literal for it; the message continues a sentence that names it.
    """
    if value is None or isinstance(value, bool):
        return "NULL" if value is None else str(value).upper()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float | decimal.Decimal):
        return _number(value)
    if isinstance(value, dt.date):
        return f"TIMESTAMP '{_in_utc(value)}'" if isinstance(value, dt.datetime) else f"DATE '{value.isoformat()}'"
    if isinstance(value, dt.timedelta):
        return _interval(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(list_items(value)) + "]"
    kinds = "a text, number, boolean, datetime, date, timedelta, None, or a list of these"
    raise ValueError(f"is a {type(value).__name__}; expected {kinds}")


def list_items(values: list[Any] | tuple[Any, ...]) -> list[str]:
    """
    Return the literals of the items of a list.

    Raises:
        ValueError: an item is ``None`` or a list, or there is no literal for it.
    """
    for value in values:
        if value is None or isinstance(value, list | tuple):
            raise ValueError(
                f"holds {value!r}; expected a flat list without None (nothing equals NULL, so it can't match)"
            )
    return [literal(value) for value in values]


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("holds a NUL character, which SQL can't")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("is not valid Unicode") from None
    return quoted(value)


def _number(value: float | decimal.Decimal) -> str:
    if not math.isfinite(value):
        raise ValueError(f"is {value}; expected a finite number")
    if isinstance(value, float):
        text = repr(value) if "e" in repr(value) else f"{value!r}e0"
    else:
        text = f"{value:f}" if isinstance(value, decimal.Decimal) else str(int(value))
    return f"({text})" if text.startswith("-") else text


def _in_utc(value: dt.datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"is {value.isoformat()}, a datetime without a timezone; pass an aware one")
    return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(sep=" ")


def _interval(value: dt.timedelta) -> str:
    parts = interval_parts(value)
    shown = [f"INTERVAL ({number}) {unit}" if number < 0 else f"INTERVAL {number} {unit}" for number, unit in parts]
    return "(" + " + ".join(shown) + ")"


def interval_parts(value: dt.timedelta) -> list[tuple[int, str]]:
    """
    Return *value* as whole numbers of units, coarse ones first: ``[(1, "MONTH"), (3, "DAY")]``.

    Years and months of a pendulum duration stay years and months: how long they are is for the calendar to say.

    Raises:
        ValueError: it has a fraction of a second.
    """
    is_between_two_times = hasattr(value, "start")  # pendulum's Interval has its months counted in its days
    years, months = (0, 0) if is_between_two_times else (getattr(value, "years", 0), getattr(value, "months", 0))
    total = value.total_seconds() - (365 * years + 30 * months) * _DAY_S
    if total != int(total):
        raise ValueError(f"is {value}; expected whole seconds")
    days, seconds = divmod(abs(int(total)), _DAY_S)
    sign = -1 if total < 0 else 1
    numbers = [(years, "YEAR"), (months, "MONTH"), (sign * days, "DAY"), (sign * seconds, "SECOND")]
    return [(int(number), unit) for number, unit in numbers if number] or [(0, "DAY")]
