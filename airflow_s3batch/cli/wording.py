"""Numbers, sizes and times as people read them in a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")
BAR_COLUMNS = 20


def number(value: float | None) -> str:
    """Return *value* with thousands separated; a dash if it is not known."""
    return "–" if value is None else f"{value:,.0f}"


def size(value: float) -> str:
    """Return *value* bytes in the unit that fits."""
    if value < 1024:
        return f"{value:,.0f} bytes"
    for unit in _UNITS:
        value /= 1024
        if value < 1024 or unit == _UNITS[-1]:
            break
    return f"{value:,.1f} {unit}"


def share(part: float, whole: float) -> str:
    """Return how much of *whole* *part* is; something is never 0 %."""
    if not whole:
        return "–"
    return "< 0.01 %" if 0 < part / whole < 0.0001 else f"{100 * part / whole:.2f} %"


def bar(part: float, whole: float, columns: int = BAR_COLUMNS) -> str:
    """Return a bar of *columns*, in eighths, as full as *part* is of *whole*; something always shows."""
    eighths = round(8 * columns * min(max(part / whole, 0), 1)) if whole else 0
    full, rest = divmod(max(eighths, 1 if part else 0), 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(columns)


def duration(seconds: float) -> str:
    """Return *seconds* in words, to two units."""
    if seconds < 60:
        return f"{max(seconds, 0):.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    return f"{days} d {hours_left} h" if days else f"{hours} h {minutes:02d} min"


def moment(text: Any) -> str:
    """Return the ISO time *text* to the second, in UTC; as it is if it is not one; empty if unknown."""
    at = time_of(text)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else str(text or "")


def time_of(text: Any) -> datetime | None:
    """Return the ISO time *text* in UTC (taken for it if it names no zone); ``None`` if it is not one."""
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
