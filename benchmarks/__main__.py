"""
Runs the benchmarks and writes docs/benchmarks.md with its plot: ``python -m benchmarks [--full | --quick]``.

The figures are kept in docs/benchmarks.json: with ``--only`` the other sections stay as they were, with ``--only ""``
nothing is measured and the page is written anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.checkpoints import checkpointing
from benchmarks.conditions import conditions, load
from benchmarks.cpu import Say, on_null_server, on_real_server
from benchmarks.document import document
from benchmarks.goals import goals
from benchmarks.latency import behind_latency
from benchmarks.listing import listing
from benchmarks.planning.contests import planning
from benchmarks.plot import draw
from benchmarks.results import Results
from benchmarks.scale import growing_shards
from benchmarks.scale_plan.known import figures_in, tables_in
from benchmarks.scale_plan.page import page as scale_page
from benchmarks.scope import DEFAULT, FULL, QUICK, Scope


class _Diary:
    """Prints a line per run, with the time since the start, and keeps the load that it saw."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._loads = [load()]

    def say(self, line: str) -> None:
        """Print *line*."""
        self._loads.append(load())
        print(f"{time.monotonic() - self._began:6.0f} s  {line}", flush=True)

    @property
    def busy(self) -> str:
        """How many processes wanted to run, servers and contenders included: the least and the most seen."""
        return f"{min(self._loads):.1f} to {max(self._loads):.1f}"


_SECTIONS: dict[str, Callable[[Scope, Say], list[Any]]] = {
    "cpu": lambda scope, say: [*on_null_server(scope, say), *on_real_server(scope, say)],
    "latency": behind_latency,
    "checkpoints": checkpointing,
    "scale": growing_shards,
    "planning": planning,
    "listing": listing,
}
"""How each field of `Results` is measured."""


def measured(section: str, scope: Scope, known: Results) -> Results:
    """Measure *section*; all else stays as *known*."""
    diary = _Diary()
    rows = _SECTIONS[section](scope, diary.say)
    told = {**known.conditions, **conditions(), f"load during {section}": diary.busy}
    return dataclasses.replace(known, conditions=told, **{section: rows})


def write(results: Results, docs: Path) -> Path:
    """Write figures, page, picture, and what follows from them in scale.md, into *docs*; return the page's path."""
    docs.mkdir(parents=True, exist_ok=True)
    figures, page, picture = (docs / f"benchmarks.{suffix}" for suffix in ("json", "md", "svg"))
    figures.write_text(results.to_json(), encoding="utf-8")
    page.write_text(document(results, picture.name), encoding="utf-8")
    draw(results, picture)
    if (docs / "scale.json").exists():
        (docs / "scale.md").write_text(scale_page(figures_in(docs), tables_in(docs)), encoding="utf-8")
    return page


def main() -> None:
    """Read the command line, measure, print, write after each section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    more = "more rounds, a shard of 10 million rows, inventories of 100 million"
    size.add_argument("--full", action="store_true", help=more)
    size.add_argument("--quick", action="store_true", help="only to see that all of it works; no figures to quote")
    parser.add_argument("--only", default=",".join(_SECTIONS), help=f"of {', '.join(_SECTIONS)}")
    parser.add_argument("--docs", type=Path, help="folder that is written to (docs; with --quick, build)")
    arguments = parser.parse_args()
    docs: Path = arguments.docs or Path("build" if arguments.quick else "docs")
    figures = docs / "benchmarks.json"
    results = Results.from_json(figures.read_text(encoding="utf-8")) if figures.exists() else Results()
    scope = FULL if arguments.full else QUICK if arguments.quick else DEFAULT
    for section in filter(None, arguments.only.split(",")):
        results = measured(section, scope, results)
        write(results, docs)
    page = write(results, docs)
    print(page.read_text(encoding="utf-8").partition("## How")[0])
    print(f"{sum(goal.is_met for goal in goals(results))} of {len(goals(results))} goals are met; see {page}")


if __name__ == "__main__":
    main()
