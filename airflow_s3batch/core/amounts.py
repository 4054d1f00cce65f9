"""Numbers, sizes, shares and times as people read them: the same in sentences, on pages and in terminals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

UNKNOWN = "–"
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def number(value: float | None) -> str:
    """Return *value* with thousands separators, without decimals; a dash if it is not known."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def size(value: float) -> str:
    """Return so many bytes in the binary unit that fits: ``3.4 TiB``, ``128 KiB``, ``1 byte``."""
    if value == 1:
        return "1 byte"
    unit = 0
    while value >= 1024 and unit + 1 < len(_UNITS):
        value, unit = value / 1024, unit + 1
    return f"{value:,.0f} {_UNITS[unit]}" if not unit or value == int(value) else f"{value:,.1f} {_UNITS[unit]}"


def share(part: float, whole: float = 1) -> str:
    """Return how much of *whole* *part* is, in per cent that are never rounded to nothing, or to all."""
    if not whole:
        return UNKNOWN
    if 0 < part / whole < 0.0001:
        return "below 0.01 %"
    if 0.9999 < part / whole < 1:
        return "over 99.99 %"
    return f"{100 * part / whole:.2f} %"


def duration(seconds: float) -> str:
    """Return a span of time in the two units that matter; what is below zero (clocks differ) is none."""
    if seconds < 60:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24:02d} h"
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def moment(text: Any) -> str:
    """Return the ISO time *text* to the second, in UTC; as it is if it is not one; empty if unknown."""
    at = time_of(text)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else str(text or "")


def time_of(text: Any) -> datetime | None:
    """Return the ISO time *text* in UTC (taken for it if it names no zone); ``None`` if it is not one."""
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
