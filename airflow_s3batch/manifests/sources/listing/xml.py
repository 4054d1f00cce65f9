"""
Cuts an answer to a list request up: entries as columns of text, and the other elements.

What servers usually send is cut up by a few searches over the whole text. What those could misread (comments, CDATA,
prefixes, attributes) goes through an XML parser instead, with the same result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from xml.etree import ElementTree

FIELDS: Mapping[str, str] = {
    "key": "Key",
    "version_id": "VersionId",
    "is_latest": "IsLatest",
    "size": "Size",
    "last_modified_date": "LastModified",
    "e_tag": "ETag",
    "storage_class": "StorageClass",
    "checksum_algorithm": "ChecksumAlgorithm",
    "object_owner": "ID",
}
"""Element of an entry for each column of an inventory; the owner's is inside ``Owner``."""

ENTRIES = ("Contents", "Version", "DeleteMarker")
_REPEATED = "ChecksumAlgorithm"
_OTHERS = ("<IsTruncated>", "<EncodingType>", "<NextContinuationToken>", "<NextKeyMarker>", "<NextVersionIdMarker>")
_TAG = re.compile(r"<(/?\w+)>")
_SPACE = r"\s*"
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_REFERENCE = re.compile(r"&(?:#(\d{1,7})|#x([0-9A-Fa-f]{1,6})|(\w+));")

Column = list[str | None]


class PageError(ValueError):
    """The text is no listing, or not a whole one; the message is a clause."""


class Parts(NamedTuple):
    """An answer cut up: entries by element name, as what finds their fields; and a look-up of the other elements."""

    entries: Mapping[str, Mapping[str, Column]]
    other: Callable[[str], str | None]


def parts_of(text: str) -> Parts:
    """
    Return the parts of the answer *text*.

    Raises:
        PageError: it is cut off, or no listing.
    """
    return _quick_parts(text) or _parsed_parts(text)


def _quick_parts(text: str) -> Parts | None:
    """Cut *text* up by searching it; ``None`` where that could go wrong."""
    if "<!" in text:
        return None
    entries, rest = {}, text.replace("&quot;", '"').replace("&#34;", '"')  # as around each ETag
    for name in ENTRIES:
        alike = _alike(rest, name) if name == ENTRIES[0] else None  # versions and delete markers are mixed
        if alike is not None:
            entries[name], rest = alike
            continue
        if rest.count(f"{name}>") != 2 * rest.count(f"<{name}>") or f"<{name} " in rest:
            return None
        chunks, rest = _cut(rest, name)
        columns = _quick_columns(chunks)
        if columns is None:
            return None
        entries[name] = columns
    if not rest.rstrip().endswith("Result>"):
        raise PageError("its end is missing")
    return Parts(entries, lambda name: _only(_finder(name).findall(rest)))


def _alike(text: str, name: str) -> tuple[Mapping[str, Column], str] | None:
    """Return the columns of the elements *name* and all outside, if these follow one another and are spelled alike."""
    start, end = text.find(f"<{name}>"), text.rfind(f"</{name}>")
    if start < 0 or end < start:
        return None
    shape = _entry_shape(name, text[start : text.index(f"</{name}>", start)])
    if shape is None:
        return None
    found = shape.pattern.findall(text)
    rest = text[:start] + text[end + len(name) + 3 :]
    if 2 * len(found) != text.count(f"{name}>") or any((tag in text) != (tag in rest) for tag in _OTHERS):
        return None
    columns: dict[str, Column] = {column: [None] * len(found) for column in FIELDS}
    for column, texts in zip(shape.columns, zip(*found, strict=True), strict=True):
        columns[column] = [_unescaped(value) if "&" in value else value for value in texts] if "&" in text else [*texts]
    return columns, rest


class _Shape(NamedTuple):
    """How an entry is spelled, and the column of each group."""

    pattern: re.Pattern[str]
    columns: Sequence[str]


def _entry_shape(name: str, entry: str) -> _Shape | None:
    return _shape_of(name, tuple(_TAG.findall(entry)))


@lru_cache(64)
def _shape_of(name: str, tags: Sequence[str]) -> _Shape | None:
    """Return the shape of entries with these *tags*; ``None`` where fewer than two columns, or one twice, are there."""
    names = {element: column for column, element in FIELDS.items()}
    parts, columns = [], []
    for tag, following in zip(tags, (*tags[1:], ""), strict=True):
        text = ""
        if following == f"/{tag}":
            text = "([^<]*)" if tag in names else "[^<]*"
            columns += [names[tag]] if tag in names else []
        parts.append(f"<{tag}>{text or _SPACE}")
    if len(columns) < 2 or len(set(columns)) != len(columns):
        return None
    return _Shape(re.compile("".join([*parts, f"</{name}>"])), columns)


def _cut(text: str, name: str) -> tuple[list[str], str]:
    """Return what is inside the elements *name*, and all that is outside."""
    rest, *parts = text.split(f"<{name}>")
    if not parts:
        return [], rest
    chunks, outside, end = [], [rest], f"</{name}>"
    for part in parts:
        chunk, found, more = part.partition(end)
        if not found:
            raise PageError("its end is missing")
        chunks.append(chunk)
        outside.append(more)
    return chunks, "".join(outside)


def _quick_columns(chunks: Sequence[str]) -> Mapping[str, Column] | None:
    joined = "\n".join(chunks)
    columns = {}
    for column, element in FIELDS.items():
        found = _quick_column(chunks, joined, element)
        if found is None:
            return None
        columns[column] = found
    return columns


def _quick_column(chunks: Sequence[str], joined: str, element: str) -> Column | None:
    """Return the text of *element* in each of *chunks*; ``None`` where an element is not written plainly."""
    finder, tag = _finder(element), f"<{element}>"
    found: Column = finder.findall(joined)
    if len(found) != len(chunks):
        written = joined.count(f"<{element}")
        if not written:
            return [None] * len(chunks)
        if len(found) != written - joined.count(f"<{element}/>"):
            return None
    if len(found) != len(chunks) or (element == _REPEATED and not all(tag in chunk for chunk in chunks)):
        found = [",".join(finder.findall(chunk)) if tag in chunk else None for chunk in chunks]
    return [_unescaped(text) if text and "&" in text else text for text in found] if "&" in joined else found


@lru_cache(32)
def _finder(element: str) -> re.Pattern[str]:
    return re.compile(f"<{element}>([^<]*)</{element}>")


def _only(found: Sequence[str]) -> str | None:
    return _unescaped(found[0]) if found else None


def _unescaped(text: str) -> str:
    """Return *text* with XML's own references replaced, also those to characters that XML 1.0 forbids."""
    return _REFERENCE.sub(_referenced, text)


def _referenced(found: re.Match[str]) -> str:
    decimal, hexadecimal, name = found.groups()
    if name:
        return _NAMED.get(name, found[0])
    number = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(number) if number <= 0x10FFFF else found[0]


def _parsed_parts(text: str) -> Parts:
    """Cut *text* up with an XML parser."""
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - expat bounds the expansion of entities
    except ElementTree.ParseError as error:
        raise PageError(f"it is not well-formed XML ({error})") from None
    if not _local(root).endswith("Result"):
        raise PageError(f"it is a {_local(root)}")
    entries = {name: [child for child in root if _local(child) == name] for name in ENTRIES}
    other = {_local(child): child.text or "" for child in root}
    columns = {
        name: {column: [_text_of(entry, element) for entry in found] for column, element in FIELDS.items()}
        for name, found in entries.items()
    }
    return Parts(columns, other.get)


def _text_of(entry: ElementTree.Element, element: str) -> str | None:
    found = [child.text or "" for child in entry.iter() if _local(child) == element]
    if not found:
        return None
    return (",".join(found) or None) if element == _REPEATED else found[0]


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
