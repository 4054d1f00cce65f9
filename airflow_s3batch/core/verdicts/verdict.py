"""What can be done about a failed request."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Verdict(enum.Enum):
    """What the engine does with a failed request."""

    FAIL = "fail"
    """Final for this object: trying again can't help."""
    LATER = "later"
    """Final for this attempt, since a repeat within minutes can't help; another attempt may."""
    RETRY = "retry"
    """The same request again, after a back-off."""
    THROTTLE = "throttle"
    """As RETRY, and the whole run slows down: the store is overloaded."""
    SKEW = "skew"
    """Our clock is wrong: take the server's and try again."""
    CREDENTIALS = "credentials"
    """Fetch fresh credentials and try again; if they are no better, nothing else will succeed either: stop."""
    ABORT = "abort"
    """No object can succeed with this connection: stop, commit what is done."""


PASSING = frozenset({Verdict.LATER, Verdict.RETRY, Verdict.THROTTLE})
"""Verdicts on troubles of the store or the network: an object that fails with one may succeed in another attempt."""

FINAL = frozenset({Verdict.FAIL, Verdict.LATER})
"""Verdicts after which the engine sends no request again."""


class ErrorCode(NamedTuple):
    """
    A row of the tables.

    Attributes:
        status: HTTP status that it usually comes with; 0 where the source does not say.
        source: where the code is documented, or the file that sends it.
    """

    code: str
    status: int
    verdict: Verdict
    source: str


def rows(source: str, **codes_by_verdict: str) -> tuple[ErrorCode, ...]:
    """Return the rows of one *source*: by verdict (its value) lines of a status and codes."""
    found: list[ErrorCode] = []
    for verdict, text in codes_by_verdict.items():
        for line in text.strip().splitlines():
            status, *codes = line.split()
            found.extend(ErrorCode(code, int(status), Verdict(verdict), source) for code in codes)
    return tuple(found)
