"""How large news may become. XComs are rows of Airflow's database, and the page reads thousands of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

LONG_URL = 400


def size(document: Any) -> int:
    """Return how many bytes *document* takes as JSON in UTF-8."""
    return len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace"))


def fitted(document: dict[str, Any], most_bytes: int) -> dict[str, Any]:
    """
    Return *document* in at most *most_bytes* bytes.

    What is left out, if it must be: examples whose URL is long, examples beyond the first of each code, points of the
    history, all examples, and in the end the largest values that are no numbers.
    """
    for reduce in _reductions():
        if size(document) <= most_bytes:
            return document
        document = reduce(document)
    while size(document) > most_bytes:
        largest = max(document, key=lambda name: size(document[name]))
        document = {**document, largest: _emptied(document[largest])}
    return document


def thinned(points: list[Any], most: int) -> list[Any]:
    """Return at most *most* of *points*, evenly; the first and the last are among them."""
    if len(points) <= most:
        return points
    step = (len(points) - 1) / (most - 1)
    return [points[round(index * step)] for index in range(most)]


def _reductions() -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    yield lambda document: _with_examples(document, lambda urls: [url for url in urls if len(url) <= LONG_URL])
    yield lambda document: _with_examples(document, lambda urls: urls[:1])
    for most in (30, 15):
        yield lambda document, most=most: _with_history(document, most)  # type: ignore[misc]
    yield lambda document: _with_examples(document, lambda _: [])


def _with_examples(document: dict[str, Any], keep: Callable[[list[str]], list[str]]) -> dict[str, Any]:
    codes = document.get("codes")
    if not isinstance(codes, Mapping):
        return document
    return {**document, "codes": {code: [number, keep(urls)] for code, (number, urls) in codes.items()}}


def _with_history(document: dict[str, Any], most: int) -> dict[str, Any]:
    return {**document, "history": thinned(document["history"], most)} if document.get("history") else document


def _emptied(value: Any) -> Any:
    if isinstance(value, str):
        return value[: len(value) // 2] if len(value) > 40 else ""
    return {} if isinstance(value, Mapping) else [] if isinstance(value, list) else None
