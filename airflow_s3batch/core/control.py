"""``control.json``: what people ask of a job while it runs. Pause, go on, and how fast."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from airflow_s3batch.core.errors import ArgumentError, JobDamagedError
from airflow_s3batch.core.formats import check_format, is_later
from airflow_s3batch.core.shared_rate import LEAST_PER_S
from airflow_s3batch.core.visible import visible

FORMAT = "airflow-s3batch-control/1"
RUN = "run"
PAUSE = "pause"
MOST_BYTES = 16_384
"""A larger file is not one of ours."""

_MOST_PER_S = 1e9
_MOST_CHARACTERS = {"by": 200, "at": 40, "reason": 500}


@dataclass(frozen=True, slots=True)
class Control:
    """
    What is asked of a job; a job without ``control.json`` is asked for nothing.

    Attributes:
        state: ``run`` or ``pause``.
        max_requests_per_s: of the whole job, instead of what its Dag says; ``None`` leaves that to the Dag.
        max_concurrency: requests in flight in one task; no more than the task began with. ``None`` leaves it alone.
        by: who asked, such as ``ann@laptop``; *at* when, ISO 8601; *reason* why. Texts of whoever may write to the
            job's folder, so whatever is not printable is spelt out.
    """

    state: str = RUN
    max_requests_per_s: float | None = None
    max_concurrency: int | None = None
    by: str = ""
    at: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        """
        Check the values.

        Raises:
            ArgumentError: lists all that is wrong.
        """
        if found := self.problems():
            raise ArgumentError.of("control", found)
        for name, most in _MOST_CHARACTERS.items():
            object.__setattr__(self, name, printable(getattr(self, name), most))

    def problems(self) -> list[str]:
        """Return all that is wrong with the values, a clause each."""
        found = []
        if self.state not in (RUN, PAUSE):
            found.append(f"state={_short(self.state)} is neither {RUN!r} nor {PAUSE!r}")
        rate, most = self.max_requests_per_s, self.max_concurrency
        if rate is not None and not (_is_number(rate) and LEAST_PER_S <= rate <= _MOST_PER_S):
            found.append(
                f"max_requests_per_s={_short(rate)} is neither a rate above 0 nor null ({LEAST_PER_S:g} at least)"
            )
        if most is not None and not (isinstance(most, int) and not isinstance(most, bool) and most >= 1):
            found.append(f"max_concurrency={_short(most)} is neither a whole number from 1 on nor null")
        found.extend(
            f"{name}={_short(getattr(self, name))} is not a text"
            for name in _MOST_CHARACTERS
            if not isinstance(getattr(self, name), str)
        )
        return found

    @property
    def is_paused(self) -> bool:
        """Whether no new object is to be begun."""
        return self.state == PAUSE

    @property
    def is_default(self) -> bool:
        """Whether nothing is asked for."""
        return not (self.is_paused or self.max_requests_per_s or self.max_concurrency)

    def sentence(self) -> str:
        """Return ``paused by ann@laptop at 2026-11-22T12:00:00Z: the store is slow``, or what else is asked for."""
        at = f" at {self.at}" if self.at else ""
        return f"{self.what}{self._by}{at}{f': {self.reason}' if self.reason else ''}"

    @property
    def note(self) -> str:
        """What is asked for and by whom, for a progress line; empty if nothing is."""
        return "" if self.is_default else f"asked: {self.what}{self._by}"

    @property
    def _by(self) -> str:
        return f" by {self.by}" if self.by else ""

    @property
    def what(self) -> str:
        """What is asked for, without who and why."""
        parts = ["paused"] if self.is_paused else []
        if self.max_requests_per_s is not None:
            parts.append(f"at most {self.max_requests_per_s:,g} requests/s")
        if self.max_concurrency is not None:
            parts.append(f"at most {self.max_concurrency:,} in flight in each task")
        return ", ".join(parts) or "runs as its Dag says"

    def to_json(self) -> dict[str, Any]:
        """Return the document, JSON-ready; `read_control` reads it."""
        return {"format": FORMAT, **{field.name: getattr(self, field.name) for field in fields(self)}}

    def to_bytes(self) -> bytes:
        """Return the file's body."""
        return json.dumps(self.to_json(), indent=1).encode()

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """
        Return what *document* asks for.

        Raises:
            ArgumentError: it is of another format, or a name or a value in it is wrong; lists all of it.
        """
        told = dict(document)
        if (form := told.pop("format", None)) != FORMAT:
            raise ArgumentError(f"control: format is {str(form)[:50]!r}; this version reads {FORMAT!r}")
        known = {field.name for field in fields(cls)}
        if unknown := sorted(told.keys() - known):
            names = ", ".join(repr(name[:50]) for name in unknown[:5])
            raise ArgumentError(f"control: there is no {names}; there are {', '.join(sorted(known))}")
        most = told.get("max_concurrency")
        if isinstance(most, float) and most.is_integer():
            told["max_concurrency"] = int(most)
        return cls(**told)


def read_control(body: bytes | None, *, place: str) -> Control:
    """
    Return what the file *body* asks for; ``None``, no such file, asks for nothing.

    Raises:
        LaterReleaseError: it was written by a later release; *place* is its URL.
        JobDamagedError: it is not one of ours, or a value in it is wrong.
    """
    if body is None:
        return Control()
    try:
        document = _document(body)
        if is_later(document.get("format"), FORMAT):
            check_format(document["format"], FORMAT, place=place)
        return Control.from_json(document)
    except (ValueError, TypeError, RecursionError) as error:
        why = printable(str(error), 300)
        raise JobDamagedError(
            f"{place}: not a control file of this package ({why}); write it anew with 's3batch pause', 'resume' or "
            "'speed', or delete it to let the job run as its Dag says"
        ) from None


def _document(body: bytes) -> dict[str, Any]:
    if len(body) > MOST_BYTES:
        raise ValueError(f"{len(body):,} bytes are too many")
    document = json.loads(body)
    if not isinstance(document, dict):
        raise TypeError(f"it holds no object but {type(document).__name__}")
    return document


def printable(text: str, most: int) -> str:
    """Return *text* on one line and fit for a terminal, cut to *most* characters."""
    shown = visible(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: Any) -> str:
    return printable(repr(value), 50)
