"""How amounts of money are shown to people."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_CENT, _LEAST = Decimal("0.01"), Decimal("0.0001")


def money(amount: Decimal, currency: str) -> str:
    """Return ``1,234.56 $``, ``0.0004 $``, ``0 $``, or ``less than 0.0001 $``: cents, or four places below one."""
    sign = _SIGNS.get(currency, currency)
    if 0 < amount < _LEAST:
        return f"less than {_LEAST} {sign}"
    if not amount:
        return f"0 {sign}"
    if amount >= 1:
        return f"{amount.quantize(_CENT, ROUND_HALF_UP):,} {sign}"
    text = f"{amount.quantize(_LEAST, ROUND_HALF_UP):f}"
    kept = text.rstrip("0")
    return f"{kept if len(kept) > len('0.00') else text[: len('0.00')]} {sign}"


def money_range(low: Decimal, high: Decimal, currency: str) -> str:
    """Return ``5.00 $``, or ``5.00 $ to 5.21 $`` where the two are shown differently."""
    least, most = money(low, currency), money(high, currency)
    return least if least == most else f"{least} to {most}"
