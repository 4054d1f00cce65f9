"""The tags of an object as GetObjectTagging shows them, and how they differ from those that it should have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.requests import Call, Response
from airflow_s3batch.operations.verification import differs, gone

GET_TAGS = Call("GetObjectTagging", wants_headers=True)
READ_TAGS = frozenset({"s3:GetObjectTagging", "s3:GetObjectVersionTagging"})
_NO_TAGS = "NoSuchTagSet"
_OF_AWS = "aws:"


def tags_of(body: bytes) -> dict[str, str] | None:
    """Return the tags of a GetObjectTagging response; ``None`` if it is none."""
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - expat resolves no external entities; the store is the user's
    except ElementTree.ParseError:
        return None
    if not root.tag.endswith("Tagging"):
        return None
    tags = [element for element in root.iter() if element.tag.rpartition("}")[2] == "Tag"]
    return {_child(tag, "Key"): _child(tag, "Value") for tag in tags}


def tags_shown(response: Response) -> dict[str, str] | Outcome:
    """Return the tags that *response* shows, or why nobody knows; some stores answer 404 where there are no tags."""
    if response.error_code == _NO_TAGS:
        return {}
    if not response.is_success:
        return gone(response)
    tags = tags_of(response.body)
    return Outcome(0, "InvalidResponse", "its tags can't be read") if tags is None else tags


def tags_differ(wanted: Mapping[str, Any], shown: Mapping[str, str]) -> Outcome | None:
    """Return how the tags *shown* differ from those *wanted*, if they do; those of AWS itself are not looked at."""
    own = {key: value for key, value in shown.items() if not key.startswith(_OF_AWS)}
    due = {key: str(value) for key, value in wanted.items() if not key.startswith(_OF_AWS)}
    told = [f"tag {key!r} is {own.get(key)!r}, not {due[key]!r}" for key in sorted(due) if own.get(key) != due[key]]
    told += [f"tag {key!r} should not be there" for key in sorted(set(own) - set(due))]
    return differs("TagsDiffer", "; ".join(told)[:400]) if told else None


def _child(element: ElementTree.Element, name: str) -> str:
    return next((child.text or "" for child in element if child.tag.rpartition("}")[2] == name), "")
