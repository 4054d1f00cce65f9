"""`SharedRate`: a limit on requests a second that several jobs share, as a Dag declares it."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from airflow_s3batch.core.errors import ArgumentError

LEAST_PER_S = 1e-6
"""A request every eleven days; what is lower is nothing that anybody means, and may be nothing once it is divided."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SharedRate:
    """
    So many requests a second for all running jobs below one ``job_url`` that state the same name.

    The jobs share it evenly, whatever the number of their shards, and the shards of a job share what the job has. A job
    that needs less leaves the rest to the others. Where jobs state different limits, the lowest of those that run
    counts. Repeats count, and a request for many objects counts once.

    Attributes:
        name: what is spared, such as the store or the bucket: letters, digits, ``.``, ``_`` and ``-``, up to 64. Both
            attributes may be templates.
        max_requests_per_s: of all these jobs together.
    """

    name: str
    max_requests_per_s: float | str

    def __post_init__(self) -> None:
        """
        Check what is literal; templates are checked once they are rendered.

        Raises:
            ArgumentError: lists all that is wrong.
        """
        if found := self.problems():
            raise ArgumentError.of("SharedRate", found)

    def problems(self) -> list[str]:
        """Return all that is wrong with the literal values, a clause each."""
        found = []
        if not _is_template(self.name) and not (isinstance(self.name, str) and _NAME.fullmatch(self.name)):
            found.append(
                f"name={str(self.name)[:80]!r} is not a name of 1 to 64 letters, digits, '.', '_' and '-' that begins "
                "with a letter or a digit"
            )
        if not _is_template(self.max_requests_per_s) and rate_of(self.max_requests_per_s) is None:
            found.append(
                f"max_requests_per_s={str(self.max_requests_per_s)[:80]!r} is not a number of requests a second from "
                f"{LEAST_PER_S:g} on"
            )
        return found

    @property
    def has_templates(self) -> bool:
        """Whether a value still holds Jinja."""
        return _is_template(self.name) or _is_template(self.max_requests_per_s)

    @property
    def per_s(self) -> float:
        """
        The limit.

        Raises:
            ArgumentError: it is a template that was not rendered.
        """
        rate = rate_of(self.max_requests_per_s)
        if rate is None:
            raise ArgumentError(f"SharedRate: max_requests_per_s={self.max_requests_per_s!r} is not rendered")
        return rate

    def render(self, render_text: Callable[[str], str]) -> Self:
        """Return a copy whose texts went through *render_text*; it is checked."""
        rate, name = self.max_requests_per_s, render_text(self.name).strip()
        return dataclasses.replace(
            self,
            name="" if name == "None" else name,  # a template that has nothing to say names nothing
            max_requests_per_s=render_text(rate).strip() if isinstance(rate, str) else rate,
        )

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {"name": self.name, "max_requests_per_s": self.max_requests_per_s}

    def serialize(self) -> dict[str, Any]:
        """Serve Airflow, which calls this to show a template field and to version the Dag."""
        return self.to_json()

    @classmethod
    def from_json(cls, document: Any) -> SharedRate | None:
        """Return what `to_json` gave; ``None`` for anything else."""
        try:
            return cls(document["name"], document["max_requests_per_s"]) if isinstance(document, Mapping) else None
        except (KeyError, ArgumentError):
            return None


def rate_of(value: Any) -> float | None:
    """Return *value*, a number or its text, as requests a second; ``None`` if it is no such rate."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        rate = float(value)
    except ValueError:
        return None
    return rate if LEAST_PER_S <= rate < math.inf else None


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)
