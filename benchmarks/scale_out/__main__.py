"""
Measures, and writes docs/scale-out.md, .json and .svg: ``python -m benchmarks.scale_out [--quick] [--only …]``.

``--only ''`` measures nothing and writes the page anew from what is known.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.conditions import conditions, load
from benchmarks.cpu import Say
from benchmarks.results import Results as OtherResults
from benchmarks.scale_out.airflow_load import loads
from benchmarks.scale_out.document import document
from benchmarks.scale_out.plot import draw
from benchmarks.scale_out.results import Results
from benchmarks.scale_out.scope import DEFAULT, QUICK, Scope
from benchmarks.scale_out.throughput import cuts, speeds

DOCS = Path("docs")
SECTIONS: dict[str, Callable[[Scope, Say], list[Any]]] = {"speeds": speeds, "cuts": cuts, "loads": loads}
"""How each field of `Results` is measured."""


def measured(section: str, scope: Scope, known: Results) -> Results:
    """Measure *section*; all else stays as *known*."""
    began, busy = time.monotonic(), [load()]

    def say(line: str) -> None:
        busy.append(load())
        print(f"{time.monotonic() - began:6.0f} s  {line}", flush=True)

    rows = SECTIONS[section](scope, say)
    software = conditions()
    software["versions"] += f", apache-airflow {importlib.metadata.version('apache-airflow-core')}"
    told = {**known.conditions, **software, f"load during {section}": f"{min(busy):.1f} to {max(busy):.1f}"}
    return dataclasses.replace(known, conditions=told, **{section: rows})


def write(results: Results, docs: Path) -> Path:
    """Write figures, page and picture into *docs*; return the page's path."""
    docs.mkdir(parents=True, exist_ok=True)
    figures, page, picture = (docs / f"scale-out.{suffix}" for suffix in ("json", "md", "svg"))
    figures.write_text(results.to_json(), encoding="utf-8")
    page.write_text(document(results, others_in(DOCS), picture.name), encoding="utf-8")
    draw(results, picture)
    return page


def others_in(docs: Path) -> OtherResults:
    """Return what the other benchmarks found."""
    return OtherResults.from_json((docs / "benchmarks.json").read_text(encoding="utf-8"))


def main() -> None:
    """Read the command line, measure, print, write after each section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only to see that all of it works; no figures to quote")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--docs", type=Path, help="folder that is written to (docs; with --quick, build)")
    arguments = parser.parse_args()
    docs: Path = arguments.docs or (Path("build") if arguments.quick else DOCS)
    figures = docs / "scale-out.json"
    results = Results.from_json(figures.read_text(encoding="utf-8")) if figures.exists() else Results()
    for section in filter(None, arguments.only.split(",")):
        results = measured(section, QUICK if arguments.quick else DEFAULT, results)
        write(results, docs)
    print(f"see {write(results, docs)}")


if __name__ == "__main__":
    main()
