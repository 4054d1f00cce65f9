"""A report's summary as people see it in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from rich.text import Text

from airflow_s3batch.cli.bars import bar
from airflow_s3batch.cli.printing import aligned, print_facts, told
from airflow_s3batch.core.amounts import duration, moment, number, share, size
from airflow_s3batch.core.operation_names import operation_name
from airflow_s3batch.core.outcomes import NOT_ATTEMPTED

if TYPE_CHECKING:
    from rich.console import Console

_FILES = {
    "report": "report_url",
    "failed objects": "failed_url",
    "summary": "summary_url",
    "page": "html_url",
}
MOST_CODES = 20


def print_summary(console: Console, summary: Mapping[str, Any]) -> None:
    """Print verdict, counts, failures by code with examples, and where the files are."""
    console.print(_verdict(summary))
    for line in str(summary.get("sentence", "")).splitlines():
        console.print(told(line), soft_wrap=True)
    console.print()
    print_facts(console, _facts(summary))
    if summary.get("codes"):
        console.print()
        _print_failures(console, summary)
    if files := {label: summary[name] for label, name in _FILES.items() if summary.get(name)}:
        console.print()
        print_facts(console, files.items())


def verdict_of(summary: Mapping[str, Any]) -> tuple[str, str]:
    """Return the verdict and its style."""
    return ("green", "bold green") if summary.get("is_green") else ("red", "bold red")


def _verdict(summary: Mapping[str, Any]) -> Text:
    word, style = verdict_of(summary)
    name = operation_name(summary.get("operation")) or str(summary.get("task_id") or "report")  # AWS's own don't tell
    line = Text.assemble(("● ", style), (word, style), "  ", (told(name).plain, "bold"))
    if summary.get("dry_run"):
        line.append("  dry run: nothing was done", style="yellow")
    return line


def _facts(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    objects, failed = summary.get("objects", 0), summary.get("failed", 0)
    yield "objects", number(objects)
    yield "succeeded", f"{number(summary.get('succeeded', 0))} ({share(summary.get('succeeded', 0), objects)})"
    yield "failed", f"{number(failed)} ({share(failed, objects)}){_counting(summary)}"
    if summary.get("bytes"):
        yield "size", f"{size(summary['bytes'])} of what succeeded"
    if summary.get("duration_s"):
        yield "took", f"{duration(summary['duration_s'])}, {number(summary.get('rate'))} objects/s"
    if summary.get("started"):
        yield "from, to", f"{moment(summary['started'])}, {moment(summary.get('ended'))}"
    if summary.get("slow_downs"):
        yield "slow-downs", number(summary["slow_downs"])
    yield from _origin(summary)


def _counting(summary: Mapping[str, Any]) -> str:
    counted = summary.get("counted_failures", 0)
    return "" if counted == summary.get("failed") else f", {number(counted)} of them count"


def _origin(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    about = summary.get("about") or {}
    if about.get("dag_id"):
        yield "run", f"{about['dag_id']} {about.get('run_id', '')}"
    if summary.get("task_id"):
        yield "task", str(summary["task_id"])
    yield from _before_and_after(summary)


def _before_and_after(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what was said before the job ran, and what was seen after it."""
    cost, approval, rehearsal, verification = (
        summary.get(name) or {} for name in ("cost", "approval", "rehearsal", "verification")
    )
    if cost.get("sentence"):
        yield "cost", str(cost["sentence"])
    if approval.get("sentence"):
        yield "approval", str(approval["sentence"])
    if rehearsal.get("objects"):
        yield "rehearsal", f"{number(rehearsal['objects'])} objects, {number(rehearsal.get('failed', 0))} failed"
    if verification.get("checked"):
        checked, of, differ = (number(verification.get(name, 0)) for name in ("checked", "of", "differ"))
        yield "verified", f"{checked} of {of}, {differ} differ"


def _print_failures(console: Console, summary: Mapping[str, Any]) -> None:
    """Print a line for each code, the most frequent first, and below it the objects that it has for example."""
    codes = list((summary.get("codes") or {}).items())
    shown, most = codes[:MOST_CODES], max(n for _, n in codes)
    lines = aligned(
        [
            [told("failure", "dim"), told("objects", "dim"), told("share", "dim"), told("")],
            *(_failure(summary, code, n, most) for code, n in shown),
        ],
        right=(1, 2),
    )
    console.print(next(lines))
    for (code, _), line in zip(shown, lines, strict=True):
        console.print(line, soft_wrap=True)
        for url in (summary.get("examples") or {}).get(code, ()):
            console.print(told(f"  {unquote(url)}", "dim"), soft_wrap=True)
    if len(codes) > MOST_CODES:
        console.print(told(f"and {number(len(codes) - MOST_CODES)} more codes", "dim"))


def _failure(summary: Mapping[str, Any], code: str, failed: int, most: int) -> list[Text]:
    counts = code == NOT_ATTEMPTED or code not in (summary.get("tolerate") or ())
    style = "red" if counts else "yellow"
    return [
        told(code, style),
        told(number(failed)),
        told(share(failed, summary["objects"])),
        Text(bar(failed, most), style=style).append("" if counts else " tolerated", "dim"),
    ]
