r"""
Regular expressions that mean the same to DuckDB (RE2) and to Trino (Java's syntax): a subset, some of it respelled.

``\d``, ``\w`` and ``\s`` mean ASCII to RE2, so they are written out; ``$`` means the very end to RE2, so it becomes
``\z``; and ``.`` is anything but a newline. What the two understand differently or only one of them knows is refused.
"""

from __future__ import annotations

import re

_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": "\\t\\n\\f\\r "}
_ANCHORS = {"^": "\\A", "$": "\\z", ".": "[^\\n]"}
_SYNTAX = frozenset(".^$*+?()[]{}|\\/-")
_PLAIN_ESCAPES = frozenset("tnfr")
_TOKEN = re.compile(
    r"(?P<escape>\\.)|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<group>\(\?:|\((?!\?))|(?P<odd>\(\?|[*+?}]\+)"
    r"|(?P<count>\{\d+(?:,\d*)?\}(?!\+))|(?P<brace>[{}])|(?P<plain>[^\\\[])",
    re.DOTALL,
)


def in_java_syntax(pattern: str) -> str:
    r"""
    Return RE2's *pattern* as Trino reads it.

    Raises:
        ValueError: there is something in it that they don't share; the message names it.
    """
    pieces, done = [], 0
    for token in _TOKEN.finditer(pattern):
        if token.start() != done:
            break
        pieces.append(_respelled(token))
        done = token.end()
    if done != len(pattern):
        raise ValueError(f"{pattern[done:]!r} can't be read")
    return "".join(pieces)


def _respelled(token: re.Match[str]) -> str:
    text = token[0]
    if token["odd"] or token["brace"]:
        raise ValueError(f"{text!r} is not shared; use plain groups, classes and counts")
    if token["escape"]:
        return _escape(text[1])
    if token["set"]:
        return _set(text)
    return _ANCHORS.get(text, text)


def _escape(mark: str) -> str:
    if mark.lower() in _CLASSES and mark.isascii():
        return f"[{'^' if mark.isupper() else ''}{_CLASSES[mark.lower()]}]"
    if mark in _SYNTAX or mark in _PLAIN_ESCAPES or not mark.isalnum():
        return "\\" + mark
    if mark in "zA":
        return "\\" + mark
    raise ValueError(f"'\\{mark}' is not shared")


def _set(text: str) -> str:
    opening = "[^" if text.startswith("[^") else "["
    inside = text[len(opening) : -1]
    if "[" in inside.replace("\\[", "") or "&&" in inside or not inside or inside.startswith("]"):
        raise ValueError(f"{text!r} is not shared; escape '[' and ']' inside")
    pieces = []
    for mark in re.findall(r"\\.|.", inside, re.DOTALL):
        if len(mark) == 1:
            pieces.append(mark)
        elif mark[1] in _CLASSES:
            pieces.append(_CLASSES[mark[1]])
        elif mark[1] in _SYNTAX or mark[1] in _PLAIN_ESCAPES or not mark[1].isalnum():
            pieces.append(mark)
        else:
            raise ValueError(f"{mark!r} in {text!r} is not shared")
    return opening + "".join(pieces) + "]"
