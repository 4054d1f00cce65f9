"""How far one shard is, told every few seconds while a task works on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from airflow_s3batch.core.news import clean
from airflow_s3batch.core.news.bounds import fitted, thinned

PROGRESS_KEY = "s3batch_progress"
VERSION = 1
STATES = ("running", "paused", "stopped", "ended")
MOST_CODES = 8
MOST_POINTS = 60
MOST_BYTES = 8_000
LONGEST_S = 1e9
_NUMBERS = (int, float)
_INT = {int}

Codes = Mapping[str, tuple[int, tuple[str, ...]]]
"""Failures by code: how many, and URLs of the first few, keys encoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressNews:
    """
    What an operation task tells of its shard.

    Attributes:
        job: URL of the job's folder.
        shard: index; -1 where *bucket* is told instead (managed engine).
        engine: ``worker`` or ``managed``.
        operation: name in snake case, several joined by ``+``.
        dry_run: nothing is changed; every object ends as ``DryRun``.
        state: of this attempt, one of `STATES`; ``stopped`` if it ended before its last object.
        rows: objects of the shard.
        done: objects with an outcome, those included that succeeded in earlier attempts.
        failed: of *done*, in this attempt.
        rate: objects a second at the moment, ``None`` if not known; *requests_per_s* likewise.
        in_flight: requests without an answer.
        slow_downs: how often the store asked to slow down, in this attempt.
        window: how many requests may be in flight; *most* of them if the store does not complain.
        allowed_per_s: requests a second that the attempt may send; ``None`` without a limit.
        codes: of this attempt, at most `MOST_CODES`.
        started: ISO time at which the attempt began; *at* of this news.
        history: ``[seconds since started, done, failed, slow_downs]``, cumulative, at most `MOST_POINTS`.
        control: what was asked of the running job (pause, speed), as it is heeded.
        aws_job: ``id``, ``status``, ``url``, ``account_id``, ``region`` of AWS's job.
        sentence: why it stopped or is paused; empty while it runs.
        notice: what people should know of other jobs; empty if nothing.
    """

    job: str
    shard: int = -1
    bucket: str = ""
    engine: str = "worker"
    operation: str = ""
    dry_run: bool = False
    state: str = "running"
    rows: int = 0
    done: int = 0
    failed: int = 0
    rate: float | None = None
    requests_per_s: float | None = None
    in_flight: int = 0
    slow_downs: int = 0
    window: float | None = None
    most: int = 0
    allowed_per_s: float | None = None
    codes: Codes = field(default_factory=dict)
    started: str | None = None
    at: str | None = None
    history: tuple[tuple[float, int, int, int], ...] = ()
    control: Mapping[str, Any] | None = None
    aws_job: Mapping[str, Any] | None = None
    sentence: str = ""
    notice: str = ""

    @property
    def succeeded(self) -> int:
        """How many objects succeeded, in this attempt or an earlier one."""
        return max(0, self.done - self.failed)

    def to_json(self) -> dict[str, Any]:
        """Return the XCom's value, of at most `MOST_BYTES` bytes; `from_json` reads it."""
        document = {
            "v": VERSION,
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "codes": {code: [n, list(urls)] for code, (n, urls) in clean.codes(self._codes(), MOST_CODES).items()},
            "history": [list(point) for point in thinned(list(self.history), MOST_POINTS)],
            "control": clean.mapping(self.control, text=300, items=20),
            "aws_job": clean.mapping(self.aws_job, text=500, items=20),
            "operation": clean.visible(self.operation, 200),
            "sentence": clean.visible(self.sentence, 1_000),
            "notice": clean.visible(self.notice, 500),
        }
        return fitted(document, MOST_BYTES)

    def _codes(self) -> dict[str, list[Any]]:
        return {code: [number, list(urls)] for code, (number, urls) in self.codes.items()}

    @classmethod
    def from_json(cls, value: Any, *, is_brief: bool = False) -> Self | None:
        """
        Return the news that *value* tells, whatever is wrong with it made harmless; ``None`` if it tells none.

        What takes long to read (codes, history, …) is left out if *is_brief*.
        """
        if not isinstance(value, Mapping) or value.get("v") != VERSION or not isinstance(value.get("job"), str):
            return None
        rows, done, failed = (clean.count(value.get(name)) for name in ("rows", "done", "failed"))
        shard = value.get("shard")
        return cls(
            job=clean.url(value["job"]),
            shard=clean.count(shard) if isinstance(shard, int) and shard >= 0 else -1,
            bucket=clean.visible(value.get("bucket"), 100),
            engine=clean.one_of(value.get("engine"), ("worker", "managed"), "worker"),
            operation=clean.visible(value.get("operation"), 200),
            dry_run=value.get("dry_run") is True,
            at=clean.moment(value.get("at")),
            state=clean.one_of(value.get("state"), STATES, "running"),
            rows=max(rows, done),
            done=done,
            failed=min(failed, done),
            rate=clean.positive(value.get("rate")),
            requests_per_s=clean.positive(value.get("requests_per_s")),
            in_flight=clean.count(value.get("in_flight")),
            slow_downs=clean.count(value.get("slow_downs")),
            window=clean.positive(value.get("window")),
            most=clean.count(value.get("most")),
            allowed_per_s=clean.positive(value.get("allowed_per_s")),
            **({} if is_brief else _details(value)),
        )


def _details(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "codes": clean.codes(value.get("codes"), MOST_CODES),
        "started": clean.moment(value.get("started")),
        "history": _history(value.get("history")),
        "control": clean.mapping(value.get("control"), text=300, items=20),
        "aws_job": clean.mapping(value.get("aws_job"), text=500, items=20),
        "sentence": clean.visible(value.get("sentence"), 1_000),
        "notice": clean.visible(value.get("notice"), 500),
    }


def _history(value: Any) -> tuple[tuple[float, int, int, int], ...]:
    """Return the points that are such, in the order of time; *done* never falls."""
    found: list[tuple[float, int, int, int]] = []
    last_s, last_done = -1.0, 0
    for given in value[:1_000] if isinstance(value, list) else ():
        point = _point(given)
        if point is not None and point[0] > last_s and point[1] >= last_done:
            last_s, last_done = point[:2]
            found.append(point)
    return tuple(thinned(found, MOST_POINTS))


def _point(value: Any) -> tuple[float, int, int, int] | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    seconds, done, failed, slow_downs = value
    is_plain = type(seconds) in _NUMBERS and {type(done), type(failed), type(slow_downs)} == _INT
    if is_plain and 0 <= seconds <= LONGEST_S and 0 <= failed <= done <= clean.LARGEST >= slow_downs >= 0:
        return seconds, done, failed, slow_downs
    elapsed_s, counted = clean.positive(seconds), clean.count(done)
    if elapsed_s is None or elapsed_s > LONGEST_S:
        return None
    return elapsed_s, counted, min(counted, clean.count(failed)), clean.count(slow_downs)
