"""Text of the wire to values by botocore's shapes, and what the shapes say is wrong with them."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from airflow_s3batch.testing.emulator.model import NAMESPACE, wire_name

_SEPARATORS = " \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_UNIONS_SAY = "exactly one member has to be set"


class Reader:
    """
    Reads a body by botocore's shapes; notes all that is wrong instead of stopping at the first.

    Attributes:
        malformed: what is not of the model's shape: unknown elements, texts in the wrong place.
        invalid: values that the model's limits forbid, and members that are missing.
    """

    def __init__(self) -> None:
        self.malformed: list[str] = []
        self.invalid: list[str] = []

    def structure(self, element: ElementTree.Element, shape: Any, place: str) -> dict[str, Any]:
        """Return the members of a structure that *element* holds."""
        names = {
            wire_name(name, member): name
            for name, member in shape.members.items()
            if member.serialization.get("location") is None
        }
        found: dict[str, Any] = {}
        for child in element:
            tag = self._local(child, place)
            name = names.get(tag)
            if name is None:
                self.malformed.append(f"{place}: unknown element <{tag}>")
            elif name in found:
                self.malformed.append(f"{place}: <{tag}> comes twice")
            else:
                found[name] = self.value(child, shape.members[name], f"{place}.{name}")
        self._no_text(element, place)
        self._check_members(found, shape, place)
        return found

    def value(self, element: ElementTree.Element, shape: Any, place: str) -> Any:
        """Return the value that *element* holds, by the type of *shape*."""
        read: Callable[[ElementTree.Element, Any, str], Any] = {
            "structure": self.structure,
            "list": self._list,
            "map": self._map,
        }.get(shape.type_name, self._scalar)
        return read(element, shape, place)

    def scalar(self, text: str, shape: Any, place: str) -> Any:
        """Return *text* as the value of a scalar *shape*; note what is wrong with it."""
        try:
            value = parsed(text, shape.type_name)
        except ValueError:
            self.malformed.append(f"{place}: {text!r} is no {shape.type_name}")
            return None
        self.invalid += [f"{place}: {problem}" for problem in scalar_problems(value, shape)]
        return value

    def _scalar(self, element: ElementTree.Element, shape: Any, place: str) -> Any:
        if len(element):
            self.malformed.append(f"{place}: <{self._local(element[0], place)}> where a {shape.type_name} is expected")
            return None
        return self.scalar(element.text or "", shape, place)

    def _list(self, element: ElementTree.Element, shape: Any, place: str) -> list[Any]:
        member = wire_name("member", shape.member)
        found = []
        for index, child in enumerate(element):
            tag = self._local(child, place)
            if tag != member:
                self.malformed.append(f"{place}: <{tag}> in a list of <{member}>")
            else:
                found.append(self.value(child, shape.member, f"{place}[{index}]"))
        self._no_text(element, place)
        self._check_size(len(found), shape, place, "items")
        return found

    def _map(self, element: ElementTree.Element, shape: Any, place: str) -> dict[str, Any]:
        found = {}
        for child in element:
            tags = [self._local(grandchild, place) for grandchild in child]
            if self._local(child, place) != "entry" or tags != ["key", "value"]:
                self.malformed.append(f"{place}: a map is a list of <entry><key/><value/></entry>")
                continue
            key = self._scalar(child[0], shape.key, f"{place} key")
            found[key] = self._scalar(child[1], shape.value, f"{place}[{key!r}]")
        self._no_text(element, place)
        self._check_size(len(found), shape, place, "entries")
        return found

    def _check_members(self, found: dict[str, Any], shape: Any, place: str) -> None:
        body_members = [n for n in shape.required_members if shape.members[n].serialization.get("location") is None]
        self.invalid += [f"{place}.{name}: missing" for name in body_members if name not in found]
        if shape.metadata.get("union") and len(found) != 1:
            self.invalid.append(f"{place}: {_UNIONS_SAY}")

    def _check_size(self, size: int, shape: Any, place: str, what: str) -> None:
        if found := _range_problem(size, shape):
            self.invalid.append(f"{place}: {size} {what}; {found}")

    def _no_text(self, element: ElementTree.Element, place: str) -> None:
        texts = [element.text, *(child.tail for child in element)]
        if any(text and text.strip() for text in texts):
            self.malformed.append(f"{place}: text between elements")

    def _local(self, element: ElementTree.Element, place: str) -> str:
        namespace, _, tag = element.tag.rpartition("}")
        if namespace.lstrip("{") != NAMESPACE:
            self.malformed.append(f"{place}: <{tag}> is not in the namespace {NAMESPACE}")
        return tag


def parsed(text: str, type_name: str) -> Any:
    """
    Return *text* as a value of botocore's *type_name*.

    Raises:
        ValueError: it is none.
    """
    if type_name == "boolean":
        return {"true": True, "false": False}[text] if text in ("true", "false") else _fail(text)
    if type_name in ("integer", "long"):
        return int(text) if _INTEGER.fullmatch(text) else _fail(text)
    if type_name == "timestamp":
        moment = dt.datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return text


def scalar_problems(value: Any, shape: Any) -> list[str]:
    """Return what the limits of *shape* forbid about *value*, a clause each."""
    metadata = shape.metadata
    if isinstance(value, bool) or shape.type_name == "timestamp":
        return []
    if isinstance(value, int):
        return [f"{value} is out of range; {found}" for found in [_range_problem(value, shape)] if found]
    found = _range_problem(len(value), shape)
    problems = [f"{len(value)} characters; {found}"] if found else []
    if "enum" in metadata and value not in metadata["enum"]:
        problems.append(f"{value!r} is none of {', '.join(metadata['enum'])}")
    if "pattern" in metadata and not _pattern(metadata["pattern"]).fullmatch(value):
        problems.append(f"{value!r} does not match {metadata['pattern']}")
    return problems


def _range_problem(number: int, shape: Any) -> str:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and number < least) or (most is not None and number > most):
        return f"expected {'' if least is None else least}-{'' if most is None else most}"
    return ""


@functools.cache
def _pattern(pattern: str) -> re.Pattern[str]:
    r"""Return the model's *pattern*; \p{L}, \p{N} and \p{Z} are unknown to Python."""
    return re.compile(pattern.replace(r"\p{L}", r"\w").replace(r"\p{N}", r"\d").replace(r"\p{Z}", _SEPARATORS))


def _fail(text: str) -> Any:
    raise ValueError(text)
