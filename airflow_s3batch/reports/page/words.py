"""How rates, fields and texts of others are written on the page; for amounts see `core.amounts`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_s3batch.core.amounts import UNKNOWN
from airflow_s3batch.core.visible import visible

MOST_CHARACTERS = 400


def cut(text: Any, most: int = MOST_CHARACTERS) -> str:
    """Return *text* with hidden characters spelled, cut to *most* characters and a mark of what is left out."""
    shown = str(text)
    left = len(shown) - most
    return visible(shown) if left <= 0 else f"{visible(shown[:most])}… ({left:,} more characters)"


def rate(value: float | None) -> str:
    """Return so many per second, with decimals where there are few; a dash if nobody knows."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value >= 10 else f"{value:,.2g}"


def short_number(value: float) -> str:
    """Return *value* for an axis: ``1.5k``, ``20M``."""
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def value_text(value: Any) -> str:
    """Return any JSON value in one line: texts as they are, lists of texts with commas, all else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return (" " if all(item.endswith(".") for item in value) else ", ").join(value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, (int, float)):
        return f"{value:,}"
    return literal(value)


def literal(value: Any) -> str:
    """Return a JSON value as JSON, so that the text ``1`` and the number can be told apart."""
    return json.dumps(value, ensure_ascii=False, default=str)


def label(name: Any) -> str:
    """Return a field's name as a label: ``allowed_failures`` becomes ``Allowed failures``."""
    words = str(name).replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def facts(data: Mapping[str, Any] | None, *, most: int = 40, without: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return the fields of *data* by label, those of mappings in it with both names; empty ones are left out."""
    found: dict[str, str] = {}
    for name, value in (data or {}).items():
        if name in without or value in (None, "", [], {}, ()):
            continue
        if isinstance(value, Mapping) and all(not isinstance(item, Mapping) for item in value.values()):
            found.update({f"{label(name)}: {label(key)}": value_text(item) for key, item in value.items()})
        else:
            found[label(name)] = value_text(value)
    return dict(list(found.items())[:most])
