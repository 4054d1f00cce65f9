"""What the page shows of the outcome: verdict, figures, failures, and the plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow_s3batch.core import amounts
from airflow_s3batch.core.outcomes import DRY_RUN, NOT_ATTEMPTED
from airflow_s3batch.reports.page import words
from airflow_s3batch.reports.page.advice import advice
from airflow_s3batch.reports.page.bars import Column, Part, column_plot, legend, share_bar
from airflow_s3batch.reports.page.rate_plot import RatePlot
from airflow_s3batch.reports.page.verdict import really_failed, would_do

if TYPE_CHECKING:
    from airflow_s3batch.reports.summary import JobSummary

MOST_CODES = 40
MOST_PREFIXES = 25


def outcome_parts(summary: JobSummary) -> list[Part]:
    """Return what became of the objects."""
    tolerated = summary.failed - summary.counted_failures - would_do(summary)
    counted = really_failed(summary) - tolerated - summary.not_attempted
    parts = [
        Part("done", "succeeded", summary.succeeded),
        Part("would", "would be done", would_do(summary)),
        Part("borne", "failed, tolerated", tolerated),
        Part("failed", "can't be done" if summary.dry_run else "failed", counted),
        Part("left", "not attempted", summary.not_attempted),
    ]
    return [part for part in parts if part.number or (part.kind in ("done", "failed") and not summary.dry_run)]


def outcome(summary: JobSummary) -> dict[str, Any]:
    """Return what the template shows of the outcome."""
    parts = outcome_parts(summary)
    kind = "would" if summary.dry_run else "done"
    plot = RatePlot(summary.timeline, kind) if summary.timeline.get("points") else None
    told = ", ".join(f"{part.number:,} {part.label}" for part in parts)
    bar = {"name": "outcomes", "title": "What became of the objects", "description": f"Of {summary.objects:,}: {told}."}
    codes = [code for code in summary.codes if code != DRY_RUN]
    return {
        "bar": share_bar(parts, **bar) if summary.objects else None,
        "legend": legend(parts, summary.objects),
        "rate": {"plot": plot.drawn(), "rows": plot.rows(), "most": plot.most, "bin_s": plot.bin_s} if plot else None,
        "failures": [_failure(summary, code) for code in codes[:MOST_CODES]],
        "more_codes": len(codes) - MOST_CODES,
        "failed": really_failed(summary),
        "would_do": would_do(summary),
        "prefixes": list(_prefixes(summary)),
        "sizes": sizes(summary),
        "storage_classes": storage_classes(summary),
    }


def _failure(summary: JobSummary, code: str) -> dict[str, Any]:
    return {
        "code": code,
        "number": summary.codes[code],
        "share": summary.codes[code] / summary.objects,
        "of_failed": summary.codes[code] / max(really_failed(summary), 1),
        "is_tolerated": code != NOT_ATTEMPTED and code in summary.tolerate,
        "advice": advice(code),
        "examples": [unquote(url) for url in summary.examples.get(code, ())[:3]],
    }


def _prefixes(summary: JobSummary) -> Iterator[dict[str, Any]]:
    most = max((int(entry["failed"]) for entry in summary.prefixes), default=1)
    for entry in summary.prefixes[:MOST_PREFIXES]:
        yield {
            "prefix": unquote(str(entry["prefix"])),
            "number": int(entry["failed"]),
            "of_most": int(entry["failed"]) / max(most, 1),
            "codes": ", ".join(f"{code} {number:,}" for code, number in entry["codes"].items()),
            "at_least": not entry["is_exact"],
        }


def sizes(summary: JobSummary) -> dict[str, Any] | None:
    """Return plot and table of the objects' sizes; ``None`` if nobody counted them, or none is known."""
    classes = list(summary.sizes.get("classes", ()))
    there = [number for number, entry in enumerate(classes) if entry["objects"]]
    if not there:
        return None
    shown = [(_bounds(entry), entry) for entry in classes[there[0] : there[-1] + 1]]
    columns = [
        Column(name.replace(" to ", "\nto "), (Part("done", "objects", entry["objects"]),)) for name, entry in shown
    ]
    plot = column_plot(
        columns,
        name="sizes",
        title="Selected objects by size",
        description="; ".join(f"{name}: {entry['objects']:,}" for name, entry in shown),
        unit="objects",
    )
    rows = [{"name": name, **entry} for name, entry in shown]
    return {"plot": plot, "rows": rows, "unknown": summary.sizes["unknown"]}


def _bounds(entry: Mapping[str, Any]) -> str:
    if entry["below"] == 1:
        return "empty"
    if entry["below"] is None:
        return f"{amounts.size(entry['at_least'])} and more"
    return f"{amounts.size(entry['at_least'])} to {amounts.size(entry['below'])}"


def storage_classes(summary: JobSummary) -> list[dict[str, Any]]:
    """Return objects and bytes by storage class, most objects first."""
    found = [(str(name), int(counts[0]), int(counts[1])) for name, counts in summary.storage_classes.items()]
    found.sort(key=lambda item: (-item[1], item[0]))
    total = max(sum(item[1] for item in found), 1)
    return [
        {"name": name or "unknown", "objects": rows, "bytes": size, "share": rows / total}
        for name, rows, size in found[:20]
    ]


def history(summary: JobSummary) -> dict[str, Any] | None:
    """Return plot and table of the task's runs; ``None`` if there was no other one."""
    if len(summary.history) < 2:
        return None
    points = [dict(point) for point in summary.history]
    real = [point for point in points if not point["dry_run"]]
    columns = [Column(_day(point["created"]), tuple(_parts(point))) for point in real]
    plot = column_plot(
        columns,
        name="history",
        title="Selected objects, run by run",
        description=f"{len(real)} runs, oldest first; the table below has the figures.",
        unit="objects",
    )
    rows = [{**point, "is_this": point["job_url"] == summary.job_url, "share": _share(point)} for point in points[::-1]]
    return {"plot": plot if real else None, "rows": rows, "dry_runs": len(points) - len(real)}


def _parts(point: Mapping[str, Any]) -> Iterator[Part]:
    attempted = point["failed"] - point["not_attempted"]
    counted = min(max(point["counted_failures"] - point["not_attempted"], 0), attempted)
    yield Part("done", "succeeded", point["succeeded"])
    yield Part("borne", "failed, tolerated", attempted - counted)
    yield Part("failed", "failed", counted)
    yield Part("left", "not attempted", point["not_attempted"])


def _share(point: Mapping[str, Any]) -> float | None:
    return point["objects"] / point["source_rows"] if point.get("source_rows") else None


def _day(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text):%d %b\n%Y}"
    except ValueError:
        return words.cut(text, 10)
