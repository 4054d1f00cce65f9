"""``report.html``: the summary for people, one file that needs no other."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from airflow_s3batch.core.outcomes import NOT_ATTEMPTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    import jinja2

    from airflow_s3batch.reports.summary import JobSummary


def report_page(summary: JobSummary, links: Mapping[str, str]) -> str:
    """
    Return the page; *links* are URLs by label, of which only http(s) ones can be clicked.

    The template engine escapes everything; characters that don't show (controls, direction marks) are spelled out.
    """
    return _template().render(
        summary=summary,
        failures=[_failure(summary, code) for code in summary.codes],
        facts=_facts(summary),
        sql=str(summary.selection.get("where", "")),
        columns=summary.selection.get("columns") or {},
        files=_files(summary),
        links={label: (url, _is_web(url)) for label, url in links.items()},
    )


@cache
def _template() -> jinja2.Template:
    import jinja2

    text = files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters.update(
        visible=visible, number=_number, share=_share, size=_size, duration=_duration, moment=_moment
    )
    return environment.from_string(text)


def visible(text: Any) -> str:
    r"""Return *text* with characters that don't show, or that change how others show, spelled ``\u{202e}``."""
    return "".join(rf"\u{{{ord(mark):x}}}" if _is_hidden(mark) else mark for mark in str(text))


def _is_hidden(mark: str) -> bool:
    return unicodedata.category(mark)[0] == "C" or mark in "\u2028\u2029"


def _failure(summary: JobSummary, code: str) -> dict[str, Any]:
    return {
        "code": code,
        "number": summary.codes[code],
        "share": summary.codes[code] / summary.objects,
        "is_tolerated": code != NOT_ATTEMPTED and code in summary.tolerate,
        "examples": [(url, unquote(url)) for url in summary.examples.get(code, ())],
    }


def _facts(summary: JobSummary) -> dict[str, str]:
    """Return what is known of operation, inventory and Dag run, by label; what is unknown is left out."""
    parameters = {name: value for name, value in summary.operation.items() if name != "operation"}
    facts = {
        "Operation": summary.operation.get("operation") or f"{summary.task_id} was never started",
        "Parameters": json.dumps(parameters, ensure_ascii=False) if parameters else "",
        **_origin(summary),
        "Dag": summary.about.get("dag_id"),
        "Run": summary.about.get("run_id"),
        "Task": summary.task_id,
        "Job": summary.job_url,
        "First request": _moment(summary.started),
        "Last outcome": _moment(summary.ended),
    }
    return {label: str(value) for label, value in facts.items() if value}


def _origin(summary: JobSummary) -> dict[str, Any]:
    """Return where the objects come from, by label."""
    kind = summary.selection.get("kind", "inventory")
    asked, created = summary.selection.get(kind), _moment(summary.source.get("created"))
    named = ", ".join(map(str, asked)) if isinstance(asked, list) else asked
    if kind == "inventory":
        return {"Inventory": summary.source.get("manifest") or named, "Inventory of": created}
    return {"Objects from": named, "As of": created}


def _files(summary: JobSummary) -> dict[str, str]:
    """Return the report's other files, URL by what they are."""
    places = {
        "Completion report, in AWS's format": summary.report_url,
        "Failed objects, as a manifest in AWS's format": summary.failed_url,
        "This summary as JSON": summary.summary_url,
    }
    return {what: url for what, url in places.items() if url}


def _is_web(url: str) -> bool:
    return urlsplit(url).scheme in ("http", "https")


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _share(value: float) -> str:
    return f"{value:.2%}" if value >= 0.0001 else "below 0.01%"


def _size(value: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            return f"{value:,.0f} bytes" if unit == "bytes" else f"{value:,.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} PiB"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _moment(text: str | None) -> str:
    """Return the ISO time *text* in words, in UTC; as it is if it is not one; empty if unknown."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return text or ""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
