"""What a report task tells: what became of all objects, and whether that is green."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from airflow_s3batch.core.news import clean
from airflow_s3batch.core.news.bounds import fitted
from airflow_s3batch.core.news.progress import Codes

REPORT_KEY = "s3batch_report"
VERSION = 1
MOST_CODES = 20
MOST_BYTES = 16_000

_COUNTS = ("objects", "succeeded", "failed", "not_attempted", "counted_failures", "allowed", "bytes", "slow_downs")
_URLS = ("job", "report_url", "failed_url", "html_url", "summary_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportNews:
    """
    What a report task tells; the names are those of ``summary.json``.

    Attributes:
        operation: name in snake case; *declared* is the whole declaration.
        codes: failures by code, at most `MOST_CODES`.
        verification: what re-reading found, ``None`` if nothing was re-read.
        sentence: what happened, for the person on call.
        task_ids: ids of the job's tasks: ``manifest``, ``operation``, ``report``.
        no_manifest: there is no report, for there is no manifest.
    """

    job: str = ""
    operation: str = ""
    declared: Mapping[str, Any] | None = None
    engine: str = "worker"
    dry_run: bool = False
    objects: int = 0
    succeeded: int = 0
    failed: int = 0
    not_attempted: int = 0
    counted_failures: int = 0
    allowed: int = 0
    is_green: bool = False
    sentence: str = ""
    codes: Codes = field(default_factory=dict)
    bytes: int = 0
    slow_downs: int = 0
    duration_s: float | None = None
    rate: float | None = None
    started: str | None = None
    ended: str | None = None
    report_url: str = ""
    failed_url: str = ""
    html_url: str = ""
    summary_url: str = ""
    verification: Mapping[str, Any] | None = None
    aws_jobs: tuple[Mapping[str, Any], ...] = ()
    task_ids: Mapping[str, str] = field(default_factory=dict)
    no_manifest: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the XCom's value, of at most `MOST_BYTES` bytes; `from_json` reads it."""
        document = _cleaned({name: getattr(self, name) for name in self.__dataclass_fields__})
        codes = {code: [number, list(urls)] for code, (number, urls) in document["codes"].items()}
        return fitted({"v": VERSION, **document, "codes": codes, "aws_jobs": list(document["aws_jobs"])}, MOST_BYTES)

    @classmethod
    def from_json(cls, value: Any, *, is_brief: bool = False) -> Self | None:
        """
        Return the news that *value* tells, whatever is wrong with it made harmless; ``None`` if it tells none.

        What takes long to read and no list shows (declaration, verification, AWS's jobs) is left out if *is_brief*.
        """
        if not isinstance(value, Mapping) or value.get("v") != VERSION:
            return None
        told = {name: value.get(name) for name in cls.__dataclass_fields__}
        return cls(**(_brief(told) if is_brief else _cleaned(told)))


def _cleaned(told: Mapping[str, Any]) -> dict[str, Any]:
    jobs = told["aws_jobs"]
    return {
        **_brief(told),
        "declared": clean.mapping(told["declared"], text=500),
        "verification": _verification(told["verification"]),
        "aws_jobs": tuple(filter(None, map(clean.mapping, jobs[:20]))) if isinstance(jobs, list | tuple) else (),
    }


def _verification(value: Any) -> dict[str, Any] | None:
    """Return what was verified; its sentence keeps its lines."""
    found = clean.mapping(value, text=500)
    return {**found, "sentence": clean.lines(value.get("sentence"), 1_000)} if found else None


def _brief(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: clean.url(told[name]) for name in _URLS},
        **{name: clean.count(told[name]) for name in _COUNTS},
        **{name: clean.positive(told[name]) for name in ("duration_s", "rate")},
        **{name: clean.moment(told[name]) for name in ("started", "ended")},
        **{name: told[name] is True for name in ("dry_run", "is_green", "no_manifest")},
        "operation": clean.visible(told["operation"], 200),
        "engine": clean.one_of(told["engine"], ("worker", "managed"), "worker"),
        "sentence": clean.lines(told["sentence"], 3_000),
        "codes": clean.codes(told["codes"], MOST_CODES),
        "task_ids": clean.names(told["task_ids"]),
    }
