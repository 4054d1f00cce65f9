"""What happened to one object, and to many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_s3batch.core.amounts import size

NOT_ATTEMPTED = "NotAttempted"
"""ErrorCode of rows without an outcome. It always counts as a failure and can't be tolerated."""

OUTCOME_UNKNOWN = "OutcomeUnknown"
"""ErrorCode of rows that may or may not have been done, where the operation forbids to do them again."""

DRY_RUN = "DryRun"
"""ErrorCode of rows of a dry run that the operation would be done to; nothing was."""

TARGET_EXISTS = "TargetExists"
"""ErrorCode of objects that were not moved, for something stands where they were to go."""

UNTOUCHED = frozenset({TARGET_EXISTS})
"""Codes by which an attempt says for certain that it has left an object, and all that is made of it, as it was."""

VANISHED = frozenset({"NoSuchKey", "NoSuchVersion"})
"""Codes of objects that are gone since the manifest was made; tolerated unless the user says otherwise."""

OTHER_CODES = "OtherCodes"
"""Stands in a tally for codes beyond its first `Tally.MOST_CODES`. It always counts as a failure."""

_ALWAYS_NAMED = VANISHED | {NOT_ATTEMPTED, OUTCOME_UNKNOWN, DRY_RUN}
_ALWAYS_COUNT = frozenset({NOT_ATTEMPTED, OTHER_CODES})


class Outcome(NamedTuple):
    """
    What happened to one object.

    Attributes:
        http_status: status of the request that decided; 0 if none was answered.
        error_code: S3's error code, or ours; empty on success.
        message: one line, fit for the ResultMessage column.
    """

    http_status: int
    error_code: str = ""
    message: str = "Successful"

    @property
    def is_success(self) -> bool:
        """Whether the object is now as the operation wants it."""
        return not self.error_code


SUCCESS = Outcome(200)


@dataclass(slots=True)
class Tally:
    """
    Counts over many outcomes; adds up over ranges, shards and jobs.

    A store that makes up a code for each object does not make it large: what is beyond `MOST_CODES` is counted under
    `OTHER_CODES`, and the counts stay right. A tolerated code that is met only then counts as a failure.

    Attributes:
        bytes: size of the objects that succeeded, as far as the manifest knew it; in a dry run, of those that the
            operation would be done to.
        codes: failures by error code.
        examples: for each code the URLs of the first few objects, key encoded.
    """

    EXAMPLES_PER_CODE = 3
    MOST_CODES = 200
    MOST_IN_SENTENCE = 10

    succeeded: int = 0
    failed: int = 0
    bytes: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def objects(self) -> int:
        """How many objects have an outcome."""
        return self.succeeded + self.failed

    def add_failures(self, code: str, number: int, examples: list[str]) -> None:
        """Count *number* failures with *code*; keep the first few of *examples*."""
        if code not in self.codes and len(self.codes) >= self.MOST_CODES and code not in _ALWAYS_NAMED:
            code = OTHER_CODES
        self.failed += number
        self.codes[code] = self.codes.get(code, 0) + number
        kept = self.examples.setdefault(code, [])
        kept.extend(examples[: self.EXAMPLES_PER_CODE - len(kept)])

    def add(self, other: Tally) -> None:
        """Add *other*'s counts to this one's."""
        self.succeeded += other.succeeded
        self.bytes += other.bytes
        for code, number in other.codes.items():
            self.add_failures(code, number, other.examples.get(code, []))

    def counted_failures(self, tolerate: frozenset[str]) -> int:
        """Return the failures that count: all but those in *tolerate*; what was `NOT_ATTEMPTED` always counts."""
        return sum(n for code, n in self.codes.items() if code in _ALWAYS_COUNT or code not in tolerate)

    def sentence(self) -> str:
        """
        Return ``37 of 1,204,511 objects failed (AccessDenied 30, NoSuchKey 7)``, or how many succeeded.

        Of a dry run: ``would be done to 1,204,511 objects (3.4 TiB); 37 could not be (NoSuchKey 37)``.
        """
        if DRY_RUN in self.codes:
            return self.dry_sentence()
        if not self.failed:
            return f"{self.objects:,} objects succeeded"
        codes = self._codes_but()
        return f"{self.failed:,} of {self.objects:,} objects failed" + (f" ({codes})" if codes else "")

    def dry_sentence(self) -> str:
        """Return to how many objects a dry run's operation would be done, and to how many it could not be."""
        would_be = self.codes.get(DRY_RUN, 0)
        of = f" ({size(self.bytes)})" if self.bytes else ""
        others = self.failed - would_be
        could_not = f"; {others:,} could not be ({self._codes_but(DRY_RUN)})" if others else ""
        return f"would be done to {would_be:,} objects{of}{could_not}"

    def _codes_but(self, code: str = "") -> str:
        others = sorted((item for item in self.codes.items() if item[0] != code), key=lambda item: -item[1])
        told = [f"{code} {n:,}" for code, n in others[: self.MOST_IN_SENTENCE]]
        more = len(others) - len(told)
        return ", ".join([*told, f"{more:,} more codes"] if more else told)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict; `from_json` reads it."""
        return {
            "succeeded": self.succeeded,
            "failed": self.failed,
            "bytes": self.bytes,
            "codes": self.codes,
            "examples": self.examples,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Tally:
        """Return the tally that `to_json` wrote."""
        return cls(
            int(data["succeeded"]),
            int(data["failed"]),
            int(data["bytes"]),
            {str(code): int(n) for code, n in data["codes"].items()},
            {str(code): list(urls) for code, urls in data["examples"].items()},
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """
    What a run of the engine did.

    Attributes:
        tally: counts by outcome.
        requests: requests sent, retries included.
        retries: how many of them were repeats.
        slow_downs: how often the store asked to slow down (429 or 503).
        duration_s: wall time.
        earlier: objects of the same shard that had succeeded before; not in *tally*.
        stopped: why the run ended before its last object; empty if it did not.
    """

    tally: Tally
    requests: int = 0
    retries: int = 0
    slow_downs: int = 0
    duration_s: float = 0.0
    stopped: str = ""
    earlier: int = 0

    @property
    def objects(self) -> int:
        """How many objects have an outcome."""
        return self.tally.objects

    @property
    def succeeded(self) -> int:
        """How many objects succeeded."""
        return self.tally.succeeded

    @property
    def failed(self) -> int:
        """How many objects failed."""
        return self.tally.failed
