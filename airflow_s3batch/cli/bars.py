"""Bars of a terminal."""

from __future__ import annotations

COLUMNS = 20


def bar(part: float, whole: float, columns: int = COLUMNS) -> str:
    """Return a bar of *columns*, in eighths, as full as *part* is of *whole*; something always shows."""
    eighths = round(8 * columns * min(max(part / whole, 0), 1)) if whole else 0
    full, rest = divmod(max(eighths, 1 if part else 0), 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(columns)
