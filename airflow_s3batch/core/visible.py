"""How text that others chose (keys, messages) is shown to people. The only place that says which characters hide."""

from __future__ import annotations

import unicodedata
from typing import Any


def visible(text: Any) -> str:
    r"""Return *text* with characters that don't show, or that change how others show, spelled ``\u{202e}``."""
    shown = str(text)
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(rf"\u{{{ord(mark):x}}}" if is_hidden(mark) else mark for mark in shown)


def is_hidden(mark: str) -> bool:
    """Whether the character *mark* is a control, a format or direction mark, half a surrogate pair, or unassigned."""
    return unicodedata.category(mark)[0] == "C" or mark in "\u2028\u2029"
