"""What the page tells beside the outcome: selection, work, people, evidence, files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_s3batch.core import amounts
from airflow_s3batch.reports.page import words

if TYPE_CHECKING:
    from airflow_s3batch.reports.summary import JobSummary

Facts = dict[str, str]

MOST_SQL = 8_000
MOST_SOURCES = 20
MOST_NAMES = 50
_SHOWN_APART = frozenset({"kind", "where", "sql", "columns", "params", "guards", "tables"})
_GUARDS = {
    "min_objects": "At least so many objects",
    "max_objects": "At most so many objects",
    "max_bytes": "At most so many bytes",
    "allowed_buckets": "Only these buckets",
    "allowed_prefixes": "Only these prefixes",
    "max_change": "Change since the last manifest at most",
}
_SELECTING = {
    "since": "Only what changed since",
    "compare": "A change is seen by",
    "exclude": "Without what succeeded in",
    "sample": "Random sample of",
    "keep_versions": "Newest versions left out",
    "include_delete_markers": "Delete markers count as objects",
}


def selection(summary: JobSummary) -> dict[str, Any]:
    """Return what the template shows of the selection."""
    asked = summary.selection
    sql = str(asked.get("sql") or asked.get("where") or "")
    kind = str(asked.get("kind", "inventory"))
    known = {_SELECTING[name]: words.value_text(asked[name]) for name in _SELECTING if asked.get(name)}
    left = {name: value for name, value in asked.items() if name not in _SHOWN_APART and name not in _SELECTING}
    return {
        "sql": sql[:MOST_SQL],
        "sql_left": max(len(sql) - MOST_SQL, 0),
        "is_select": bool(asked.get("sql")),
        "bound": _bound(summary, sql),
        "columns": _texts(asked.get("columns")),
        "params": {name: words.literal(value) for name, value in _items(asked.get("params"))},
        "tables": _texts(asked.get("tables")),
        "known": known,
        "asked": words.facts(left),
        "kind": kind,
        "sources": _sources(summary, kind),
        "compared": words.facts(summary.evidence.get("compared")),
        "guards": _guards(asked.get("guards") or {}),
    }


def _bound(summary: JobSummary, sql: str) -> str:
    """Return the condition with its parameters' values, if that is another text."""
    asked = summary.evidence.get("asked") or []
    return str(asked[0])[:MOST_SQL] if asked and str(asked[0]).strip() != sql.strip() and "$" in sql else ""


def _texts(data: Any) -> Facts:
    return {name: words.value_text(value) for name, value in _items(data)}


def _items(data: Any) -> list[tuple[str, Any]]:
    items = list(data.items())[:MOST_NAMES] if isinstance(data, Mapping) else []
    return [(str(name), value) for name, value in items]


def _guards(guards: Mapping[str, Any]) -> Facts:
    return {_GUARDS.get(name, words.label(name)): words.value_text(value) for name, value in guards.items()}


def _sources(summary: JobSummary, kind: str) -> list[Facts]:
    """Return the pinned data, each source by label."""
    entries = summary.source.get("datasets") or [summary.source]
    return [_source(entry, summary, kind) for entry in entries[:MOST_SOURCES] if isinstance(entry, Mapping)]


def _source(entry: Mapping[str, Any], summary: JobSummary, kind: str) -> Facts:
    asked = summary.selection.get(kind)
    named = ", ".join(map(str, asked)) if isinstance(asked, list) else asked
    told = {
        "Inventory" if kind == "inventory" else "Objects from": entry.get("manifest") or named,
        "Inventory of" if kind == "inventory" else "As of": amounts.moment(entry.get("created")),
        "MD5 of its manifest.json": entry.get("md5"),
        "List of its files": entry.get("list"),
        "SHA-256 of that list": entry.get("sha256"),
        "About bucket": entry.get("source_bucket"),
        "Format": entry.get("format"),
        "Data files": _counted(entry.get("files")),
        "Bytes of data": _sized(entry.get("bytes")),
    }
    return {name: str(value) for name, value in told.items() if value}


def _counted(value: Any) -> str:
    return amounts.number(value) if isinstance(value, (int, float)) else ""


def _sized(value: Any) -> str:
    return amounts.size(value) if isinstance(value, (int, float)) else ""


def work(summary: JobSummary) -> Facts:
    """Return what was done, by label."""
    parameters = {name: value for name, value in summary.operation.items() if name != "operation"}
    iam = summary.evidence.get("iam") or {}
    engine = {"worker": "worker: Airflow workers send the requests", "managed": "managed: AWS S3 Batch Operations"}
    limit = summary.max_requests_per_s
    told = {
        "Operation": summary.operation.get("operation") or f"{summary.task_id} was never started",
        "Parameters": words.value_text(parameters) if parameters else "",
        "Engine": engine.get(str(summary.evidence.get("engine")), ""),
        "IAM actions that it needs on the objects": ", ".join(map(str, iam.get("actions", ()))),
        "IAM role of AWS's service": iam.get("role_arn"),
        "Failures allowed": words.value_text(summary.allowed_failures),
        "Codes that don't count": ", ".join(summary.tolerate),
        "Requests a second, at most": f"{limit:,.6g}" if limit is not None else "",
        "First request": amounts.moment(summary.started),
        "Last outcome": amounts.moment(summary.ended),
        "Requests sent": f"{summary.requests:,}, of them {summary.retries:,} repeats" if summary.requests else "",
    }
    return {name: str(value) for name, value in told.items() if value}


def run(summary: JobSummary) -> Facts:
    """Return which run of which Dag did it, by label."""
    about = summary.about
    told = {
        "Dag": about.get("dag_id"),
        "Run": about.get("run_id"),
        "Kind of run": about.get("run_type"),
        "Triggered by": about.get("triggered_by"),
        "Logical date": amounts.moment(about.get("logical_date")),
        "Task": summary.task_id,
        "Job": summary.job_url,
        "Job started": amounts.moment(summary.evidence.get("job_started")),
        "Report by task": about.get("task_id"),
        "Report's try": about.get("try_number"),
    }
    return {name: str(value) for name, value in told.items() if value}


def version_table(summary: JobSummary) -> list[tuple[str, list[str]]]:
    """Return rows of a table: name, and the version that planned, worked and reported; empty where not known."""
    known = summary.evidence.get("versions") or {}
    sides = [dict(known.get(side) or {}) for side in ("planned", "worked", "reported")]
    names = list(dict.fromkeys(name for side in sides for name in side))[:20]
    return [(name, [str(side.get(name, "–")) for side in sides]) for name in names]


def files(summary: JobSummary) -> Facts:
    """Return the report's files, URL by what they are."""
    places = {
        "Completion report, in AWS's format": summary.report_url,
        "Failed objects, as a manifest in AWS's format": summary.failed_url,
        "This summary as JSON": summary.summary_url,
        "This page": summary.html_url,
    }
    return {what: url for what, url in places.items() if url}


def is_web(url: str) -> bool:
    """Return whether *url* can be followed by a browser without harm."""
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False
