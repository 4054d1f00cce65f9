"""Reading news: anybody's Dag may write XComs under our keys, so nothing of them is believed. Nothing here raises."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from airflow_s3batch.core.iso_times import iso_time
from airflow_s3batch.core.visible import visible as spelled

LARGEST = 2**63 - 1
_NOT_OF_URLS = re.compile("[^!#-;=?-\\[\\]_a-z~]")


def visible(value: Any, most: int) -> str:
    r"""
    Return the text *value*, of at most *most* characters, with what does not show (controls, marks that turn the
    direction of writing, halves of surrogate pairs) spelled ``\u{202e}``; empty for what is no text.
    """
    if not isinstance(value, str):
        return ""
    shown = spelled(value[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def lines(value: Any, most: int) -> str:
    """Do as `visible` does, but leave line ends and tabs alone: for SQL."""
    if not isinstance(value, str):
        return ""
    parts = re.split("([\n\t])", value[: most + 1].replace("\r\n", "\n"))
    return "".join(part if part in ("\n", "\t") else visible(part, most) for part in parts)[:most]


def url(value: Any, most: int = 4_000) -> str:
    """Return the URL *value* with all that could be markup percent-encoded; empty if it is too long to be one."""
    if not isinstance(value, str) or len(value) > most:
        return ""
    return _NOT_OF_URLS.sub(_percent, value)[: 3 * most]


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode(errors="surrogatepass"))


def count(value: Any) -> int:
    """Return the number *value* as one from 0 to `LARGEST`; 0 for what is no number."""
    found = number(value)
    return 0 if found is None else min(LARGEST, max(0, int(found)))


def number(value: Any) -> float | None:
    """Return the number *value* unless it is infinite or none; its size is bounded."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return max(-LARGEST, min(LARGEST, value))
    return max(-1e18, min(1e18, value)) if math.isfinite(value) else None


def positive(value: Any) -> float | None:
    """Return the number *value* if it is one and is not below 0."""
    found = number(value)
    return found if found is not None and found >= 0 else None


def moment(value: Any) -> str | None:
    """Return the ISO time *value* as one in UTC, ``None`` if it is none."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = dt.datetime.fromisoformat(value)
        aware = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
        return iso_time(aware)
    except (ValueError, OverflowError):
        return None


def one_of(value: Any, known: Collection[str], default: str) -> str:
    """Return *value* if it is one of the *known* texts."""
    return value if isinstance(value, str) and value in known else default


def codes(value: Any, most: int, examples: int = 3) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Return failures by code, the most frequent ones first: how many, and up to so many *examples*' URLs."""
    if not isinstance(value, Mapping):
        return {}
    found: dict[str, tuple[int, tuple[str, ...]]] = {}
    for code, entry in list(value.items())[:1_000]:
        name = visible(code, 100)
        if not name or not isinstance(entry, list | tuple) or not entry:
            continue
        urls = entry[1] if len(entry) > 1 and isinstance(entry[1], list | tuple) else ()
        kept = tuple(filter(None, (url(text) for text in urls[:examples])))
        found[name] = (count(entry[0]), kept)
    return dict(sorted(found.items(), key=lambda item: -item[1][0])[:most])


def plain(value: Any, *, depth: int = 5, items: int = 60, text: int = 1_000) -> Any:
    """
    Return JSON of bounded size that is as much of *value* as fits: so deep, so many items each, texts so long.

    What is deeper becomes ``"…"``, a number that JSON has not becomes ``None``.
    """
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        rest = {"depth": depth - 1, "items": max(4, items // 2), "text": text}
        if depth <= 0:
            return "…"
        if isinstance(value, Mapping):
            return {visible(str(name), 250): plain(item, **rest) for name, item in list(value.items())[:items]}
        return [plain(item, **rest) for item in list(value)[:items]]
    if value is None or isinstance(value, bool):
        return value
    return number(value) if isinstance(value, int | float) else visible(str(value), text)


def mapping(value: Any, **bounds: int) -> dict[str, Any] | None:
    """Return what `plain` makes of a mapping, ``None`` for what is none, or an empty one."""
    found = plain(value, **bounds) if isinstance(value, Mapping) else None
    return found if isinstance(found, dict) and found else None


def names(value: Any, most: int = 20) -> dict[str, str]:
    """Return short texts by short names, such as ids of tasks."""
    if not isinstance(value, Mapping):
        return {}
    pairs = ((visible(name, 50), visible(text, 250)) for name, text in list(value.items())[:most])
    return {name: text for name, text in pairs if name and text}
