"""How many bytes, as people read it."""

from __future__ import annotations

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


def told_bytes(number: float) -> str:
    """Return *number* bytes in the unit that fits: ``3.4 TiB``, ``12 bytes``."""
    if number < 1024:
        return f"{number:,.0f} bytes"
    for unit in _UNITS:
        number /= 1024
        if number < 1024 or unit == _UNITS[-1]:
            break
    return f"{number:,.1f} {unit}"
