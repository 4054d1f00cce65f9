"""Jobs as a table, and the bar that shows that they are being read."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_s3batch.cli.printing import aligned, make_console, told
from airflow_s3batch.core.amounts import duration, number

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from airflow_s3batch.cli.job_list import JobLine

_STYLES = {"success": "green", "failed": "bold red", "running": "cyan", "paused": "yellow", "damaged": "bold red"}


@contextlib.contextmanager
def reading_progress() -> Iterator[Callable[[], None]]:
    """Show on standard error how many jobs were read, if that is a terminal; gives what to call for each."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("reading jobs"), BarColumn(20), TextColumn("{task.completed:,.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=make_console(sys.stderr), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda: progress.advance(task)


def print_job_lines(console: Console, lines: Sequence[JobLine], *, now: datetime, place: str) -> None:
    """Print *lines* as a table."""
    if not lines:
        console.print(told(f"There are no such jobs below {place}"))
        return
    heads = [told(head, "dim") for head in ("", "operation", "objects", "failed", "last seen", "dag, run")]
    rows = aligned([heads, *(_cells(line, now) for line in lines)], right=(2, 3, 4))
    console.print(next(rows))
    for line, row in zip(lines, rows, strict=True):
        console.print(row, soft_wrap=True)
        console.print(told(f"  {line.sentence if line.state == 'damaged' else line.url}", "dim"), soft_wrap=True)


def _cells(line: JobLine, now: datetime) -> list[Text]:
    age = f"{duration((now - line.last).total_seconds())} ago" if line.last else "–"
    return [
        told(line.state, _STYLES.get(line.state, "")),
        told(line.operation),
        told(number(line.objects)),
        told(number(line.failed), "red" if line.failed else ""),
        told(age),
        told(f"{line.dag_id} {line.run_id}".strip()),
    ]
